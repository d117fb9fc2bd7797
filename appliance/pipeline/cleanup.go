package pipeline

import (
	"context"

	"github.com/berthhq/berth/appliance"
)

// keepReleases is how many of an app's releases keep their image.
const keepReleases = 10

// cleanup makes room for what is to come: the images of the last releases
// stay, and the engine drops the rest.
func (r *run) cleanup(ctx context.Context) error {
	return r.stage(ctx, appliance.StageCleanup, func() error {
		r.progress.Step("Cleaning up ...")
		app, err := r.Store.App(ctx, r.app)
		if err != nil {
			return err
		}
		releases, err := r.Store.Releases(ctx, r.app, keepReleases)
		if err != nil {
			return err
		}
		if app.LiveRelease != 0 {
			live, err := r.Store.Release(ctx, r.app, app.LiveRelease)
			if err != nil {
				return err
			}
			releases = append(releases, live)
		}
		var keep []appliance.Image
		for _, release := range releases {
			keep = append(keep, release.Image)
			for _, service := range release.Services {
				if service.Image != "" {
					keep = append(keep, service.Image)
				}
			}
		}
		kept, err := Kept[layer](ctx, r.Pipeline, r.app, layerSetting)
		if err != nil {
			return err
		}
		if kept.Image != "" {
			keep = append(keep, kept.Image)
		}
		return r.Engine.Prune(ctx, r.app, keep...)
	})
}
