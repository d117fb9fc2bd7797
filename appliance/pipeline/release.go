package pipeline

import (
	"context"

	"github.com/berthhq/berth/appliance"
)

// release makes the app's next release of what is in spec, with the
// environment as it is now. What was no release before is prepared first: its
// scripts run for new code, not for a change of config.
func (r *run) release(ctx context.Context, spec appliance.Release) (release appliance.Release, err error) {
	err = r.stage(ctx, appliance.StageRelease, func() error {
		env, err := r.Store.Config(ctx, r.app)
		if err != nil {
			return err
		}
		spec.App, spec.Env, spec.Actor = r.app, env, appliance.ActorFrom(ctx).Name
		if spec.Version == 0 {
			if spec, err = r.prepare(ctx, spec); err != nil {
				return err
			}
		}
		if release, err = r.Store.AddRelease(ctx, spec); err != nil {
			return err
		}
		r.progress.Step("Releasing %s v%d", r.app, release.Version)
		return nil
	})
	return release, err
}
