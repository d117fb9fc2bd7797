package builder

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Explain asks the built-in buildpacks whether they want the source, in a
// container of their own. What others want is known only when they are
// fetched, which is left to the build.
func (Buildpacks) Explain(ctx context.Context, e appliance.Engine, req Request) ([]string, error) {
	source, err := os.OpenRoot(req.Source)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	procfile, err := readProcfile(source.FS())
	if err != nil {
		return nil, err
	}
	selected, err := selectBuildpacks(source.FS(), req)
	if err != nil {
		return nil, err
	}
	var lines []string
	if selected.packs == nil {
		if lines, err = detected(ctx, e, req, source, selected); err != nil {
			return nil, err
		}
	}
	for i, b := range selected.packs {
		kind := "fetched for the build"
		if b.Name != "" {
			kind = "built in"
		}
		lines = append(lines, fmt.Sprintf("buildpack %d of %d: %s (%s), because of %s", i+1, len(selected.packs), b, kind, selected.from))
	}
	types := "what the buildpacks say: there is no Procfile"
	if len(procfile) > 0 {
		types = strings.Join(slices.Sorted(maps.Keys(procfile)), ", ") + " (Procfile)"
	}
	return append(lines, "process types: "+types, "stack: "+string(req.Stack)), nil
}

// detected has /build/builder say which built-in buildpacks the source gets.
func detected(ctx context.Context, e appliance.Engine, req Request, source *os.Root, s selection) ([]string, error) {
	input, files, err := inputTar(s, Request{Commit: req.Commit}, source, io.Discard)
	if err != nil {
		return nil, err
	}
	defer files.Close()
	var said bytes.Buffer
	// Only what they print counts, and all of it is a few lines.
	out := &output{req: Request{Out: &said, Step: func(f string, args ...any) { fmt.Fprintf(&said, f+"\n", args...) }}}
	run, err := e.Run(ctx, appliance.RunSpec{
		App:     req.App,
		Image:   req.Stack,
		Command: []string{"/build/builder", string(req.App), "explain"},
		User:    user,
		Tmpfs:   []string{planDir},
		Stdin:   input,
		Out:     out,
		Fence:   req.Fence,
	})
	if err != nil {
		return nil, err
	}
	if run.Status != 0 || run.OOM {
		return nil, out.failure(run)
	}
	out.flush()
	return strings.Split(strings.TrimRight(said.String(), "\n"), "\n"), nil
}

// Explain names the file.
func (Dockerfile) Explain(_ context.Context, _ appliance.Engine, req Request) ([]string, error) {
	name := "Dockerfile"
	if req.Settings.Dockerfile != "" {
		name = req.Settings.Dockerfile
	}
	return []string{"file: " + name}, nil
}
