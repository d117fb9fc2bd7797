package builder

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// summary says what the services are, and what is ignored.
func (r *composeReader) summary() []string {
	var lines []string
	for _, s := range r.services {
		of := s.image
		if s.build != nil {
			of = "built from " + filepath.Join(s.build.context, s.build.dockerfile)
		}
		line := s.name + ": " + of
		if s.name == r.web {
			line += ", gets the traffic"
		}
		if s.name == r.web && s.name != "web" {
			line += " as process type web"
		}
		lines = append(lines, line)
	}
	if len(r.unset) > 0 {
		lines = append(lines, "not set, so empty: "+strings.Join(r.unset, ", ")+" (config:set gives them a value)")
	}
	if len(r.ignored) > 0 {
		lines = append(lines, "ignored in "+r.name+":")
	}
	for _, what := range r.ignored {
		lines = append(lines, "  "+what)
	}
	return lines
}

// Explain says what the services are, and what is ignored.
func (Compose) Explain(_ context.Context, _ appliance.Engine, req Request) ([]string, error) {
	source, err := os.OpenRoot(req.Source)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	file, err := readCompose(source.FS(), req)
	if err != nil {
		return nil, err
	}
	return file.summary(), nil
}
