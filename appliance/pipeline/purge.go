package pipeline

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// freshSetting is set for an app whose next build uses nothing of those before
// it.
const freshSetting = "fresh-build"

// PurgeCache removes what builds of an app have kept for later ones. The next
// build begins afresh, also if we die in this moment: it removes what is left.
func (p *Pipeline) PurgeCache(ctx context.Context, app appliance.AppName, out io.Writer) error {
	return p.run(ctx, app, "removal of the build cache", out, func(r *run) error {
		if err := r.Store.SetApp(ctx, app, freshSetting, "true"); err != nil {
			return err
		}
		r.progress.Step("Removing the build cache of %s", app)
		removed, err := r.purge(ctx)
		if len(removed) > 0 {
			r.progress.Detail("%s", strings.Join(removed, ", "))
		}
		if err != nil {
			return err
		}
		r.progress.Detail("the next build begins afresh")
		return nil
	})
}

// purge removes the caches of the app, and says which there were. The caller
// has the app's turn.
func (r *run) purge(ctx context.Context) (removed []string, err error) {
	l, err := Kept[layer](ctx, r.Pipeline, r.app, layerSetting)
	if err != nil {
		return nil, err
	}
	if err := r.dropLayer(ctx); err != nil {
		return nil, err
	}
	if l.Image != "" {
		removed = append(removed, "the layer of dependencies")
	}
	data, err := r.dataVolumes(ctx)
	if err != nil {
		return removed, err
	}
	var caches []string
	for _, volume := range builder.Caches {
		if slices.Contains(data, volume) {
			r.progress.Warn("the volume %s stays: it is mounted in %s, and may have data", volume, r.app)
			continue
		}
		caches = append(caches, volume)
	}
	volumes, err := r.Engine.RemoveVolumes(ctx, r.app, caches...)
	for _, volume := range volumes {
		removed = append(removed, "the volume "+volume)
	}
	return removed, err
}

// dataVolumes returns the volumes that the app's own processes see, or did in a
// release that is kept.
func (r *run) dataVolumes(ctx context.Context) (volumes []string, err error) {
	storage, err := r.StorageOf(ctx, r.app)
	if err != nil {
		return nil, err
	}
	for _, s := range storage {
		volumes = append(volumes, s.Source)
	}
	releases, err := r.Store.Releases(ctx, r.app, -1)
	if err != nil {
		return nil, err
	}
	for _, release := range releases {
		for _, service := range release.Services {
			for _, m := range service.Mounts {
				volumes = append(volumes, m.Volume)
			}
		}
	}
	return volumes, nil
}

// beginFresh tells whether the app's next build is to use nothing of those
// before it, and sees to it that nothing is there.
func (r *run) beginFresh(ctx context.Context) (bool, error) {
	value, err := r.Store.AppSetting(ctx, r.app, freshSetting)
	if err != nil || value == "" {
		return false, err
	}
	if _, err := r.purge(ctx); err != nil {
		return false, fmt.Errorf("remove the build cache: %w", err)
	}
	return true, nil
}
