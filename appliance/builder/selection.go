package builder

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// A selection is the buildpacks that somebody has asked for, and where. The
// zero value leaves the choice to the built-in ones.
type selection struct {
	packs []Buildpack
	from  string // "buildpacks:set"
}

// maxBuildpacks is more than anybody needs.
const maxBuildpacks = 30

// selectBuildpacks looks where Heroku's and Dokku's users name buildpacks, and
// the first place that names any counts. It is the app's settings before what
// the source says, and one buildpack before a list.
func selectBuildpacks(source fs.FS, req Request) (selection, error) {
	file, err := buildpacksFile(source)
	if err != nil {
		return selection{}, err
	}
	for _, place := range []struct {
		from  string
		names []string
	}{
		{"buildpacks:set", req.Settings.Buildpacks},
		{"BUILDPACK_URL", one(req.Env["BUILDPACK_URL"])},
		{"BUILDPACK_URL in .env", one(dotenvBuildpack(source))},
		{".buildpacks", file},
		{"app.json", req.AppJSON.Buildpacks},
	} {
		s := selection{from: place.from}
		for _, name := range place.names {
			b, err := ParseBuildpack(name)
			if err != nil {
				return selection{}, appliance.WithHint(fmt.Errorf("%s: %w", place.from, err), appliance.HintOf(err))
			}
			s.packs = append(s.packs, b)
		}
		if len(s.packs) > maxBuildpacks {
			return selection{}, fmt.Errorf("%w %s: more than %d buildpacks", appliance.ErrInvalid, place.from, maxBuildpacks)
		}
		if len(s.packs) > 0 {
			return s, nil
		}
	}
	return selection{}, nil
}

func one(name string) []string {
	if name = strings.TrimSpace(name); name == "" {
		return nil
	}
	return []string{name}
}

// maxSmall is far more than a file needs that only names buildpacks.
const maxSmall = 256 << 10

// buildpacksFile returns what .buildpacks names, a line each.
func buildpacksFile(source fs.FS) ([]string, error) {
	text, err := readFile(source, ".buildpacks", maxSmall)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\uFEFF")) {
		// An address may have a # in it. A comment stands alone, or after a blank.
		name, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " #")
		if name = strings.TrimSpace(name); name != "" && !strings.HasPrefix(name, "#") {
			names = append(names, name)
		}
	}
	return names, nil
}

// dotenvBuildpack returns what .env says of BUILDPACK_URL, as for buildstep.
func dotenvBuildpack(source fs.FS) string {
	text, err := readFile(source, ".env", maxSmall)
	if err != nil {
		return "" // it may be a directory, of Python's, and need not be about us
	}
	found := ""
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(strings.TrimPrefix(name, "export ")) == "BUILDPACK_URL" {
			found = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return found
}

// plan is s in the words of /build/builder: a line for each buildpack, of its
// kind, what people are shown, its address, its ref, and its id.
func (s selection) plan() []byte {
	var b bytes.Buffer
	if s.packs == nil {
		for _, name := range BuiltIn() {
			if slices.Contains(detectionOrder, name) {
				fmt.Fprintln(&b, "try", name, "-", "-", name)
			}
		}
		return b.Bytes()
	}
	fmt.Fprintln(&b, "from", s.from)
	for _, p := range s.packs {
		kind := "git"
		switch {
		case p.Name != "":
			kind = "built-in"
		case p.Archive:
			kind = "archive"
		}
		fmt.Fprintln(&b, kind, p, cmp.Or(p.URL, "-"), cmp.Or(p.Ref, "-"), p.id())
	}
	return b.Bytes()
}
