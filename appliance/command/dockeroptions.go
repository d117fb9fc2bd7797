package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/pipeline"
)

type dockerOptions struct {
	*pipeline.Pipeline
}

// DockerOptions returns the commands about what Docker is told when it builds
// an app, and when it makes its containers.
func DockerOptions(p *pipeline.Pipeline) []Command {
	o := dockerOptions{p}
	return []Command{
		{Name: "docker-options:add", Args: "<app> <phase> <option[=value]>...", Short: "add options of the phases build, deploy, run: build --build-arg KEY, deploy --shm-size 256m", For: Deployer, Verbatim: true, Run: o.add, Flags: processFlag},
		{Name: "docker-options:remove", Args: "<app> <phase> <option[=value]>...", Short: "take options back", For: Deployer, Verbatim: true, Run: o.remove, Flags: processFlag},
		{Name: "docker-options:clear", Args: "<app> [<phase>]", Short: "take all options back, or those of some phases", For: Deployer, Run: o.clear, Flags: processFlag},
		{Name: "docker-options:list", Args: "<app>", Short: "list the options of a phase", For: Deployer, Reads: true, Run: o.list, Flags: func(fs *pflag.FlagSet) {
			listing(fs)
			processFlag(fs)
			fs.String("phase", "build", "build, deploy or run")
		}},
		{Name: "docker-options:report", Args: "<app>", Short: "show the options", For: Deployer, Reads: true, Run: o.report, Flags: listing},
	}
}

func processFlag(fs *pflag.FlagSet) {
	fs.String("process", "", "of one process type only, in the phases deploy and run")
}

// buildPhase is the phase whose options are the builders'.
const buildPhase = "build"

// A phase is a phase of an app, or of one of its process types.
type phase struct{ name, setting string }

// phases reads "deploy,run" and --process.
func (o dockerOptions) phases(c *Call, names string) (list []phase, err error) {
	typ, err := c.Flags.GetString("process")
	if err != nil {
		return nil, err
	}
	if typ != "" && !processType.MatchString(typ) {
		return nil, fmt.Errorf("%w process type %.60q", appliance.ErrInvalid, typ)
	}
	for name := range strings.SplitSeq(names, ",") {
		setting, ok := pipeline.Phases[name]
		switch {
		case name == buildPhase && typ == "":
			list = append(list, phase{name, pipeline.BuildOptionsSetting})
		case name == buildPhase:
			return nil, appliance.WithHint(fmt.Errorf("%w: a build is of the whole app", appliance.ErrInvalid), "leave --process away, or give the phase deploy or run")
		case ok:
			list = append(list, phase{name, pipeline.OfType(setting, typ)})
		default:
			return nil, appliance.WithHint(fmt.Errorf("%w phase %.40q", appliance.ErrInvalid, name), "it is build, deploy or run, or several, as in docker-options:add blog deploy,run --shm-size 256m")
		}
	}
	return list, nil
}

// maxOptions is more than anybody needs.
const maxOptions = 100

func (o dockerOptions) add(ctx context.Context, c *Call) error {
	return o.change(ctx, c, func(list []string, option builder.Option) ([]string, error) {
		return append(slices.DeleteFunc(list, option.Replaces), option.String()), nil
	}, pipeline.AddDockerOptions)
}

func (o dockerOptions) remove(ctx context.Context, c *Call) error {
	return o.change(ctx, c, func(list []string, option builder.Option) ([]string, error) {
		i := slices.Index(list, option.String())
		if i < 0 {
			return nil, fmt.Errorf("option of %s %w", c.App, appliance.ErrNotFound)
		}
		return slices.Delete(list, i, i+1), nil
	}, pipeline.RemoveDockerOptions)
}

// change changes the lists of the phases that the call names, all or none: that
// of builds by each of the options, those of containers by all of them.
func (o dockerOptions) change(ctx context.Context, c *Call, each func([]string, builder.Option) ([]string, error), containers func(list, args []string) ([]string, error)) error {
	phases, err := o.phases(c, c.Args[1])
	if err != nil {
		return err
	}
	if len(c.Args) == 2 || c.Args[2] == "" {
		return errors.New("at least one option must be given")
	}
	changed := make([][]string, len(phases))
	for i, p := range phases {
		list, err := o.List(ctx, c.App, p.setting)
		if err != nil {
			return err
		}
		if p.name == buildPhase {
			list, err = changeBuild(list, c.Args[2:], each)
		} else {
			list, err = containers(list, c.Args[2:])
		}
		if errors.Is(err, appliance.ErrNotFound) {
			return appliance.WithHint(err, fmt.Sprintf("docker-options:list %s --phase %s shows them as they are removed", c.App, p.name))
		}
		if err != nil {
			return err
		}
		if len(list) > maxOptions {
			return fmt.Errorf("%w: more than %d options", appliance.ErrInvalid, maxOptions)
		}
		changed[i] = list
	}
	for i, p := range phases {
		if err := o.keep(ctx, c, p, changed[i]); err != nil {
			return err
		}
	}
	return nil
}

func changeBuild(list, args []string, each func([]string, builder.Option) ([]string, error)) ([]string, error) {
	options, err := builder.ParseOptions(args)
	for _, option := range options {
		if list, err = each(list, option); err != nil {
			return nil, err
		}
	}
	return list, err
}

func (o dockerOptions) keep(ctx context.Context, c *Call, p phase, list []string) error {
	if err := o.KeepList(ctx, c.App, p.setting, list); err != nil {
		return err
	}
	n := fmt.Sprintf("%d options", len(list))
	if len(list) == 0 {
		n = "no options"
	}
	switch p.name {
	case buildPhase:
		fmt.Fprintf(c.Stdout, "=====> The next build of %s has %s\n", c.App, n)
	default:
		fmt.Fprintf(c.Stdout, "=====> Containers of %s (%s) have %s from the next deploy or ps:restart on\n", c.App, p.name, n)
	}
	return nil
}

func (o dockerOptions) clear(ctx context.Context, c *Call) error {
	names := strings.Join(c.Args[1:], "")
	if names == "" {
		names = "build,deploy,run"
		if typ, _ := c.Flags.GetString("process"); typ != "" {
			names = "deploy,run"
		}
	}
	phases, err := o.phases(c, names)
	if err != nil {
		return err
	}
	for _, p := range phases {
		if err := o.keep(ctx, c, p, nil); err != nil {
			return err
		}
	}
	return nil
}

func (o dockerOptions) list(ctx context.Context, c *Call) error {
	name, err := c.Flags.GetString("phase")
	if err != nil {
		return err
	}
	phases, err := o.phases(c, name)
	if err != nil {
		return err
	}
	if len(phases) > 1 {
		return fmt.Errorf("%w: --phase is one of build, deploy, run", ErrUsage)
	}
	list, err := o.List(ctx, c.App, phases[0].setting)
	if err != nil {
		return err
	}
	return c.List(fmt.Sprintf("%s docker options (%s)", c.App, name), list, list)
}

func (o dockerOptions) report(ctx context.Context, c *Call) error {
	settings, err := o.Store.SettingNames(ctx, c.App, "docker-options-")
	if err != nil {
		return err
	}
	report := properties{{"docker-options-build", ""}, {"docker-options-deploy", ""}, {"docker-options-run", ""}}
	for _, setting := range settings {
		list, err := o.List(ctx, c.App, setting)
		if err != nil {
			return err
		}
		text := strings.Join(list, " ")
		if i := slices.IndexFunc(report, func(p [2]string) bool { return p[0] == setting }); i >= 0 {
			report[i][1] = text
			continue
		}
		report = append(report, [2]string{setting, text})
	}
	return c.Report(string(c.App)+" docker options information", report)
}
