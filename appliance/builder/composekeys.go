package builder

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"

	"github.com/anmitsu/go-shlex"

	"github.com/berthhq/berth/appliance"
)

// serviceKeys are the keys of a service that have a meaning here.
var serviceKeys = map[string]func(*composeReader, *composeService, any) error{
	"image":   (*composeReader).image,
	"build":   (*composeReader).build,
	"command": func(_ *composeReader, s *composeService, v any) (err error) { s.command, err = command(v); return err },
	"entrypoint": func(_ *composeReader, s *composeService, v any) (err error) {
		s.entrypoint, err = command(v)
		return err
	},
	"env_file":    (*composeReader).envFiles,
	"environment": (*composeReader).environment,
	"ports":       (*composeReader).ports,
	"expose":      (*composeReader).expose,
	"volumes":     (*composeReader).volumes,
	"depends_on":  (*composeReader).dependsOn,
	"healthcheck": (*composeReader).healthcheck,
	"user":        (*composeReader).user,
	"working_dir": (*composeReader).workingDir,
	"restart":     (*composeReader).restart,
	"extends":     func(*composeReader, *composeService, any) error { return errors.New("not supported: write it out") },

	// As every process of an app has it.
	"init":       nothingMore,
	"stdin_open": nothingMore,
	"tty":        nothingMore,
	"profiles":   nothingMore,
}

func nothingMore(*composeReader, *composeService, any) error { return nil }

func (r *composeReader) image(s *composeService, v any) error {
	name, _ := v.(string)
	_, err := appliance.ParseImage(name)
	s.image = name
	return err
}

func (r *composeReader) build(s *composeService, v any) (err error) {
	b := &composeBuild{context: ".", dockerfile: "Dockerfile"}
	s.build = b
	fields, ok := v.(map[string]any)
	if text, short := v.(string); short {
		fields, ok = map[string]any{"context": text}, true
	}
	if !ok {
		return errors.New("neither a directory nor a mapping")
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		text, isText := fields[key].(string)
		switch {
		case key == "context" && isText:
			if b.context = path.Clean(text); !filepath.IsLocal(b.context) {
				return fmt.Errorf("context %.80q is not a directory of the commit", text)
			}
		case key == "dockerfile" && isText:
			if b.dockerfile = path.Clean(text); !filepath.IsLocal(b.dockerfile) {
				return fmt.Errorf("dockerfile %.80q is not in the build's context", text)
			}
		case key == "target" && isText:
			if b.target = text; !stageName.MatchString(text) {
				return fmt.Errorf("target %.80q is no name of a stage", text)
			}
		case key == "args":
			if b.args, err = pairs(fields[key], r.config); err != nil {
				return err
			}
		case key == "context" || key == "dockerfile" || key == "target" || key == "dockerfile_inline" || key == "additional_contexts":
			return fmt.Errorf("%s is not supported so", key)
		case fields[key] != nil:
			r.ignore(s.name, "build."+key)
		}
	}
	return nil
}

// command reads a list, or a line as a shell would split it. An empty one
// clears the image's own.
func command(v any) ([]string, error) {
	if line, ok := v.(string); ok {
		list, err := shlex.Split(line, true)
		if err != nil {
			return nil, errors.New("a quote is not closed")
		}
		return append([]string{}, list...), nil
	}
	list, ok := words(v)
	if !ok {
		return nil, errors.New("a line, or a list of words")
	}
	return append([]string{}, list...), nil
}

// words reads a list of strings.
func words(v any) (list []string, ok bool) {
	all, ok := v.([]any)
	for _, one := range all {
		s, is := one.(string)
		list, ok = append(list, s), ok && is
	}
	return list, ok
}

// dependsOn reads which services to start first.
func (r *composeReader) dependsOn(s *composeService, v any) error {
	if on, ok := v.(map[string]any); ok {
		s.after = slices.Sorted(maps.Keys(on))
		return nil
	}
	list, ok := words(v)
	if !ok {
		return errors.New("a list of services")
	}
	s.after = list
	return nil
}

// restart: every process of an app is started again when it ends.
func (r *composeReader) restart(s *composeService, v any) error {
	if v == "no" || v == "false" {
		r.ignore(s.name, "restart: no (every process of an app is started again when it ends)")
	}
	return nil
}
