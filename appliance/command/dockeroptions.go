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
// an app.
func DockerOptions(p *pipeline.Pipeline) []Command {
	o := dockerOptions{p}
	return []Command{
		{Name: "docker-options:add", Args: "<app> <phase> <option[=value]>...", Short: "have builds of a Dockerfile take an option, as --build-arg KEY", For: Deployer, Verbatim: true, Run: o.add},
		{Name: "docker-options:remove", Args: "<app> <phase> <option[=value]>...", Short: "take an option back", For: Deployer, Verbatim: true, Run: o.remove},
		{Name: "docker-options:clear", Args: "<app> [<phase>]", Short: "take all options back", For: Deployer, Run: o.clear},
		{Name: "docker-options:list", Args: "<app>", Short: "list the options", For: Deployer, Reads: true, Run: o.list, Flags: func(fs *pflag.FlagSet) {
			listing(fs)
			fs.String("phase", "build", "the only one that has options")
		}},
		{Name: "docker-options:report", Args: "<app>", Short: "show the options", For: Deployer, Reads: true, Run: o.report, Flags: listing},
	}
}

// buildPhase is the phase that has options.
const buildPhase = "build"

// checkPhase refuses Dokku's other phases by name, or several: what is set for
// them would have no effect.
func checkPhase(phases string) error {
	for phase := range strings.SplitSeq(phases, ",") {
		switch phase {
		case buildPhase:
		case "deploy", "run":
			return appliance.WithHint(fmt.Errorf("%w phase %s: only builds have options", appliance.ErrInvalid, phase),
				"processes have the app's config (config:set); for builds there are\n"+builder.OptionsHelp)
		default:
			return appliance.WithHint(fmt.Errorf("%w phase %.40q", appliance.ErrInvalid, phase), "it is build, as in docker-options:add blog build --build-arg KEY")
		}
	}
	return nil
}

// options returns what is set for an app.
func (o dockerOptions) options(ctx context.Context, app appliance.AppName) ([]string, error) {
	return o.List(ctx, app, pipeline.BuildOptionsSetting)
}

func (o dockerOptions) keep(ctx context.Context, app appliance.AppName, list []string) error {
	return o.KeepList(ctx, app, pipeline.BuildOptionsSetting, list)
}

// maxOptions is more than anybody needs.
const maxOptions = 100

func (o dockerOptions) add(ctx context.Context, c *Call) error {
	return o.change(ctx, c, func(list []string, option builder.Option) ([]string, error) {
		if len(list) >= maxOptions {
			return nil, fmt.Errorf("%w: more than %d options", appliance.ErrInvalid, maxOptions)
		}
		return append(slices.DeleteFunc(list, option.Replaces), option.String()), nil
	})
}

func (o dockerOptions) remove(ctx context.Context, c *Call) error {
	return o.change(ctx, c, func(list []string, option builder.Option) ([]string, error) {
		i := slices.Index(list, option.String())
		if i < 0 {
			return nil, appliance.WithHint(fmt.Errorf("option of %s %w", c.App, appliance.ErrNotFound), "docker-options:list "+string(c.App)+" shows them as they are removed")
		}
		return slices.Delete(list, i, i+1), nil
	})
}

// change changes the list by each of the options of the call.
func (o dockerOptions) change(ctx context.Context, c *Call, each func([]string, builder.Option) ([]string, error)) error {
	if err := checkPhase(c.Args[1]); err != nil {
		return err
	}
	options, err := builder.ParseOptions(c.Args[2:])
	if err != nil {
		return err
	}
	if len(options) == 0 {
		return errors.New("at least one option must be given")
	}
	list, err := o.options(ctx, c.App)
	if err != nil {
		return err
	}
	for _, option := range options {
		if list, err = each(list, option); err != nil {
			return err
		}
	}
	if err := o.keep(ctx, c.App, list); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "=====> The next build of %s has %d options\n", c.App, len(list))
	return nil
}

func (o dockerOptions) clear(ctx context.Context, c *Call) error {
	if len(c.Args) > 1 {
		if err := checkPhase(c.Args[1]); err != nil {
			return err
		}
	}
	if err := o.keep(ctx, c.App, nil); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "=====> The next build of %s has no options\n", c.App)
	return nil
}

func (o dockerOptions) list(ctx context.Context, c *Call) error {
	phase, err := c.Flags.GetString("phase")
	if err != nil {
		return err
	}
	if err := checkPhase(phase); err != nil {
		return err
	}
	list, err := o.options(ctx, c.App)
	if err != nil {
		return err
	}
	return c.List(string(c.App)+" docker options (build)", list, list)
}

func (o dockerOptions) report(ctx context.Context, c *Call) error {
	list, err := o.options(ctx, c.App)
	if err != nil {
		return err
	}
	return c.Report(string(c.App)+" docker options information", properties{{"docker-options-build", strings.Join(list, " ")}})
}
