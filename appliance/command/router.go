package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type door struct {
	*pipeline.Pipeline
}

// Router returns the commands about the door before the apps: what it takes,
// how long it waits, whom it believes.
func Router(p *pipeline.Pipeline) []Command {
	d := door{p}
	return slices.Concat([]Command{
		{Name: "router:set", Args: "<app> <door-property> [<value>...]", Short: "set what the router does for an app: limits, timeouts, HSTS, …; without a value take it back", For: Manager, Global: true, Run: d.set},
		{Name: "router:report", Args: "<app>", Short: "show what the router does for an app", For: Viewer, Global: true, Reads: true, Run: d.report, Flags: listing},
		{Name: "nginx:set", Args: "<app> <door-property> [<value>...]", Short: "router:set, as Dokku calls it", For: Manager, Global: true, Run: d.set},
		{Name: "nginx:report", Args: "<app>", Short: "router:report, as Dokku calls it", For: Viewer, Global: true, Reads: true, Alias: true, Run: d.report, Flags: listing},
		{Name: "headers", Args: "<app>", Short: "list the headers that every answer of an app gets", For: Viewer, Reads: true, Run: d.headers, Flags: listing},
		{Name: "headers:report", Args: "<app>", Short: "list the headers that every answer of an app gets", For: Viewer, Reads: true, Run: d.headers, Flags: listing},
		{Name: "headers:set", Args: "<app> <header> [<text>...]", Short: "set a header on every answer; without a text take it away", For: Manager, Secret: true, Run: d.setHeader},
		{Name: "headers:unset", Args: "<app> <header>", Short: "leave a header to the app", For: Manager, Run: d.unsetHeader},
	}, errorPages(d), maintenance(d), redirects(d), httpAuth(d), nginx(d))
}

func (d door) set(ctx context.Context, c *Call) error {
	name, value := c.Args[1], strings.Join(c.Args[2:], " ")
	property, err := doorProperty(name)
	if err != nil {
		return err
	}
	switch {
	case property.Machine && !c.Global:
		return appliance.WithHint(fmt.Errorf("%w setting: %s is the whole machine's", appliance.ErrInvalid, name), "an admin can set it: router:set --global "+name)
	case value != "":
		if err := property.Check(value); err != nil {
			return appliance.WithHint(fmt.Errorf("%w value %.80q of %s: %w", appliance.ErrInvalid, value, name, err), property.Help)
		}
	}
	if err := d.mayRaise(ctx, c, property, value); err != nil {
		return err
	}
	err = pipeline.ChangeDoor(ctx, d.Pipeline, c.App, pipeline.DoorSetting, func(set *map[string]string) error {
		if *set == nil {
			*set = map[string]string{}
		}
		if (*set)[name] = value; value == "" {
			delete(*set, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if value == "" {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s of %s\n", name, whose(c))
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s of %s to %s\n", name, whose(c), value)
	return nil
}

func whose(c *Call) string {
	if c.Global {
		return "the machine"
	}
	return string(c.App)
}

// mayRaise lets only admins give an app more of what is the machine's.
func (d door) mayRaise(ctx context.Context, c *Call, property pipeline.DoorProperty, value string) error {
	if c.Actor.Admin || !property.Guards || value == "" {
		return nil
	}
	machine, err := d.Policy(ctx, "")
	if err != nil {
		return err
	}
	if property.Exceeds(value, machine) {
		return appliance.WithHint(fmt.Errorf("router:set %s %s %s: %w", c.App, property.Name, value, appliance.ErrDenied),
			fmt.Sprintf("more than %s is for an admin to allow: it protects the machine", property.Show(machine)))
	}
	return nil
}

// notOurs are what Dokku's nginx has and we need not, with why.
var notOurs = map[string]string{
	"proxy-buffering":         "nothing is buffered: answers go out as they come",
	"proxy-buffers":           "nothing is buffered: answers go out as they come",
	"proxy-buffer-size":       "nothing is buffered: answers go out as they come",
	"proxy-busy-buffers-size": "nothing is buffered: answers go out as they come",
	"access-log-path":         "logs --router shows it; router:set access-log false turns it off",
	"access-log-format":       "logs --router --format json has every field",
	"error-log-path":          "logs --router shows errors with their codes",
	"underscore-in-headers":   "headers go to the app as they come",
	"x-forwarded-for-value":   "it is the visitor's address; who may say another is trusted-proxies",
	"x-forwarded-port-value":  "it is the port that the visitor came to",
	"x-forwarded-proto-value": "it is what the visitor came by",
	"x-forwarded-ssl":         "X-Forwarded-Proto says it",
	"bind-address-ipv4":       "it is the daemon's: berth --http, --https",
	"bind-address-ipv6":       "it is the daemon's: berth --http, --https",
	"disable-custom-config":   "there is no configuration file",
	"nginx-conf-sigil-path":   "there is no configuration file",
	"nginx-service-command":   "there is no nginx",
	"client-header-timeout":   "it is 10 seconds",
	"client-body-timeout":     "set idle-timeout",
	"send-timeout":            "set idle-timeout",
	"proxy-send-timeout":      "set idle-timeout",
	"keepalive-timeout":       "it is two minutes",
	"lingering-timeout":       "there is none to set",
	"proxy-keepalive":         "connections to processes are always kept",
	"proxy-intercept-errors":  "set error-pages-for-empty",
}

func doorProperty(name string) (pipeline.DoorProperty, error) {
	known := make([]string, 0, len(pipeline.DoorProperties))
	for _, p := range pipeline.DoorProperties {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	if why := notOurs[name]; why != "" {
		return pipeline.DoorProperty{}, appliance.WithHint(fmt.Errorf("property %s %w", name, appliance.ErrNotFound), why)
	}
	return pipeline.DoorProperty{}, unknownProperty(name, known...)
}

// report shows each property as it was set and as it holds.
func (d door) report(ctx context.Context, c *Call) error {
	policy, err := d.Policy(ctx, c.App)
	if err != nil {
		return err
	}
	machine, err := pipeline.Kept[map[string]string](ctx, d.Pipeline, "", pipeline.DoorSetting)
	if err != nil {
		return err
	}
	own := map[string]string{}
	heading := "Global"
	if !c.Global {
		heading = string(c.App)
		if own, err = pipeline.Kept[map[string]string](ctx, d.Pipeline, c.App, pipeline.DoorSetting); err != nil {
			return err
		}
	}
	var rows properties
	for _, p := range pipeline.DoorProperties {
		switch {
		case p.Machine && c.Global:
			rows = append(rows, [2]string{"router-global-" + p.Name, machine[p.Name]})
		case p.Machine:
		case c.Global:
			rows = append(rows, [2]string{"router-global-" + p.Name, machine[p.Name]}, [2]string{"router-computed-" + p.Name, p.Show(policy)})
		default:
			rows = append(rows, [2]string{"router-" + p.Name, own[p.Name]}, [2]string{"router-global-" + p.Name, machine[p.Name]}, [2]string{"router-computed-" + p.Name, p.Show(policy)})
		}
	}
	return c.Report(heading+" router information", rows)
}

// maxHeaders is more than anybody needs.
const maxHeaders = 50

func (d door) setHeader(ctx context.Context, c *Call) error {
	name, text := c.Args[1], strings.Join(c.Args[2:], " ")
	err := pipeline.ChangeDoor(ctx, d.Pipeline, c.App, pipeline.HeadersSetting, func(headers *map[string]string) error {
		if *headers == nil {
			*headers = map[string]string{}
		}
		forget(*headers, name)
		(*headers)[name] = text
		if len(*headers) > maxHeaders {
			return fmt.Errorf("%w number of headers: more than %d", appliance.ErrInvalid, maxHeaders)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if text == "" {
		fmt.Fprintf(c.Stdout, "=====> Taking %s from the answers of %s\n", name, c.App)
		return nil
	}
	fmt.Fprintf(c.Stdout, "=====> Setting %s on the answers of %s\n", name, c.App)
	return nil
}

func (d door) unsetHeader(ctx context.Context, c *Call) error {
	err := pipeline.ChangeDoor(ctx, d.Pipeline, c.App, pipeline.HeadersSetting, func(headers *map[string]string) error {
		if !forget(*headers, c.Args[1]) {
			return appliance.WithHint(fmt.Errorf("header %.60q %w", c.Args[1], appliance.ErrNotFound), fmt.Sprintf("headers %s lists those that are set", c.App))
		}
		return nil
	})
	if err == nil {
		fmt.Fprintf(c.Stdout, "=====> Unsetting %s of %s\n", c.Args[1], c.App)
	}
	return err
}

// forget removes a header, however it is spelt, and reports whether it was
// there.
func forget(headers map[string]string, name string) bool {
	n := len(headers)
	maps.DeleteFunc(headers, func(other, _ string) bool { return strings.EqualFold(other, name) })
	return len(headers) < n
}

func (d door) headers(ctx context.Context, c *Call) error {
	headers, err := pipeline.Kept[map[string]string](ctx, d.Pipeline, c.App, pipeline.HeadersSetting)
	if err != nil {
		return err
	}
	rows := []string{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		rows = append(rows, strings.TrimRight(name+": "+headers[name], " "))
	}
	if headers == nil {
		headers = map[string]string{}
	}
	return c.List(string(c.App)+" response headers", headers, rows)
}
