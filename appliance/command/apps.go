package command

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type apps struct {
	*pipeline.Pipeline
}

// Apps returns the commands that make, list and remove apps.
func Apps(p *pipeline.Pipeline) []Command {
	a := apps{p}
	return slices.Concat(a.moves(), a.locks(), a.reports(), []Command{
		{Name: "apps:create", Args: "<app>", Short: "create an app", Makes: true, Run: a.create},
		{Name: "apps:destroy", Args: "<app>", Short: "remove an app and all that belongs to it", For: Manager, Run: a.destroy, Flags: force},
		{Name: "apps:exists", Args: "<app>", Short: "exit with 0 if there is such an app", For: Viewer, Reads: true, Run: a.exists},
		{Name: "apps:list", Short: "list the apps", For: Anyone, Reads: true, Run: a.list, Flags: listing},
		{Name: "url", Args: "<app>", Short: "print the address of an app", For: Viewer, Reads: true, Run: a.url},
		{Name: "urls", Args: "<app>", Short: "print every address of an app", For: Viewer, Reads: true, Run: a.urls, Flags: listing},
	})
}

func force(fs *pflag.FlagSet) { fs.Bool("force", false, "do not ask") }

func (a apps) create(ctx context.Context, c *Call) error {
	fmt.Fprintf(c.Stdout, "-----> Creating %s...\n", c.App)
	err := a.Create(ctx, c.App, false)
	if errors.Is(err, appliance.ErrExists) {
		return appliance.WithHint(err, "apps:list shows the apps there are")
	}
	return err
}

func (a apps) destroy(ctx context.Context, c *Call) error {
	if !c.Bool("force") {
		if err := confirm(c, string(c.App)+", with its releases, config, domains and volumes", string(c.App), "apps:destroy "+string(c.App)); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Stdout, "Destroying %s\n", c.App)
	return a.Destroy(ctx, c.App, c.Stderr)
}

// exists has nothing to do: the gate lets through only what is there.
func (a apps) exists(context.Context, *Call) error { return nil }

func (a apps) list(ctx context.Context, c *Call) error {
	list, err := Visible(ctx, a.Store, c.Actor)
	if err != nil {
		return err
	}
	names := []string{}
	for _, app := range list {
		names = append(names, string(app.Name))
	}
	if format, _ := c.Flags.GetString("format"); len(names) == 0 && format == "stdout" {
		fmt.Fprintln(c.Stderr, " !     You haven't deployed any applications yet")
		return nil
	}
	return c.List("My Apps", names, names)
}

func (a apps) url(ctx context.Context, c *Call) error {
	host, err := a.Host(ctx, c.App)
	if err != nil {
		return err
	}
	if host == "" {
		return noHost(c.App)
	}
	fmt.Fprintln(c.Stdout, a.Addresses.URL(host))
	return nil
}

func (a apps) urls(ctx context.Context, c *Call) error {
	hosts, err := a.Hosts(ctx, c.App)
	if err != nil {
		return err
	}
	list := []string{}
	for _, host := range hosts {
		if !appliance.IsWildcard(host) { // nobody can open that
			list = append(list, a.Addresses.URL(host))
		}
	}
	return c.List("", list, list)
}
