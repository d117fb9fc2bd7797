package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/appliance/progress"
)

type stack struct {
	*pipeline.Pipeline
}

// Stack returns the commands about the image that buildpacks build on.
func Stack(p *pipeline.Pipeline) []Command {
	s := stack{p}
	return []Command{
		{Name: "stack", Args: "<app>", Short: "show what an app builds on, and what it was built on", For: Viewer, Reads: true, Run: s.show, Flags: listing},
		{Name: "stack:build", Short: "make the stack now, if it is not there", Run: s.build},
		{Name: "stack:import", Short: "make the stack of the root file system on stdin, a tar stream", Run: s.load},
		{Name: "stack:list", Short: "list the stacks there are, and the apps that were built on them", Reads: true, Run: s.list, Flags: listing},
		{Name: "stack:report", Short: "show the stack; exit with 1 if there is none yet", For: Anyone, Reads: true, Run: s.report, Flags: listing},
		{Name: "stack:set", Args: "<app> [<stack>]", Short: "build on debian-12, heroku-24 or an image of a registry; no value takes it back", For: Deployer, Global: true, Run: s.set},
		{Name: "stack:upgrade", Short: "make the stack anew, with the newest packages", Run: s.upgrade},
	}
}

// A stackRow is what an app builds on.
type stackRow struct {
	Stack   string          `json:"stack"`    // what the next build uses
	BuiltOn appliance.Image `json:"built_on"` // "" for an app that no buildpack has built
}

func (s stack) show(ctx context.Context, c *Call) error {
	now, err := s.StackOf(ctx, c.App)
	if err != nil {
		return err
	}
	app, err := s.Store.App(ctx, c.App)
	if err != nil {
		return err
	}
	row := stackRow{Stack: now.Name()}
	lines := []string{"stack:    " + row.Stack}
	if app.LiveRelease != 0 {
		live, err := s.Store.Release(ctx, c.App, app.LiveRelease)
		if err != nil {
			return err
		}
		if row.BuiltOn = live.Stack; row.BuiltOn != "" {
			lines = append(lines, "built on: "+string(row.BuiltOn))
		}
	}
	return c.List(string(c.App)+" stack", row, lines)
}

func (s stack) load(ctx context.Context, c *Call) error {
	now, err := s.OwnStack(ctx)
	if err != nil {
		return err
	}
	image, err := now.Import(ctx, s.Engine, c.Stdin, progress.New(c.Stdout))
	if err != nil {
		return err
	}
	if err := s.Store.Set(ctx, pipeline.StackSetting, ""); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> The stack is %s\n", image)
	return s.PruneStacks(ctx, progress.New(c.Stdout))
}

func (s stack) build(ctx context.Context, c *Call) error {
	now, err := s.StackOf(ctx, "")
	if err != nil {
		return err
	}
	image, err := s.MakeStack(ctx, now, progress.New(c.Stdout))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> The stack is %s\n", image)
	return nil
}

// upgrade makes a new edition, and only when that is there has apps move to
// it.
func (s stack) upgrade(ctx context.Context, c *Call) error {
	now, err := s.StackOf(ctx, "")
	if err != nil {
		return err
	}
	before, err := now.Images(ctx, s.Engine)
	if err != nil {
		return err
	}
	out := progress.New(c.Stdout)
	now.Edition = time.Now().UTC().Format(time.RFC3339)
	image, err := s.MakeStack(ctx, now, out)
	if err != nil {
		return err
	}
	if len(before) > 0 && before[0] == image {
		fmt.Fprintf(c.Stdout, "-----> There is nothing newer: the stack stays %s\n", image)
		return s.PruneStacks(ctx, out) // the new edition, which has the same files
	}
	if err := s.Store.Set(ctx, pipeline.StackEditionSetting, now.Edition); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-----> The stack is %s\n=====> Apps move to it with their next build\n", image)
	return s.PruneStacks(ctx, out)
}

// A stackImage is one of the stacks there are.
type stackImage struct {
	Image   appliance.Image     `json:"image"`
	Version string              `json:"version"`
	Size    int64               `json:"size"`
	Current bool                `json:"current"`
	Apps    []appliance.AppName `json:"apps"`
}

func (s stack) list(ctx context.Context, c *Call) error {
	now, err := s.StackOf(ctx, "")
	if err != nil {
		return err
	}
	current, err := now.Images(ctx, s.Engine)
	if err != nil {
		return err
	}
	images, users, err := s.Stacks(ctx)
	if err != nil {
		return err
	}
	list, rows := []stackImage{}, []string{}
	for _, image := range images {
		info, err := s.Engine.Inspect(ctx, image)
		if errors.Is(err, appliance.ErrNotFound) {
			continue // gone since it was listed
		}
		if err != nil {
			return err
		}
		row := stackImage{image, info.Labels[builder.StackVersion], info.Size, len(current) > 0 && image == current[0], append([]appliance.AppName{}, users[image]...)}
		list = append(list, row)
		mark, apps := " ", "no app"
		if row.Current {
			mark = "*"
		}
		if len(row.Apps) > 0 {
			apps = strings.Join(names(row.Apps), " ")
		}
		rows = append(rows, fmt.Sprintf("%s %-72s %5d MB  %s", mark, row.Image, row.Size/1e6, apps))
	}
	return c.List("Stacks", list, rows)
}

func names(apps []appliance.AppName) (list []string) {
	for _, app := range apps {
		list = append(list, string(app))
	}
	return list
}

// A stackReport is what there is to say of the stack of apps without a setting.
type stackReport struct {
	Base    appliance.Image `json:"base"`
	Image   appliance.Image `json:"image"` // "" until it is made
	Version string          `json:"version"`
	Size    int64           `json:"size"`
}

func (s stack) report(ctx context.Context, c *Call) error {
	now, err := s.StackOf(ctx, "")
	if err != nil {
		return err
	}
	r := stackReport{Base: now.Base}
	if r.Base == "" {
		r.Base = now.BaseImage()
		if _, err := s.Engine.Inspect(ctx, r.Base); errors.Is(err, appliance.ErrNotFound) {
			return appliance.WithHint(errors.New("no stack yet"), "run bootstrap.sh again, which makes it, or: stack:set --global <image>")
		} else if err != nil {
			return err
		}
	}
	lines := []string{"base: " + string(r.Base)}
	images, err := now.Images(ctx, s.Engine)
	if err != nil {
		return err
	}
	if len(images) > 0 {
		switch info, err := s.Engine.Inspect(ctx, images[0]); {
		case err == nil:
			r.Image, r.Version, r.Size = images[0], info.Labels[builder.StackVersion], info.Size
			lines = append(lines, "image: "+string(r.Image), "version: "+r.Version, fmt.Sprintf("size: %d MB", r.Size/1e6))
		case !errors.Is(err, appliance.ErrNotFound):
			return err
		}
	}
	return c.List("", r, lines)
}

func (s stack) set(ctx context.Context, c *Call) error {
	name := strings.Join(c.Args[1:], "")
	if name == "container" {
		return appliance.WithHint(fmt.Errorf("%w stack %q", appliance.ErrInvalid, name), "a repository with a Dockerfile is built with that, whatever the stack")
	}
	if name != "" {
		if _, err := builder.ParseStack(name); err != nil {
			return err
		}
	}
	if c.Global {
		if err := s.Store.Set(ctx, pipeline.StackSetting, name); err != nil {
			return err
		}
		now, err := s.StackOf(ctx, "")
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "=====> The next build of each app without a setting uses %s\n", now.Name())
		return nil
	}
	if err := s.Store.SetApp(ctx, c.App, pipeline.StackSetting, name); err != nil {
		return err
	}
	now, err := s.StackOf(ctx, c.App)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "=====> The next build of %s uses %s\n", c.App, now.Name())
	return nil
}
