package pipeline

import (
	"context"

	"github.com/berthhq/berth/appliance"
)

// cleanup makes room for what is to come: the images of the kept releases
// stay, and the engine drops the rest.
func (r *run) cleanup(ctx context.Context) error {
	return r.stage(ctx, appliance.StageCleanup, func() error {
		r.progress.Step("Cleaning up ...")
		releases, err := r.Kept(ctx, r.app)
		if err != nil {
			return err
		}
		keep := images(releases)
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

// images returns what releases run from. What never went live is not among
// it: nothing goes back to that.
func images(releases []appliance.Release) (list []appliance.Image) {
	for _, release := range releases {
		if release.Status != appliance.ReleaseFailed {
			list = append(list, release.Images()...)
		}
	}
	return list
}
