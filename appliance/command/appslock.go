package command

import (
	"context"
	"fmt"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// locks returns the commands that keep new versions of an app away.
func (a apps) locks() []Command {
	return []Command{
		{Name: "apps:lock", Args: "<app>", Short: "refuse deploys of an app until it is unlocked", For: Deployer, Run: a.lock},
		{Name: "apps:unlock", Args: "<app>", Short: "let an app be deployed again", For: Deployer, Run: a.unlock},
		{Name: "apps:locked", Args: "<app>", Short: "exit with 0 if deploys of an app are refused", For: Viewer, Reads: true, Run: a.locked},
	}
}

func (a apps) lock(ctx context.Context, c *Call) error {
	by := fmt.Sprintf("by %s, %s", c.Actor.Name, time.Now().UTC().Format(time.RFC3339))
	if err := a.Store.SetApp(ctx, c.App, pipeline.LockSetting, by); err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, "-----> Deploy lock created")
	return nil
}

func (a apps) unlock(ctx context.Context, c *Call) error {
	by, err := a.Store.AppSetting(ctx, c.App, pipeline.LockSetting)
	if err != nil {
		return err
	}
	if by == "" {
		fmt.Fprintf(c.Stderr, " !     there is no deploy lock of %s\n", c.App)
		return nil
	}
	if err := a.Store.SetApp(ctx, c.App, pipeline.LockSetting, ""); err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, "-----> Deploy lock removed")
	return nil
}

func (a apps) locked(ctx context.Context, c *Call) error {
	by, err := a.Store.AppSetting(ctx, c.App, pipeline.LockSetting)
	if err != nil {
		return err
	}
	if by == "" {
		return appliance.WithHint(fmt.Errorf("deploy lock of %s %w", c.App, appliance.ErrNotFound), "apps:lock "+string(c.App)+" makes one")
	}
	fmt.Fprintf(c.Stdout, "Deploy lock exists (%s)\n", by)
	return nil
}
