package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
)

// moves returns the commands that make an app of another.
func (a apps) moves() []Command {
	return []Command{
		{Name: "apps:rename", Args: "<app> <new-app>", Short: "give an app another name; what runs goes on", Run: a.rename, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("skip-deploy", false, "nothing is deployed in any case")
		}},
		{Name: "apps:clone", Args: "<app> <new-app>", Short: "make an app with the repository, config and settings of another", Run: a.clone, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("skip-deploy", false, "do not deploy it")
			fs.Bool("ignore-existing", false, "do nothing if there is an app of the new name")
		}},
	}
}

func (a apps) rename(ctx context.Context, c *Call) error {
	to, err := appliance.ParseAppName(c.Args[1])
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> Renaming %s to %s...\n", c.App, to)
	if err := a.Rename(ctx, c.App, to, c.Stderr); err != nil {
		return err
	}
	return a.where(ctx, c, to)
}

func (a apps) clone(ctx context.Context, c *Call) error {
	to, err := appliance.ParseAppName(c.Args[1])
	if err != nil {
		return err
	}
	if _, err := a.Store.App(ctx, to); err == nil && c.Bool("ignore-existing") {
		fmt.Fprintf(c.Stdout, "-----> App %s already exists\n", to)
		return nil
	}
	fmt.Fprintf(c.Stdout, "-----> Cloning %s to %s...\n", c.App, to)
	err = a.Clone(ctx, c.App, to, !c.Bool("skip-deploy"), c.Stderr)
	if errors.Is(err, appliance.ErrExists) {
		return appliance.WithHint(err, "apps:list shows the apps there are")
	}
	if _, there := a.Store.App(ctx, to); err != nil && there == nil {
		return appliance.WithHint(err, fmt.Sprintf("%s is there, and nothing of it runs: push to it, or remove it with apps:destroy %s", to, to))
	}
	if err != nil {
		return err
	}
	return a.where(ctx, c, to)
}

// where says how an app is reached now.
func (a apps) where(ctx context.Context, c *Call, app appliance.AppName) error {
	host, err := a.Host(ctx, app)
	if err != nil {
		return err
	}
	if host != "" {
		fmt.Fprintf(c.Stdout, "       %s\n", a.Addresses.URL(host))
	}
	fmt.Fprintf(c.Stdout, "       git remote set-url berth berth@<this host>:%s\n", app)
	return nil
}
