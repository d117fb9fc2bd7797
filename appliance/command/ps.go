package command

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type ps struct {
	*pipeline.Pipeline
}

// Processes returns the commands that look after an app's processes.
func Processes(p *pipeline.Pipeline) []Command {
	s := ps{p}
	return []Command{
		{Name: "ps", Args: "<app>", Short: "show the processes of an app", For: Viewer, Reads: true, Run: s.list, Flags: listing},
		{Name: "ps:report", Args: "<app>", Short: "show the processes of an app", For: Viewer, Reads: true, Run: s.report, Flags: listing},
		{Name: "ps:inspect", Args: "<app>", Short: "print what Docker knows of an app's containers, without the values of the environment", For: Deployer, Reads: true, Run: s.inspect},
		{Name: "ps:rebuild", Args: "<app>", Short: "build the commit that is live again, and deploy it", For: Deployer, Run: s.rebuild, Every: &Every{Skip: s.idle}},
		{Name: "ps:restart", Args: "<app> [<process>]", Short: "start an app's processes anew, or those of one type, or a single one", For: Deployer, Run: s.restart, Every: &Every{Skip: s.idle}},
		{Name: "ps:restore", Args: "<app>", Short: "start what should run of an app and does not; without an app, of every app", For: Deployer, Run: s.restore, Every: &Every{Skip: s.idle, Alone: true}},
		{Name: "ps:scale", Args: "<app> [<type=count>...]", Short: "set how many processes run, or show it", For: Deployer, Run: s.scale, Flags: func(fs *pflag.FlagSet) {
			listing(fs)
			fs.Bool("skip-deploy", false, "from the next deploy on")
		}},
		{Name: "ps:set", Args: "<app> <ps-property> [<value>]", Short: "set restart-policy, stop-timeout-seconds, procfile-path or start-cmd", For: Deployer, Run: s.set, Secret: true, Shown: psProperties, Flags: func(fs *pflag.FlagSet) {
			fs.String("process-type", pipeline.Web, "of start-cmd: what it starts")
		}},
		{Name: "ps:start", Args: "<app>", Short: "start an app that was stopped", For: Deployer, Run: s.start, Every: &Every{Skip: s.undeployed}},
		{Name: "ps:stop", Args: "<app>", Short: "end all processes of an app, until it is started or deployed again", For: Deployer, Run: s.stop, Every: &Every{Skip: s.idle}},
	}
}

func (s ps) restart(ctx context.Context, c *Call) error {
	if err := s.deployed(ctx, c.App); err != nil {
		return err
	}
	if len(c.Args) == 1 {
		return s.Restart(ctx, c.App, c.Stdout)
	}
	return s.Renew(ctx, c.App, c.Args[1], c.Stdout)
}

func (s ps) start(ctx context.Context, c *Call) error {
	if err := s.deployed(ctx, c.App); err != nil {
		return err
	}
	return s.Start(ctx, c.App, c.Stdout)
}

func (s ps) stop(ctx context.Context, c *Call) error {
	if err := s.deployed(ctx, c.App); err != nil {
		return err
	}
	return s.Stop(ctx, c.App, c.Stdout)
}

// deployed returns an error for an app that nothing has been deployed of.
func (s ps) deployed(ctx context.Context, name appliance.AppName) error {
	app, err := s.Store.App(ctx, name)
	if err == nil && app.LiveRelease == 0 {
		return appliance.WithHint(fmt.Errorf("app %s has not been deployed", name), "deploy it with git push")
	}
	return err
}
