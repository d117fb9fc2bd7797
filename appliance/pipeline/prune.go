package pipeline

import (
	"context"
	"io"

	"github.com/berthhq/berth/appliance"
)

// PruneReleases forgets the releases of an app that are too many to keep, with
// their images. It waits for a deploy that is under way.
func (p *Pipeline) PruneReleases(ctx context.Context, app appliance.AppName, out io.Writer) error {
	return p.run(ctx, app, "cleanup", out, func(r *run) error {
		_, surplus, err := r.sort(ctx, app)
		if err != nil {
			return err
		}
		if err := r.dropSurplus(ctx); err != nil {
			return err
		}
		if err := r.cleanup(ctx); err != nil {
			return err
		}
		for _, release := range surplus {
			r.progress.Detail("v%d (%s)", release.Version, release.Reason)
		}
		r.progress.Detail("%s forgotten", count(len(surplus), "release"))
		return nil
	})
}
