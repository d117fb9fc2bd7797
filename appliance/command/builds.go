package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type builds struct {
	*pipeline.Pipeline
}

// Builds returns the commands about what was built and deployed, and what is
// being.
func Builds(p *pipeline.Pipeline) []Command {
	b := builds{p}
	return []Command{
		{Name: "builds:list", Args: "<app>", Short: "list the builds of an app; with --global those that run", For: Viewer, Global: true, Reads: true, Run: b.list, Flags: func(fs *pflag.FlagSet) {
			listing(fs)
			fs.String("status", "", "only those that are running, succeeded, failed, canceled or abandoned")
			fs.String("kind", "", "only those of a kind: build or deploy")
		}},
		{Name: "builds:info", Args: "<app> [<n>]", Short: "show a build, or the last", For: Viewer, Reads: true, Run: b.info, Flags: listing},
		{Name: "builds:output", Args: "<app> [<n>]", Short: "show what a build printed, or the last", For: Viewer, Reads: true, Run: b.output, Flags: func(fs *pflag.FlagSet) {
			fs.BoolP("tail", "t", false, "go on showing it until the build has ended")
		}},
		{Name: "builds:cancel", Args: "<app> [<n>]", Short: "cancel a build that runs or waits", For: Deployer, Run: b.cancel},
		{Name: "builds:explain", Args: "<app>", Short: "say what a build would do, without building", For: Viewer, Reads: true, Run: b.explain, Flags: listing},
		{Name: "builds:prune", Args: "<app>", Short: "forget the builds that are too many to keep", For: Deployer, Global: true, Run: b.prune},
		{Name: "builds:set", Args: "<app> <property> [<value>]", Short: "set retention, or --global parallel; no value takes it back", For: Deployer, Global: true, Run: b.set},
		{Name: "builds:report", Args: "<app>", Short: "show the last build of an app, and how many are kept", For: Viewer, Global: true, Reads: true, Run: b.report, Flags: listing},
	}
}

// find returns the build that the second argument names, or the last.
func (b builds) find(ctx context.Context, c *Call) (appliance.Build, error) {
	n, err := number(c)
	if err != nil {
		return appliance.Build{}, err
	}
	return b.Store.Build(ctx, c.App, n)
}

// number returns the number of a build that the second argument is, or 0.
// Dokku calls the one that runs "current".
func number(c *Call) (int, error) {
	if len(c.Args) == 1 || c.Args[1] == "current" {
		return 0, nil
	}
	n, err := strconv.ParseUint(c.Args[1], 10, 31)
	if err != nil || n == 0 {
		return 0, appliance.WithHint(fmt.Errorf("%w build %.40q", appliance.ErrInvalid, c.Args[1]), "give its number: builds:list "+string(c.App)+" has them")
	}
	return int(n), nil
}

func (b builds) output(ctx context.Context, c *Call) error {
	build, err := b.find(ctx, c)
	if err != nil {
		return err
	}
	return b.Output(ctx, c.App, build.Number, c.Bool("tail"), c.Stdout)
}

func (b builds) cancel(ctx context.Context, c *Call) error {
	n, err := number(c)
	if err != nil {
		return err
	}
	build, err := b.Cancel(ctx, c.App, n)
	if errors.Is(err, appliance.ErrNotFound) {
		return b.notRunning(ctx, c, n)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Killing build %d of %s\n", build.Number, c.App)
	if build.Status != appliance.BuildCanceled {
		fmt.Fprintf(c.Stdout, "       it had gone too far: it %s\n", build.Status)
	}
	return nil
}

// notRunning says, as Dokku does, that there is nothing to cancel, which is no
// failure.
func (b builds) notRunning(ctx context.Context, c *Call, n int) error {
	if n == 0 {
		fmt.Fprintln(c.Stdout, "-----> App not currently deploying")
		return nil
	}
	build, err := b.Store.Build(ctx, c.App, n)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Build %d is no longer running (status=%s)\n", build.Number, build.Status)
	return nil
}

func (b builds) prune(ctx context.Context, c *Call) error {
	apps := []appliance.App{{Name: c.App}}
	if c.Global {
		var err error
		if apps, err = b.Store.Apps(ctx); err != nil {
			return err
		}
	}
	for _, app := range apps {
		keep, err := b.Retention(ctx, app.Name)
		if err != nil {
			return err
		}
		n, err := b.Store.PruneBuilds(ctx, app.Name, keep)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "-----> Pruned %d builds of %s, kept the last %d\n", n, app.Name, keep)
	}
	return nil
}
