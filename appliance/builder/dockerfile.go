package builder

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/berthhq/berth/appliance"
)

// Dockerfile builds source that brings its own Dockerfile.
type Dockerfile struct{}

// Name is "dockerfile".
func (Dockerfile) Name() string { return "dockerfile" }

// Detect wants source with a Dockerfile in its root.
func (Dockerfile) Detect(source fs.FS, _ Settings) (string, bool) {
	info, err := fs.Stat(source, "Dockerfile")
	return "Dockerfile found", err == nil && info.Mode().IsRegular()
}

// Build builds the Dockerfile. The app's config is not given to it: build
// arguments stay readable in the image's history for good.
func (Dockerfile) Build(ctx context.Context, e appliance.Engine, req Request) (Result, error) {
	source, err := os.OpenRoot(req.Source)
	if err != nil {
		return Result{}, err
	}
	defer source.Close()
	procfile, err := readProcfile(source.FS())
	if err != nil {
		return Result{}, err
	}
	if len(procfile) == 0 {
		// The image's own command is its web process: an empty command says
		// that there is none to put in its place.
		procfile = appliance.Procfile{"web": ""}
	}
	image, err := e.Build(ctx, appliance.BuildSpec{App: req.App, Tag: req.Tag, Dir: req.Source, Out: req.Out})
	if err != nil {
		return Result{}, err
	}
	info, err := e.Inspect(ctx, image)
	if err != nil {
		return Result{}, fmt.Errorf("look at the image: %w", err)
	}
	port := DefaultPort
	if len(info.Ports) > 0 {
		port = slices.Min(info.Ports)
	}
	return Result{Image: image, Procfile: procfile, Port: port}, nil
}
