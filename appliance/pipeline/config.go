package pipeline

import (
	"context"
	"maps"

	"github.com/berthhq/berth/appliance"
)

// Config returns the environment of an app: its own, and below it that of all
// apps.
func (p *Pipeline) Config(ctx context.Context, app appliance.AppName) (map[string]string, error) {
	env, err := p.Store.Config(ctx, "")
	if err != nil {
		return nil, err
	}
	own, err := p.Store.Config(ctx, app)
	maps.Copy(env, own)
	return env, err
}

// environment returns what the processes of a release of the commit have: the
// app's config, and the commit.
func (p *Pipeline) environment(ctx context.Context, app appliance.AppName, commit string) (map[string]string, error) {
	env, err := p.Config(ctx, app)
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
