package pipeline

import (
	"context"
	"io"

	"github.com/berthhq/berth/appliance"
)

// cleanup makes room for what is to come: the images of the kept releases
// stay, and the engine drops the rest.
func (r *run) cleanup(ctx context.Context) error {
	return r.stage(ctx, appliance.StageCleanup, func() error {
		r.progress.Step("Cleaning up ...")
		keep, err := r.needed(ctx)
		if err != nil {
			return err
		}
		return r.Engine.Prune(ctx, r.app, keep...)
	})
}

// needed returns the images of the app that something needs.
func (r *run) needed(ctx context.Context) ([]appliance.Image, error) {
	releases, err := r.Kept(ctx, r.app)
	if err != nil {
		return nil, err
	}
	loaded, err := r.loaded(ctx, r.app, releases)
	if err != nil {
		return nil, err
	}
	keep := append(images(releases), loaded...)
	kept, err := Kept[layer](ctx, r.Pipeline, r.app, layerSetting)
	if err != nil {
		return nil, err
	}
	if kept.Image != "" {
		keep = append(keep, kept.Image)
	}
	return keep, nil
}

// CleanUp removes what there is of an app for nothing: containers that have
// ended, and images that no kept release has. It waits for a deploy that is
// under way, and tells what that freed.
func (p *Pipeline) CleanUp(ctx context.Context, app appliance.AppName, out io.Writer) (freed appliance.Freed, err error) {
	err = p.run(ctx, app, "cleanup", out, func(r *run) error {
		ended, err := r.clearEnded(ctx)
		if err != nil {
			return err
		}
		keep, err := r.needed(ctx)
		if err != nil {
			return err
		}
		freed, err = r.Engine.Clear(ctx, app, keep...)
		freed.Containers += ended
		return err
	})
	return freed, err
}

// clearEnded removes the processes that have ended and are not of the live
// generation, and returns how many there were. What is of that tells how it
// ended, and is looked after by restores.
func (r *run) clearEnded(ctx context.Context) (int, error) {
	if err := r.state.work.acquire(ctx); err != nil {
		return 0, err
	}
	defer r.endWork(ctx, r.state, r.app)
	processes, err := r.Engine.Processes(ctx, r.app)
	if err != nil {
		return 0, err
	}
	app, err := r.Store.App(ctx, r.app)
	if err != nil {
		return 0, err
	}
	var ended []appliance.Process
	for _, q := range processes {
		if !q.Running && !q.Restarting && q.Generation != app.Live && !r.state.isRetiring(q.ID) {
			ended = append(ended, q)
		}
	}
	return len(ended), r.Engine.Stop(ctx, grace, ids(ended)...)
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
