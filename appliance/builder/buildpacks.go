package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Buildpacks builds source with classic buildpacks, in one container that
// runs from the stack image and becomes the app's image.
type Buildpacks struct{}

// Where things are inside the container. The scripts in stack/ know the same
// paths.
const (
	buildDir = "/tmp/build"    // the source, while it is built; /app when it is done
	planDir  = "/build/env"    // memory only: the config, and which buildpacks to use
	cacheDir = "/cache"        // a volume of the app
	released = "/app/.release" // what the buildpack said of the app
	user     = "1000:1000"
)

// Name is "buildpacks".
func (Buildpacks) Name() string { return "buildpacks" }

// Detect wants everything: whether there is a buildpack for the source, the
// buildpacks say themselves, inside the container.
func (Buildpacks) Detect(fs.FS, Settings) (string, bool) { return "no Dockerfile", true }

// Build runs the buildpacks that are asked for over the source, or else the
// built-in one that wants it.
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
	selected, err := selectBuildpacks(source.FS(), req)
	if err != nil {
		return Result{}, err
	}
	input, files, err := inputTar(selected, req, source, req.Out)
	if err != nil {
		return Result{}, err
	}
	out := &output{req: req}
	spec := spec(req)
	spec.Prepared = req.Prepared
	spec.Stdin, spec.Out = input, out
	spec.Collect, spec.Commit = released, commitOf(req.Tag)
	run, err := e.Run(ctx, spec)
	if unread := files.Close(); err == nil && run.Status != 0 && unread != nil {
		err = fmt.Errorf("give the source to the build: %w", unread)
	}
	if err != nil {
		out.flush()
		return Result{}, err
	}
	if run.Status != 0 || run.OOM {
		return Result{}, out.failure(run)
	}
	out.flush()
	said, err := parseReleased(run.Collected)
	if err != nil {
		return Result{}, err
	}
	if len(said.procfile) == 0 {
		return Result{}, appliance.WithHint(errors.New("built, but nothing says how to start it"),
			"add a Procfile to the root of the repository with a line as in web: ./run.sh")
	}
	return Result{Image: req.Tag, Procfile: said.procfile, Config: said.config, Secrets: said.secrets, Keeps: said.keeps, Inherits: said.inherits, Port: DefaultPort, Stack: req.Stack}, nil
}

// spec says what a build runs, whatever it is of.
func spec(req Request) appliance.RunSpec {
	return appliance.RunSpec{
		App:     req.App,
		Image:   cmp.Or(req.Kept, req.Stack),
		Command: []string{"/build/builder", string(req.App)},
		User:    user,
		Mounts:  []appliance.Mount{{Volume: "cache", Path: cacheDir}},
		Tmpfs:   []string{planDir},
		Fence:   req.Fence,
	}
}

// Prepare starts the container of a build that is about to come, before there
// is a source. Of the request it needs App, Stack, Kept and Fence; a Build whose
// request has the same goes on with what Prepare returns as its Prepared.
func (Buildpacks) Prepare(ctx context.Context, e appliance.Engine, req Request) (id string, err error) {
	return e.Prepare(ctx, spec(req))
}

func commitOf(tag appliance.Image) *appliance.CommitSpec {
	return &appliance.CommitSpec{Tag: tag, Command: []string{"/start", "web"}, User: user, Dir: "/app"}
}

// A said is what /build/builder says of an app that it has built.
type said struct {
	procfile appliance.Procfile
	config   map[string]string
	secrets  []string
	keeps    string
	inherits bool
}

// parseReleased reads what /build/builder wrote: YAML of one known shape,
// mappings in which every value is a single-quoted string.
func parseReleased(text []byte) (said, error) {
	is := said{procfile: appliance.Procfile{}, config: map[string]string{}}
	var section string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		entry, indented := strings.CutPrefix(line, "  ")
		if !indented {
			section = line
			continue
		}
		name, value, ok := strings.Cut(entry, ": ")
		if !ok || len(value) < 2 || value[0] != '\'' || value[len(value)-1] != '\'' {
			ok = false
		} else {
			value = strings.ReplaceAll(value[1:len(value)-1], "''", "'")
		}
		switch {
		case section == "process_types:" && ok && processType.MatchString(name):
			is.procfile[name] = value
		case section == "config_vars:" && ok && configKey.MatchString(name):
			is.config[name] = value
		case section == "config_secrets:" && ok && configKey.MatchString(name):
			is.secrets = append(is.secrets, name)
		case section == "keeps:" && ok && layerKey.MatchString(value):
			is.keeps = value
		case section == "inherits:" && ok && value == "yes":
			is.inherits = true
		case section == "process_types:" || section == "config_vars:":
			return said{}, fmt.Errorf("%s says %q, which makes no sense as one of the %s", released, line, strings.TrimSuffix(strings.ReplaceAll(section, "_", " "), ":"))
		}
	}
	return is, nil
}
