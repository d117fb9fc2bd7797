package builder

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/berthhq/berth/appliance"
)

// A project is what a project.toml says that a build heeds
// (https://github.com/buildpacks/spec/blob/main/extensions/project-descriptor.md).
// The zero value is that of source without one.
type project struct {
	Builder string
	env     map[string]string
	group   []cnbBuildpack
	ignored []string // what it says besides
}

// A cnbBuildpack is a buildpack of the builder image.
type cnbBuildpack struct {
	ID      string `toml:"id"`
	Version string `toml:"version,omitempty"`
}

// readProject reads the project.toml of that name. Source without one has the
// zero project.
func readProject(source fs.FS, name string) (p project, err error) {
	text, err := fs.ReadFile(source, name)
	if errors.Is(err, fs.ErrNotExist) && name == projectTOML {
		return p, nil
	}
	if err != nil {
		return p, appliance.WithHint(fmt.Errorf("read %s: %w", name, err), "builder:set names another file with projecttoml-path")
	}
	type env struct{ Name, Value string }
	var file struct {
		IO struct {
			Buildpacks struct {
				Builder string
				Group   []struct{ ID, Version, URI string }
				Build   struct{ Env []env }
			}
		} `toml:"io"`
		Build struct{ Env []env } // of schema version 0.1
	}
	meta, err := toml.Decode(string(text), &file)
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		return p, appliance.WithHint(fmt.Errorf("%w %s, line %d: %s", appliance.ErrInvalid, name, parse.Position.Line, parse.Message), "correct it and push again")
	}
	if err != nil {
		return p, fmt.Errorf("%w %s: %w", appliance.ErrInvalid, name, err)
	}
	p.Builder = file.IO.Buildpacks.Builder
	p.env = map[string]string{}
	for _, e := range slices.Concat(file.Build.Env, file.IO.Buildpacks.Build.Env) {
		if !configKey.MatchString(e.Name) {
			return p, fmt.Errorf("%w %s: environment variable %.80q", appliance.ErrInvalid, name, e.Name)
		}
		p.env[e.Name] = e.Value
	}
	for _, b := range file.IO.Buildpacks.Group {
		if b.URI != "" {
			return p, appliance.WithHint(fmt.Errorf("%s: buildpack %.80q is not one of the builder image", name, b.URI),
				"name buildpacks of the builder image by id, or choose a builder image that has what you need: builder:set")
		}
		p.group = append(p.group, cnbBuildpack{b.ID, b.Version})
	}
	for _, key := range meta.Undecoded() {
		if top := key.String(); !strings.HasPrefix(top, "_.") && top != "_" && !slices.Contains(p.ignored, top) {
			p.ignored = append(p.ignored, top)
		}
	}
	return p, nil
}

// environment returns what buildpacks see: what the project says, and the
// app's config, which wins.
func (p project) environment(config map[string]string) map[string]string {
	env := maps.Clone(p.env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, config)
	return env
}

// order returns a tar with an order.toml of the project's own buildpacks, or
// nil if the builder image's order is to be used.
func (p project) order() io.Reader {
	if len(p.group) == 0 {
		return nil
	}
	var text bytes.Buffer
	// Writing to memory does not fail.
	_ = toml.NewEncoder(&text).Encode(map[string]any{"order": []any{map[string]any{"group": p.group}}})
	return filesTar(map[string]string{"order.toml": text.String()})
}

// filesTar packs files, name to content, for whoever unpacks them.
func filesTar(files map[string]string) io.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		// As in order.
		_ = w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name]))})
		_, _ = io.WriteString(w, files[name])
	}
	_ = w.Close()
	return &b
}
