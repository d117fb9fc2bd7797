package pipeline_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// keeps is a builder that uses the layer that it is given.
type keeps struct {
	builder.Dockerfile
	given *[]appliance.Image
}

func (keeps) Name() string { return "keeps" }

func (keeps) Detect(fs.FS, builder.Settings) (string, bool) { return "it is asked", true }

func (k keeps) Build(ctx context.Context, e appliance.Engine, req builder.Request) (builder.Result, error) {
	*k.given = append(*k.given, req.Kept)
	r, err := k.Dockerfile.Build(ctx, e, req)
	r.Inherits = req.Kept != ""
	return r, err
}

// An app that is a Dockerfile's from now on would have its modules for ever,
// beside those of its image.
func TestLayerOfDependenciesGoesWithWhatUsesIt(t *testing.T) {
	w := newWorld(t)
	var given []appliance.Image
	w.Builders = []builder.Builder{keeps{given: &given}}
	app := serves().and("package.json", "{}")
	dir := t.TempDir()
	for name, content := range app {
		w.must(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	w.deployed("blog", app)
	layer, err := w.engine.Build(t.Context(), appliance.BuildSpec{App: "blog", Tag: "berth-test/blog:kept", Dir: dir})
	w.must(err)
	w.must(w.Keep(t.Context(), "blog", "kept-layer", map[string]string{"image": string(layer), "dependencies": builder.DependenciesSum(os.DirFS(dir))}))
	w.deployed("blog", app)
	if images, err := w.engine.Images(t.Context(), "blog"); given[1] != layer || err != nil || !slices.Contains(images, layer) {
		t.Fatalf("the second build was given %q, and there are %q, %v: this test shows nothing", given[1], images, err)
	}
	w.must(w.Clone(w.as("ada"), "blog", "copy", true, new(buffer)))
	w.Wait()
	if given[2] != "" {
		t.Errorf("the clone's build was given %q, which is another app's", given[2])
	}

	w.Builders = []builder.Builder{builder.Dockerfile{}}
	w.deployed("blog", app)

	images, err := w.engine.Images(t.Context(), "blog")
	w.must(err)
	if slices.Contains(images, layer) {
		t.Errorf("images = %q, want the layer gone", images)
	}
	for version := 1; version <= 3; version++ {
		if !slices.Contains(images, w.release(version).Image) {
			t.Errorf("image of v%d is gone", version)
		}
	}
}
