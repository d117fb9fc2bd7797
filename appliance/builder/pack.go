package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/berthhq/berth/appliance"
)

// Pack builds source with Cloud Native Buildpacks: those of a builder image,
// run by the lifecycle. What the builder image brings runs in a container of
// its own, as an unprivileged user; only the lifecycle's first and last phase,
// which look at images and write one, get the engine's socket, and those run
// from an image that Berth has built (https://buildpacks.io/docs/reference/spec/platform-api).
type Pack struct {
	Instance string // the names of its images start with it

	// Stack returns an image with Go, to build the lifecycle with.
	Stack func(ctx context.Context, out io.Writer) (appliance.Image, error)
}

// DefaultBuilderImage is what Dokku and Heroku use where nothing else is said.
const DefaultBuilderImage = "heroku/builder:24"

// Launcher is what starts a command in an image that Pack has built, with what
// its buildpacks have put into the environment. A command of one word it gives
// to a shell.
const Launcher = "/cnb/lifecycle/launcher"

// projectTOML is where the settings of a source are, if it has any.
const projectTOML = "project.toml"

// Name is "pack", as in Dokku.
func (Pack) Name() string { return "pack" }

// Detect wants source with a project.toml.
func (Pack) Detect(source fs.FS, s Settings) (string, bool) {
	name := cmp.Or(s.ProjectTOML, projectTOML)
	info, err := fs.Stat(source, name)
	return name + " found", err == nil && info.Mode().IsRegular()
}

// Build runs the phases of the lifecycle: analyze with the socket; detect,
// restore and build in the builder image without it; export with it again.
func (p Pack) Build(ctx context.Context, e appliance.Engine, req Request) (Result, error) {
	source, err := os.OpenRoot(req.Source)
	if err != nil {
		return Result{}, err
	}
	defer source.Close()
	project, err := readProject(source.FS(), cmp.Or(req.Settings.ProjectTOML, projectTOML))
	if err != nil {
		return Result{}, err
	}
	procfile, err := readProcfile(source.FS())
	if err != nil {
		return Result{}, err
	}
	name := cmp.Or(req.Settings.BuilderImage, project.Builder, DefaultBuilderImage)
	b, err := p.images(ctx, e, req, name)
	if err != nil {
		return Result{}, err
	}
	req.Step("Using builder %s, run image %s", name, b.runName)
	for _, ignored := range project.ignored {
		fmt.Fprintf(req.Out, "%s: %s is ignored\n", projectTOML, ignored)
	}
	lifecycle, err := p.Lifecycle(ctx, e, req.Out)
	if err != nil {
		return Result{}, err
	}
	build := cnbBuild{req: req, engine: e, lifecycle: lifecycle, images: b, project: project}
	if err := build.analyze(ctx, source); err != nil {
		return Result{}, err
	}
	if err := build.build(ctx); err != nil {
		return Result{}, err
	}
	if err := build.export(ctx); err != nil {
		return Result{}, err
	}
	return build.result(ctx, procfile)
}

// A cnbBuild is one build on its way through the phases.
type cnbBuild struct {
	req       Request
	engine    appliance.Engine
	lifecycle appliance.Image
	images    cnbImages
	project   project
}

// Caches are the volumes of an app in which builds keep what later ones can use.
var Caches = []string{"cache", "cnb-cache", "cnb-launch-cache", "cnb-layers", "cnb-trusted", "cnb-workspace"}

// What the phases share: volumes of the app. trusted is never seen by what the
// builder image brings. The cache has a path that no image has: Docker gives an
// empty volume what the image has at its path, and its owner.
var (
	sharedMounts = []appliance.Mount{
		{Volume: "cnb-layers", Path: "/layers"},
		{Volume: "cnb-workspace", Path: "/workspace"},
		{Volume: "cnb-cache", Path: "/cnb-cache"},
	}
	trustedMounts = append([]appliance.Mount{
		{Volume: "cnb-trusted", Path: "/trusted"},
		{Volume: "cnb-launch-cache", Path: "/launch-cache"},
	}, sharedMounts...)
)

func (b cnbBuild) analyze(ctx context.Context, source *os.Root) error {
	files := sourceTar(source, "", b.req.Out)
	defer files.Close()
	args := []string{"/cnb/berth/analyze", b.images.uid, b.images.gid, string(b.req.Tag), string(b.images.run)}
	if b.req.Previous != "" {
		args = append(args, string(b.req.Previous))
	}
	return b.phase(ctx, appliance.RunSpec{
		Image: b.lifecycle, Command: args, User: "0:0", Mounts: trustedMounts, Engine: true, Stdin: files,
	})
}

// buildScript runs the phases that are the builder image's own. The config
// comes on stdin, and goes into memory only.
const buildScript = `set -e
tar -xf - -C /platform/env
exec </dev/null
/cnb/lifecycle/detector $ORDER
/cnb/lifecycle/restorer -cache-dir /cnb-cache
exec /cnb/lifecycle/builder`

func (b cnbBuild) build(ctx context.Context) error {
	spec := appliance.RunSpec{
		Image: b.images.builder, Command: []string{"/bin/sh", "-c", buildScript}, User: b.images.uid + ":" + b.images.gid,
		Mounts: sharedMounts, Tmpfs: []string{"/platform/env"}, Stdin: filesTar(b.project.environment(b.req.Env)),
	}
	if order := b.project.order(); order != nil {
		spec.Files, spec.FilesDir = order, "/tmp"
		spec.Env = []string{"ORDER=-order /tmp/order.toml"}
	}
	return b.phase(ctx, spec)
}

func (b cnbBuild) export(ctx context.Context) error {
	return b.phase(ctx, appliance.RunSpec{
		Image: b.lifecycle, Command: []string{"/cnb/berth/export", b.images.uid, b.images.gid, string(b.req.Tag)},
		User: "0:0", Mounts: trustedMounts, Engine: true,
	})
}

// phase runs one container of the build.
func (b cnbBuild) phase(ctx context.Context, spec appliance.RunSpec) error {
	spec.App, spec.Out, spec.Fence = b.req.App, b.req.Out, b.req.Fence
	spec.Env = append(spec.Env, "CNB_PLATFORM_API="+b.images.api, "CNB_NO_COLOR=true",
		"CNB_USER_ID="+b.images.uid, "CNB_GROUP_ID="+b.images.gid)
	run, err := b.engine.Run(ctx, spec)
	if err != nil {
		return err
	}
	return explainLifecycle(run.Status)
}

// explainLifecycle makes an error of the status that a phase has ended with
// (https://github.com/buildpacks/spec/blob/main/platform.md#outputs).
func explainLifecycle(status int) error {
	const above = "the lines above say why"
	switch {
	case status == 0:
		return nil
	case status == 20 || status == 21:
		return appliance.WithHint(errors.New("no buildpack of the builder wants this source"),
			"the lines above say what each one looked for; builder:set chooses another builder image, or another builder")
	case status >= 50 && status < 60:
		return appliance.WithHint(errors.New("a buildpack could not build this source"), above)
	}
	return appliance.WithHint(fmt.Errorf("the lifecycle ended with status %d", status), above)
}

// Explain says what Build would use. Which buildpacks want the source, only
// the builder image knows.
func (Pack) Explain(_ context.Context, _ appliance.Engine, req Request) ([]string, error) {
	source, err := os.OpenRoot(req.Source)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	project, err := readProject(source.FS(), cmp.Or(req.Settings.ProjectTOML, projectTOML))
	if err != nil {
		return nil, err
	}
	lines := []string{"builder image: " + cmp.Or(req.Settings.BuilderImage, project.Builder, DefaultBuilderImage)}
	for _, b := range project.group {
		lines = append(lines, fmt.Sprintf("buildpack: %s %s", b.ID, b.Version))
	}
	for _, ignored := range project.ignored {
		lines = append(lines, projectTOML+": "+ignored+" is ignored")
	}
	return lines, nil
}
