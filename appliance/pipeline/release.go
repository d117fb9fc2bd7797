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
		env, err := r.environment(ctx, r.app, spec.Commit)
		if err != nil {
			return err
		}
		spec.App, spec.Env, spec.Restores = r.app, env, 0
		if spec.Version == 0 {
			if spec, err = r.prepare(ctx, spec); err != nil {
				return err
			}
		}
		release, err = r.addRelease(ctx, spec)
		return err
	})
	return release, err
}

// addRelease keeps what is to be deployed, and says so.
func (r *run) addRelease(ctx context.Context, spec appliance.Release) (release appliance.Release, err error) {
	spec.Actor = appliance.ActorFrom(ctx).Name
	_, wanted, err := r.Wanted(ctx, r.app)
	if err != nil {
		return release, err
	}
	spec.Formation = Formation(spec, wanted)
	if release, err = r.Store.AddRelease(ctx, spec); err != nil {
		return release, err
	}
	r.made.Release = release.Version
	r.progress.Step("Releasing %s v%d", r.app, release.Version)
	return release, nil
}
