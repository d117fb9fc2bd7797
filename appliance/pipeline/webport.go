package pipeline

import (
	"context"

	"github.com/berthhq/berth/appliance"
)

// WebPort returns the port that an app's web processes are told to listen on,
// and whether its config says so. What config says without a restart counts.
func (p *Pipeline) WebPort(ctx context.Context, name appliance.AppName) (port int, set bool, err error) {
	env, err := p.Config(ctx, name)
	if err != nil {
		return 0, false, err
	}
	app, err := p.Store.App(ctx, name)
	if err != nil {
		return 0, false, err
	}
	release := appliance.Release{App: name}
	if app.LiveRelease != 0 {
		if release, err = p.Store.Release(ctx, name, app.LiveRelease); err != nil {
			return 0, false, err
		}
	}
	release.Env = env
	_, set = env["PORT"]
	return processPort(release, Web), set, nil
}
