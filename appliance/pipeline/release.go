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

// environment returns what the processes of a release of the commit have: the
// app's config, and the commit.
func (p *Pipeline) environment(ctx context.Context, app appliance.AppName, commit string) (map[string]string, error) {
	env, err := p.Store.Config(ctx, app)
	if err != nil {
		return nil, err
	}
	name, err := p.Property(ctx, app, RevEnvVarSetting)
	if err != nil {
		return nil, err
	}
	if _, set := env[name]; name != NoRevEnvVar && commit != "" && !set {
		env[name] = commit
	}
	return env, nil
}
