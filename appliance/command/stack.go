package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/appliance/progress"
)

// StackSetting is the appliance's setting for the image that buildpacks build
// on: one of a registry, or "" for the one that was made on this machine.
const StackSetting = "stack"

type stack struct {
	*pipeline.Pipeline
	current func(context.Context) (builder.Stack, error)
}

// Stack returns the commands about the image that buildpacks build on. current
// says which that is.
func Stack(p *pipeline.Pipeline, current func(context.Context) (builder.Stack, error)) []Command {
	s := stack{p, current}
	return []Command{
		{Name: "stack:import", Short: "make the stack of the root file system on stdin, a tar stream", Run: s.load},
		{Name: "stack:report", Short: "show the stack; exit with 1 if there is none yet", For: Anyone, Reads: true, Run: s.report, Flags: listing},
		{Name: "stack:set", Args: "[<image>]", Short: "build on an image of a registry; none for this machine's own", Run: s.set, Flags: global},
	}
}

func (s stack) load(ctx context.Context, c *Call) error {
	now, err := s.current(ctx)
	if err != nil {
		return err
	}
	now.Base = "" // this machine's own, whatever is set
	image, err := now.Import(ctx, s.Engine, c.Stdin, progress.New(c.Stdout))
	if err != nil {
		return err
	}
	if err := s.Store.Set(ctx, StackSetting, ""); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> The stack is %s\n", image)
	return nil
}

func (s stack) report(ctx context.Context, c *Call) error {
	now, err := s.current(ctx)
	if err != nil {
		return err
	}
	base := now.Base
	if base == "" {
		base = now.BaseImage()
		if _, err := s.Engine.Inspect(ctx, base); errors.Is(err, appliance.ErrNotFound) {
			return appliance.WithHint(errors.New("no stack yet"), "run bootstrap.sh again, which makes it, or: stack:set <image>")
		} else if err != nil {
			return err
		}
	}
	return c.List("", map[string]string{"base": string(base)}, []string{"base: " + string(base)})
}

// imageName is what Docker allows in a reference, roughly: what it does not
// know it refuses itself, but nothing here can be taken for an option.
var imageName = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9._/:@-]{0,250}$`)

func (s stack) set(ctx context.Context, c *Call) error {
	image := ""
	if len(c.Args) > 0 {
		image = c.Args[0]
		if !imageName.MatchString(image) {
			return appliance.WithHint(fmt.Errorf("%w image %.80q", appliance.ErrInvalid, image), "as in heroku/heroku:24-build")
		}
	}
	if err := s.Store.Set(ctx, StackSetting, image); err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, "=====> The next build of each app uses it")
	return nil
}
