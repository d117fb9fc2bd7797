package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/berthhq/berth/appliance/pipeline"
)

// A property is something that is set for an app, or with --global for all that
// have none of their own.
type property struct {
	name    string // "init-process", as people write it
	setting string // as it is kept
	parse   func(string) (string, error)
	when    string // "the next deploy": from when on it holds
}

// A propertyGroup is the properties of a group of commands.
type propertyGroup struct {
	*pipeline.Pipeline
	name       string // "scheduler"
	about      string // "what starts an app's processes": what its report shows
	properties []property
}

// commands are those that set the properties and show them.
func (g propertyGroup) commands() []Command {
	return []Command{
		{Name: g.name + ":report", Args: "<app>", Short: "show " + g.about, For: Viewer, Global: true, Reads: true, Run: g.report, Flags: listing},
		{Name: g.name + ":set", Args: "<app> <property> [<value>]", Short: "set " + strings.Join(g.known(), " or ") + "; no value takes it back", For: Deployer, Global: true, Run: g.set},
	}
}

func (g propertyGroup) known() (names []string) {
	for _, p := range g.properties {
		names = append(names, p.name)
	}
	return names
}

func (g propertyGroup) set(ctx context.Context, c *Call) error {
	for _, p := range g.properties {
		if p.name == c.Args[1] {
			return g.setOne(ctx, c, p)
		}
	}
	return unknownProperty(c.Args[1], g.known()...)
}

func (g propertyGroup) setOne(ctx context.Context, c *Call, p property) (err error) {
	value := strings.Join(c.Args[2:], "")
	if value != "" {
		if value, err = p.parse(value); err != nil {
			return err
		}
	}
	if c.Global {
		err = g.Store.Set(ctx, p.setting, value)
	} else {
		err = g.Store.SetApp(ctx, c.App, p.setting, value)
	}
	switch {
	case err != nil:
		return err
	case value == "":
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s of %s\n", p.name, whose(c))
	default:
		fmt.Fprintf(c.Stdout, "=====> Setting %s of %s to %s\n", p.name, whose(c), value)
	}
	fmt.Fprintf(c.Stdout, "       it holds from %s on\n", p.when)
	return nil
}

// report shows each property as it holds, as it is set for the machine, and as
// it is set for the app.
func (g propertyGroup) report(ctx context.Context, c *Call) error {
	var computed, machine, own properties
	for _, p := range g.properties {
		holds, err := g.MachineProperty(ctx, p.setting)
		if !c.Global {
			holds, err = g.Property(ctx, c.App, p.setting)
		}
		if err != nil {
			return err
		}
		all, err := g.Store.Setting(ctx, p.setting)
		if err != nil {
			return err
		}
		computed = append(computed, [2]string{g.name + "-computed-" + p.name, holds})
		machine = append(machine, [2]string{g.name + "-global-" + p.name, all})
		if c.Global {
			continue
		}
		set, err := g.Store.AppSetting(ctx, c.App, p.setting)
		if err != nil {
			return err
		}
		own = append(own, [2]string{g.name + "-" + p.name, set})
	}
	heading := string(c.App)
	if c.Global {
		heading = "Global"
	}
	return c.Report(heading+" "+g.name+" information", append(append(computed, machine...), own...))
}
