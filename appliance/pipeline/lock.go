package pipeline

import (
	"context"
	"fmt"

	"github.com/berthhq/berth/appliance"
)

// Settings about deploys as a whole.
const (
	LockSetting         = "deploy-lock"          // of an app: who has locked it
	AutocreationSetting = "disable-autocreation" // of the machine: "true" if a push makes no app
)

// unlocked returns an error if nothing new of an app is to be deployed. What is
// there may still be restarted and configured.
func (p *Pipeline) unlocked(ctx context.Context, app appliance.AppName) error {
	by, err := p.Store.AppSetting(ctx, app, LockSetting)
	if err != nil || by == "" {
		return err
	}
	return appliance.WithHint(fmt.Errorf("%s currently has a deploy lock in place (%s)", app, by), "release it: apps:unlock "+string(app))
}

// MayAutocreate returns an error if a push is not to make an app.
func (p *Pipeline) MayAutocreate(ctx context.Context) error {
	disabled, err := p.Store.Setting(ctx, AutocreationSetting)
	if err != nil || disabled != "true" {
		return err
	}
	return appliance.WithHint(fmt.Errorf("%w: app auto-creation is disabled", appliance.ErrDenied), "make it first: apps:create <app>")
}
