package pipeline

import (
	"context"
	"io"

	"github.com/berthhq/berth/appliance"
)

// Clone makes an app with the config, the settings, the formation and the
// repository of another, but without its domains, certificates and volumes.
// With deploy, it is built and deployed. A clone that is not finished is gone
// after a restart.
func (p *Pipeline) Clone(ctx context.Context, from, to appliance.AppName, deploy bool, out io.Writer) error {
	if _, err := p.Store.App(ctx, from); err != nil {
		return err
	}
	if err := p.Create(ctx, to, true); err != nil {
		return err
	}
	if err := p.copyApp(ctx, from, to); err != nil {
		if discardErr := p.Discard(ctx, to); discardErr != nil {
			p.Log.ErrorContext(ctx, "discard clone", "app", to, "err", discardErr)
		}
		return err
	}
	branch, commit, err := p.Head(ctx, to)
	if err != nil || !deploy || commit == "" {
		return err
	}
	return p.Receive(ctx, Push{App: to, Commit: commit, Branch: branch, Previous: commit, Source: "apps:clone " + string(from)}, out)
}

func (p *Pipeline) copyApp(ctx context.Context, from, to appliance.AppName) error {
	env, err := p.Store.Config(ctx, from)
	if err != nil {
		return err
	}
	if err := p.Store.ChangeConfig(ctx, to, env, nil); err != nil {
		return err
	}
	formation, err := p.Store.Formation(ctx, from)
	if err != nil {
		return err
	}
	if err := p.Store.Scale(ctx, to, formation); err != nil {
		return err
	}
	if err := p.Store.CopySettings(ctx, from, to, LockSetting, layerSetting, loadedSetting); err != nil {
		return err
	}
	release, err := p.use(ctx, from, nil)
	if err != nil {
		return err
	}
	defer release()
	if err := p.Repos.Copy(ctx, from, to); err != nil {
		return err
	}
	return p.Store.Establish(ctx, to)
}
