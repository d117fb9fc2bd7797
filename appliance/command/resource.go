package command

import (
	"cmp"
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

// Resources returns the commands about what the builds and the processes of an
// app may take of the machine. Only an admin may let them take more.
func Resources(p *pipeline.Pipeline) []Command {
	r := resources{p}
	limits := func(fs *pflag.FlagSet) {
		processTypeFlag(fs)
		for name, usage := range limitUsage {
			fs.String(name, "", usage)
		}
	}
	reserves := func(fs *pflag.FlagSet) {
		processTypeFlag(fs)
		fs.String("memory", "", "what is left to a process when there is not enough for all; clear takes it back")
	}
	return []Command{
		{Name: "resource:limit", Args: "<app>", Short: "set what an app's processes or builds may take, or show it", Global: true, Run: r.change(pipeline.LimitKind), Flags: limits},
		{Name: "resource:limit-clear", Args: "<app>", Short: "take the limits back", Global: true, Run: r.clear(pipeline.LimitKind), Flags: processTypeFlag},
		{Name: "resource:reserve", Args: "<app>", Short: "set what is left to an app's processes, or show it", Global: true, Run: r.change(pipeline.ReserveKind), Flags: reserves},
		{Name: "resource:reserve-clear", Args: "<app>", Short: "take that back", Global: true, Run: r.clear(pipeline.ReserveKind), Flags: processTypeFlag},
		{Name: "resource:report", Args: "<app>", Short: "show what an app's processes and builds may take", For: Viewer, Global: true, Reads: true, Run: r.report, Flags: listing},
	}
}

func processTypeFlag(fs *pflag.FlagSet) {
	fs.String("process-type", "", "web or another of the Procfile, or build; all types of processes if it is left away")
}

var limitUsage = map[string]string{
	"memory": "memory and swap together, as 512m or 2g; clear takes it back",
	"cpu":    "CPUs, as 1.5; clear takes it back",
	"pids":   "processes and threads at once; clear takes it back",

	"memory-swap": "memory and swap together, of a process; clear takes it back",
	"disk-free":   "what must stay free on the disk, as 500m; clear takes it back",
	"time":        "how long a build may take, as 45m; clear takes it back",
}

// A resource is something that can be limited or reserved.
type resource struct {
	name, setting string
	check         func(string) error
}

// of returns what the call is about: whose resources, of which process type,
// and which there are.
func (r resources) of(c *Call, kind string) (whose, typ string, list []resource, err error) {
	whose = string(c.App)
	if c.Global {
		whose = "--global"
	}
	typ, _ = c.Flags.GetString("process-type")
	switch {
	case typ == "build" && kind == pipeline.ReserveKind:
		return "", "", nil, fmt.Errorf("%w process type build: nothing is reserved for builds", appliance.ErrInvalid)
	case typ == "build":
		for _, l := range pipeline.Limits {
			list = append(list, resource{l.Name, l.Setting, l.Check})
		}
	case typ != "" && !processType.MatchString(typ):
		return "", "", nil, fmt.Errorf("%w process type %.40q", appliance.ErrInvalid, typ)
	case typ != "" && c.Global:
		return "", "", nil, appliance.WithHint(fmt.Errorf("%w: limits of all apps are of every process type, or of build", appliance.ErrInvalid), "leave --process-type away, or name an app")
	default:
		for _, l := range pipeline.LimitsOf(kind) {
			list = append(list, resource{l.Name, l.Setting(kind, typ), l.Check})
		}
	}
	return whose, cmp.Or(typ, "default"), list, nil
}

func (r resources) change(kind string) func(context.Context, *Call) error {
	return func(ctx context.Context, c *Call) error { return r.limit(ctx, c, kind) }
}

func (r resources) limit(ctx context.Context, c *Call, kind string) error {
	whose, typ, list, err := r.of(c, kind)
	if err != nil {
		return err
	}
	changes := map[string]string{} // by setting
	var rows, known []string
	for _, l := range list {
		known = append(known, "--"+l.name)
		value, _ := c.Flags.GetString(l.name)
		switch {
		case !c.Flags.Changed(l.name):
			continue
		case value == "clear":
			changes[l.setting] = ""
			rows = append(rows, "       "+l.name+": cleared")
			continue
		}
		if err := l.check(value); err != nil {
			return err
		}
		changes[l.setting] = value
		rows = append(rows, "       "+l.name+": "+value)
	}
	if err := unfitting(c, typ, known); err != nil {
		return err
	}
	if len(changes) == 0 {
		return r.show(ctx, c, kind)
	}
	for setting, value := range changes {
		if err := r.set(ctx, c, setting, value); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Stdout, "=====> Setting resource %ss for %s (%s)\n%s\n", kind, whose, typ, strings.Join(rows, "\n"))
	r.when(c, typ)
	return nil
}

// unfitting refuses a limit that is not one of the process type.
func unfitting(c *Call, typ string, known []string) (err error) {
	c.Flags.Visit(func(f *pflag.Flag) {
		if _, limit := limitUsage[f.Name]; limit && !slices.Contains(known, "--"+f.Name) {
			err = appliance.WithHint(fmt.Errorf("%w: --%s is no limit of %s", appliance.ErrInvalid, f.Name, typ), "there are "+strings.Join(known, ", "))
		}
	})
	return err
}

// when says from when on a change holds.
func (r resources) when(c *Call, typ string) {
	if typ != "build" {
		fmt.Fprintln(c.Stdout, "       it holds from the next deploy or ps:restart on")
	}
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

func (r resources) show(ctx context.Context, c *Call, kind string) error {
	whose, typ, list, err := r.of(c, kind)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "=====> resource %ss %s information (%s)\n", kind, whose, typ)
	for _, l := range list {
		value, err := r.get(ctx, c, l.setting)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.Stdout, strings.TrimRight("       "+l.name+": "+value, " "))
	}
	return nil
}

func (r resources) clear(kind string) func(context.Context, *Call) error {
	return func(ctx context.Context, c *Call) error {
		whose, typ, list, err := r.of(c, kind)
		if err != nil {
			return err
		}
		for _, l := range list {
			if err := r.set(ctx, c, l.setting, ""); err != nil {
				return err
			}
		}
		fmt.Fprintf(c.Stdout, "-----> Clearing resource %ss for %s (%s)\n", kind, whose, typ)
		r.when(c, typ)
		return nil
	}
}

// ofProcesses returns what is set for the processes of an app, or of all apps,
// by process type.
func (r resources) ofProcesses(ctx context.Context, c *Call) (report properties, err error) {
	types := []string{""}
	if !c.Global {
		settings, err := r.Store.SettingNames(ctx, c.App, "process-")
		if err != nil {
			return nil, err
		}
		for _, setting := range settings {
			if _, typ, ok := strings.Cut(setting, "."); ok && !slices.Contains(types, typ) {
				types = append(types, typ)
			}
		}
	}
	slices.Sort(types)
	for _, typ := range types {
		for _, kind := range []string{pipeline.LimitKind, pipeline.ReserveKind} {
			for _, l := range pipeline.LimitsOf(kind) {
				value, err := r.get(ctx, c, l.Setting(kind, typ))
				if err != nil {
					return nil, err
				}
				report = append(report, [2]string{fmt.Sprintf("resource-%s-%s-%s", cmp.Or(typ, "default"), kind, l.Name), value})
			}
		}
	}
	return report, nil
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
	processes, err := r.ofProcesses(ctx, c)
	if err != nil {
		return err
	}
	return c.Report(heading+" resource information", slices.Concat(processes, own, global, computed))
}
