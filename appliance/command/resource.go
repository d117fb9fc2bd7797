package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

type resources struct {
	*pipeline.Pipeline
}

// Resources returns the commands about what the builds of an app may take of
// the machine. Only an admin may let them take more.
func Resources(p *pipeline.Pipeline) []Command {
	r := resources{p}
	return []Command{
		{Name: "resource:limit", Args: "<app>", Short: "set what an app's builds may take, or show it", Global: true, Run: r.limit, Flags: func(fs *pflag.FlagSet) {
			processTypeFlag(fs)
			for _, l := range pipeline.Limits {
				fs.String(l.Name, "", limitUsage[l.Name])
			}
		}},
		{Name: "resource:limit-clear", Args: "<app>", Short: "leave it to the machine what an app's builds may take", Global: true, Run: r.clear, Flags: processTypeFlag},
		{Name: "resource:report", Args: "<app>", Short: "show what an app's builds may take", For: Viewer, Global: true, Reads: true, Run: r.report, Flags: listing},
	}
}

func processTypeFlag(fs *pflag.FlagSet) {
	fs.String("process-type", "", "build: the only one whose resources are limited")
}

var limitUsage = map[string]string{
	"memory":    "memory and swap together, as 512m or 2g; clear takes it back",
	"cpu":       "CPUs, as 1.5; clear takes it back",
	"pids":      "processes and threads at once; clear takes it back",
	"disk-free": "what must stay free on the disk, as 500m; clear takes it back",
	"time":      "how long a build may take, as 45m; clear takes it back",
}

// forBuilds checks that the call is about builds, and says of whom.
func (r resources) forBuilds(c *Call) (whose string, err error) {
	whose = string(c.App)
	if c.Global {
		whose = "--global"
	}
	switch typ, _ := c.Flags.GetString("process-type"); typ {
	case "build":
		return whose, nil
	case "":
		return "", appliance.WithHint(fmt.Errorf("%w: of which process type?", ErrUsage),
			fmt.Sprintf("only builds have limits yet: resource:limit %s --process-type build --memory 2g", whose))
	default:
		return "", appliance.WithHint(fmt.Errorf("%w process type %.40q: only builds have limits yet", appliance.ErrInvalid, typ),
			fmt.Sprintf("as in resource:limit %s --process-type build --memory 2g", whose))
	}
}

func (r resources) limit(ctx context.Context, c *Call) error {
	whose, err := r.forBuilds(c)
	if err != nil {
		return err
	}
	changes := map[string]string{} // by setting
	var rows []string
	for _, l := range pipeline.Limits {
		value, _ := c.Flags.GetString(l.Name)
		switch {
		case !c.Flags.Changed(l.Name):
			continue
		case value == "clear":
			changes[l.Setting] = ""
			rows = append(rows, "       "+l.Name+": cleared")
			continue
		}
		if err := l.Check(value); err != nil {
			return err
		}
		changes[l.Setting] = value
		rows = append(rows, "       "+l.Name+": "+value)
	}
	if len(changes) == 0 {
		return r.show(ctx, c, whose)
	}
	for setting, value := range changes {
		if err := r.set(ctx, c, setting, value); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Stdout, "=====> Setting resource limits for %s (build)\n%s\n", whose, strings.Join(rows, "\n"))
	return nil
}

// set changes a setting of the app or, with --global, of the machine.
func (r resources) set(ctx context.Context, c *Call, setting, value string) error {
	if c.Global {
		return r.Store.Set(ctx, setting, value)
	}
	return r.Store.SetApp(ctx, c.App, setting, value)
}

// get returns what was set for the app or, with --global, for the machine.
func (r resources) get(ctx context.Context, c *Call, setting string) (string, error) {
	if c.Global {
		return r.Store.Setting(ctx, setting)
	}
	return r.Store.AppSetting(ctx, c.App, setting)
}

func (r resources) show(ctx context.Context, c *Call, whose string) error {
	fmt.Fprintf(c.Stdout, "=====> resource limits %s information (build)\n", whose)
	for _, l := range pipeline.Limits {
		value, err := r.get(ctx, c, l.Setting)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.Stdout, strings.TrimRight("       "+l.Name+": "+value, " "))
	}
	return nil
}

func (r resources) clear(ctx context.Context, c *Call) error {
	whose, err := r.forBuilds(c)
	if err != nil {
		return err
	}
	for _, l := range pipeline.Limits {
		if err := r.set(ctx, c, l.Setting, ""); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Stdout, "-----> Clearing resource limits for %s (build)\n", whose)
	return nil
}

func (r resources) report(ctx context.Context, c *Call) error {
	fence, err := r.Fence(ctx, c.App)
	if err != nil {
		return err
	}
	heading, own, global, computed := string(c.App), properties{}, properties{}, properties{}
	if c.Global {
		heading = "Global"
	}
	for _, l := range pipeline.Limits {
		if !c.Global {
			value, err := r.Store.AppSetting(ctx, c.App, l.Setting)
			if err != nil {
				return err
			}
			own = append(own, [2]string{"build-limit-" + l.Name, value})
		}
		value, err := r.Store.Setting(ctx, l.Setting)
		if err != nil {
			return err
		}
		global = append(global, [2]string{"global-build-limit-" + l.Name, value})
		computed = append(computed, [2]string{"computed-build-limit-" + l.Name, l.Show(fence)})
	}
	return c.Report(heading+" resource information", slices.Concat(own, global, computed))
}
