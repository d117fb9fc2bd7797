package command

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// routerName is what the one proxy there is is called.
const routerName = "berth"

type proxy struct {
	*pipeline.Pipeline
}

// Proxy returns Dokku's commands about its proxies. Here the router is part of
// the program, and has nothing to be built or chosen.
func Proxy(p *pipeline.Pipeline) []Command {
	x := proxy{p}
	switches := domains{p}
	return []Command{
		{Name: "proxy:enable", Args: "<app>", Short: "the same as domains:enable", For: Manager, Run: switches.disable("")},
		{Name: "proxy:disable", Args: "<app>", Short: "the same as domains:disable", For: Manager, Run: switches.disable("true")},
		{Name: "proxy:report", Args: "<app>", Short: "show whether the router leads to an app", For: Viewer, Reads: true, Run: x.report, Flags: listing},
		{Name: "proxy:set", Args: "<app> <property> [<value>]", Short: "take type berth, the only one", For: Manager, Global: true, Run: x.set},
		{Name: "proxy:build-config", Args: "[<app>]", Short: "do nothing: the router has no files to be built", For: Anyone, Reads: true, Run: x.nothing, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("all", false, "of every app")
			fs.Int("parallel", 1, "how many at once")
		}},
		{Name: "proxy:clear-config", Args: "[<app>]", Short: "do nothing: the router has no files to be cleared", For: Anyone, Reads: true, Run: x.nothing, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("all", false, "of every app")
		}},
	}
}

func (x proxy) report(ctx context.Context, c *Call) error {
	disabled, err := x.Store.AppSetting(ctx, c.App, pipeline.NoDomainsSetting)
	if err != nil {
		return err
	}
	return c.Report(string(c.App)+" proxy information", properties{
		{"proxy-enabled", strconv.FormatBool(disabled != "true")}, {"proxy-type", routerName}, {"proxy-global-type", routerName}, {"proxy-computed-type", routerName},
	})
}

func (x proxy) set(ctx context.Context, c *Call) error {
	property, value := c.Args[1], strings.Join(c.Args[2:], "")
	switch {
	case property == "proxy-port" || property == "proxy-ssl-port":
		return appliance.WithHint(fmt.Errorf("%w property %s: all apps are on port 80 and 443", appliance.ErrInvalid, property), "the port inside is set with ports:set")
	case property != "type":
		return unknownProperty(property, "type")
	case value != "" && value != routerName:
		return appliance.WithHint(fmt.Errorf("proxy type %.40q %w", value, appliance.ErrNotFound), "there is "+routerName+", which is built in")
	}
	fmt.Fprintf(c.Stdout, "=====> The proxy is %s\n", routerName)
	return nil
}

func (x proxy) nothing(ctx context.Context, c *Call) error {
	if c.Bool("quiet") {
		return nil
	}
	fmt.Fprintln(c.Stdout, "-----> Nothing to do: the router reads no files, and has every change at once")
	return nil
}
