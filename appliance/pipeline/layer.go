package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// layerSetting is where the layer of an app is kept.
const layerSetting = "kept-layer"

// layerTime is for making one.
const layerTime = 5 * time.Minute

// A layer is an image of a stack and of dependencies that builds have kept, for
// later builds to begin with. Each app has one at most.
type layer struct {
	Image        appliance.Image `json:"image"`
	Stack        appliance.Image `json:"stack"`
	Dependencies string          `json:"dependencies"` // see builder.DependenciesSum

	keeps string
	fence appliance.Fence
}

// keptLayer returns the layer that a build on the stack, of a source that asks
// for these dependencies, can begin with; "" if there is none.
func (r *run) keptLayer(ctx context.Context, stack appliance.Image, dependencies string) (appliance.Image, error) {
	l, err := Kept[layer](ctx, r.Pipeline, r.app, layerSetting)
	if err != nil || l.Image == "" || l.Stack != stack || dependencies == "" || l.Dependencies != dependencies {
		return "", err
	}
	if _, err := r.Engine.Inspect(ctx, l.Image); errors.Is(err, appliance.ErrNotFound) {
		return "", nil // somebody has tidied up: it is made again
	} else if err != nil {
		return "", err
	}
	return l.Image, nil
}

// keepLayer makes the layer that the run's build has found worth making. A
// build without it takes longer, and that is all.
func (r *run) keepLayer(ctx context.Context) {
	if r.layer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, layerTime)
	defer cancel()
	l := *r.layer
	l.Image = r.tag("kept")
	err := builder.KeepLayer(ctx, r.Engine, builder.Layer{App: r.app, Tag: l.Image, Stack: l.Stack, Keeps: l.keeps, Fence: l.fence})
	if err == nil {
		err = r.Keep(ctx, r.app, layerSetting, l)
	}
	if err != nil {
		r.Log.WarnContext(ctx, "keep dependencies as a layer", "app", r.app, "err", err)
	}
}

// dropLayer removes the app's layer, of which nothing that is built has any use
// now: its source asks for other dependencies, or is built by something else.
// It is forgotten first, so that the next cleanup removes what a death leaves.
func (r *run) dropLayer(ctx context.Context) error {
	l, err := Kept[layer](ctx, r.Pipeline, r.app, layerSetting)
	if err != nil || l.Image == "" {
		return err
	}
	if err := r.Store.SetApp(ctx, r.app, layerSetting, ""); err != nil {
		return err
	}
	keep, err := r.needed(ctx)
	if err != nil {
		return err
	}
	return r.Engine.Prune(ctx, r.app, keep...)
}
