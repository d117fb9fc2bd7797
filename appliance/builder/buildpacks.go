package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/berthhq/berth/appliance"
)

// Buildpacks builds source with classic buildpacks, in one container that
// runs from the stack image and becomes the app's image.
type Buildpacks struct{}

// Where things are inside the container. The scripts in stack/ know the same
// paths.
const (
	buildDir = "/tmp/build"    // the source, while it is built; /app when it is done
	envDir   = "/build/env"    // memory only: the config, for buildpacks
	cacheDir = "/cache"        // a volume of the app
	released = "/app/.release" // what the buildpack said of the app
	user     = "1000:1000"
)

// Name is "buildpacks".
func (Buildpacks) Name() string { return "buildpacks" }

// Detect wants everything: whether there is a buildpack for the source, the
// buildpacks say themselves, inside the container.
func (Buildpacks) Detect(fs.FS, Settings) (string, bool) { return "no Dockerfile", true }

// Build runs the buildpacks over the source.
func (Buildpacks) Build(ctx context.Context, e appliance.Engine, req Request) (Result, error) {
	source, err := os.OpenRoot(req.Source)
	if err != nil {
		return Result{}, err
	}
	defer source.Close()
	// The container reads the Procfile again, but a mistake in it should not
	// cost a build.
	if _, err := readProcfile(source.FS()); err != nil {
		return Result{}, err
	}
	config, err := envTar(req.Env)
	if err != nil {
		return Result{}, err
	}
	files := sourceTar(source, req.Out)
	defer files.Close()
	out := &output{req: req}
	run, err := e.Run(ctx, appliance.RunSpec{
		App:      req.App,
		Image:    req.Stack,
		Command:  []string{"/build/builder", string(req.App), req.Commit},
		User:     user,
		Mounts:   []appliance.Mount{{Volume: "cache", Path: cacheDir}},
		Tmpfs:    []string{envDir},
		Stdin:    bytes.NewReader(config),
		Out:      out,
		Files:    files,
		FilesDir: buildDir,
		Collect:  released,
		Commit:   &appliance.CommitSpec{Tag: req.Tag, Command: []string{"/start", "web"}, User: user, Dir: "/app"},
	})
	if err != nil {
		out.flush()
		return Result{}, err
	}
	if run.Status != 0 || run.OOM {
		return Result{}, out.failure(run)
	}
	out.flush()
	procfile, err := parseReleased(run.Collected)
	if err != nil {
		return Result{}, err
	}
	if len(procfile) == 0 {
		return Result{}, appliance.WithHint(errors.New("built, but nothing says how to start it"),
			"add a Procfile to the root of the repository with a line as in web: ./run.sh")
	}
	return Result{Image: req.Tag, Procfile: procfile, Port: DefaultPort, Stack: req.Stack}, nil
}

// parseReleased reads the process types from what /build/builder wrote: YAML
// of one known shape, in which every command is a single-quoted string.
func parseReleased(text []byte) (appliance.Procfile, error) {
	procfile := appliance.Procfile{}
	within := false
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\n")
		entry, indented := bytes.CutPrefix(line, []byte("  "))
		if !indented {
			within = string(line) == "process_types:"
			continue
		}
		if !within {
			continue
		}
		name, command, ok := bytes.Cut(entry, []byte(": "))
		if !ok || !processType.Match(name) || len(command) < 2 || command[0] != '\'' || command[len(command)-1] != '\'' {
			return nil, fmt.Errorf("%s says %q, which is no process type", released, line)
		}
		procfile[string(name)] = string(bytes.ReplaceAll(command[1:len(command)-1], []byte("''"), []byte("'")))
	}
	return procfile, nil
}
