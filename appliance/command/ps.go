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
		{Name: "ps:restart", Args: "<app> [<process>]", Short: "start an app's processes anew, or those of one type, or a single one", For: Deployer, Run: s.restart},
		{Name: "ps:scale", Args: "<app> [<type=count>...]", Short: "set how many processes run, or show it", For: Deployer, Run: s.scale, Flags: func(fs *pflag.FlagSet) {
			listing(fs)
			fs.Bool("skip-deploy", false, "from the next deploy on")
		}},
		{Name: "ps:set", Args: "<app> <ps-property> [<value>]", Short: "set restart-policy or stop-timeout-seconds", For: Deployer, Run: s.set},
		{Name: "ps:start", Args: "<app>", Short: "start an app that was stopped", For: Deployer, Run: s.start},
		{Name: "ps:stop", Args: "<app>", Short: "end all processes of an app, until it is started or deployed again", For: Deployer, Run: s.stop},
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
