package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/router"
)

// nginx are Dokku's commands about its nginx, as far as they are about what the
// router does too.
func nginx(d door) []Command {
	l := logs(d)
	last := func(fs *pflag.FlagSet) {
		fs.BoolP("tail", "t", false, "go on showing them")
		fs.IntP("num", "n", 20, "the last so many; 0 for all there are")
		fs.BoolP("quiet", "q", false, "without the time")
		fs.String("format", "stdout", "stdout or json: a JSON object in each line")
	}
	return []Command{
		{Name: "nginx:access-logs", Args: "<app>", Short: "show the requests that the router has answered, as logs --router", For: Viewer, Reads: true, Run: l.nginx(l.router), Flags: last},
		{Name: "nginx:error-logs", Args: "<app>", Short: "show the requests that went wrong", For: Viewer, Reads: true, Run: l.nginx(l.failures), Flags: last},
		{Name: "nginx:show-config", Args: "<app>", Short: "show all that the router does for an app", For: Viewer, Reads: true, Run: d.showConfig, Flags: listing},
		{Name: "nginx:validate-config", Args: "[<app>]", Short: "exit with 1 if something that is set for the router makes no sense", For: Viewer, Reads: true, Run: d.validateConfig, Flags: func(fs *pflag.FlagSet) {
			fs.Bool("clean", false, "nothing more: what makes no sense does not hold anyway")
		}},
	}
}

// failures shows the requests that went wrong without a visitor's doing: those
// that the router calls errors.
func (l logs) failures(ctx context.Context, c *Call, last int) error {
	return l.requests(ctx, c, last, func(line []byte) bool {
		entry, ok := router.ParseAccess(line)
		return ok && entry.Failed()
	})
}

func (l logs) nginx(show func(context.Context, *Call, int) error) func(context.Context, *Call) error {
	return func(ctx context.Context, c *Call) error {
		num, _ := c.Flags.GetInt("num")
		if num < 0 {
			return fmt.Errorf("%w: --num is how many requests: 0 for all there are", ErrUsage)
		}
		return show(ctx, c, num)
	}
}

// showConfig shows what the router has of an app: not what was set, but what
// came of it.
func (d door) showConfig(ctx context.Context, c *Call) error {
	hosts, err := d.Hosts(ctx, c.App)
	if err != nil {
		return err
	}
	policy, err := d.Policy(ctx, c.App)
	if err != nil {
		return err
	}
	maintenance, auth := "off", "off"
	if policy.Maintenance.On {
		maintenance = "on"
	}
	if len(policy.Auth.Users) > 0 {
		auth = "on"
	}
	rows := properties{
		{"hosts", strings.Join(hosts, " ")},
		{"targets", strings.Join(d.Router.Targets(d.Service(c.App)), " ")},
		{"maintenance", maintenance}, {"http-auth", auth},
		{"redirects", strconv.Itoa(len(policy.Redirects))}, {"response-headers", strconv.Itoa(len(policy.Headers))}, {"error-pages", strconv.Itoa(len(policy.Pages))},
	}
	for _, p := range pipeline.DoorProperties {
		if !p.Machine {
			rows = append(rows, [2]string{p.Name, p.Show(policy)})
		}
	}
	return c.Report(string(c.App)+" router configuration", rows)
}

// validateConfig looks at what is kept. It was looked at when it was set, so
// that something is wrong only after a damage, or another version.
func (d door) validateConfig(ctx context.Context, c *Call) error {
	apps := []appliance.AppName{c.App}
	if c.App == "" {
		list, err := d.Store.Apps(ctx)
		if err != nil {
			return err
		}
		for _, app := range list {
			apps = append(apps, app.Name)
		}
	}
	var wrong []error
	for _, app := range apps {
		whose := string(app)
		if app == "" {
			whose = "the machine"
		}
		if err := d.CheckDoor(ctx, app); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", whose, err))
		} else if !c.Bool("quiet") {
			fmt.Fprintf(c.Stdout, "-----> The router's settings of %s are valid\n", whose)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return appliance.WithHint(fmt.Errorf("%w router settings: %w", appliance.ErrInvalid, errors.Join(wrong...)), "router:set <app> <property> without a value takes one back")
}
