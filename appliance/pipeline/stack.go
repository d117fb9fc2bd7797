package pipeline

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/progress"
)

// StackSetting is the setting, of an app or of the whole machine, for what
// buildpacks build on, in the words of builder.ParseStack. An app without one
// has the machine's, and the machine without one its own.
const StackSetting = "stack"

// StackEditionSetting is the machine's setting for when stacks were last asked
// to be brought up to date.
const StackEditionSetting = "stack-edition"

// StackOf returns what app's buildpacks build on, or, for "", those of an app
// without a setting.
func (p *Pipeline) StackOf(ctx context.Context, app appliance.AppName) (s builder.Stack, err error) {
	name := ""
	if app != "" {
		if name, err = p.Store.AppSetting(ctx, app, StackSetting); err != nil {
			return s, err
		}
	}
	if name == "" {
		if name, err = p.Store.Setting(ctx, StackSetting); err != nil {
			return s, err
		}
	}
	if name == "" {
		name = builder.OwnStack
	}
	if s, err = p.OwnStack(ctx); err != nil {
		return s, err
	}
	s.Base, err = builder.ParseStack(name)
	return s, err
}

// OwnStack returns the stack that the machine makes itself, whatever is set.
func (p *Pipeline) OwnStack(ctx context.Context) (s builder.Stack, err error) {
	s = p.Stack
	if s.Logins, err = p.RegistryLogins(ctx, ""); err != nil {
		return s, err
	}
	s.Edition, err = p.Store.Setting(ctx, StackEditionSetting)
	return s, err
}

// stackFor returns the stack image, for the builder that builds on it. What
// app.json wants is only said: nearly every app of Heroku's names a stack of
// Heroku's there, and builds on ours as well.
func (r *run) stackFor(ctx context.Context, b builder.Builder, wanted string) (appliance.Image, error) {
	if b.Name() != (builder.Buildpacks{}).Name() {
		return "", nil
	}
	s, err := r.StackOf(ctx, r.app)
	if err != nil {
		return "", err
	}
	if base, err := builder.ParseStack(wanted); err == nil && base != s.Base && wanted != "container" {
		r.progress.Detail("app.json asks for the stack %s, and this builds on %s; to change that: stack:set %s %s", wanted, s.Name(), r.app, wanted)
	}
	return s.Ensure(ctx, r.Engine, r.progress)
}

// MakeStack makes a stack, unless it is there. Builds wait for it, as it does
// for them.
func (p *Pipeline) MakeStack(ctx context.Context, s builder.Stack, out *progress.Writer) (appliance.Image, error) {
	r := &run{Pipeline: p, progress: out}
	leave, err := p.builds.enter(ctx, turn{who: appliance.ActorFrom(ctx).Name, what: "making of the stack"}, r.waiting)
	if err != nil {
		return "", err
	}
	defer leave()
	return s.Ensure(ctx, p.Engine, out)
}

// Stacks returns the stacks there are, and, by its name, the apps whose
// releases were built on each.
func (p *Pipeline) Stacks(ctx context.Context) (stacks []appliance.Image, users map[appliance.Image][]appliance.AppName, err error) {
	images, err := p.Engine.Images(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	for _, image := range images {
		if name, ok := strings.CutPrefix(string(image), p.Stack.Instance+"/stack:"); ok && !strings.HasPrefix(name, "base-") && !strings.HasPrefix(name, "packages-") {
			stacks = append(stacks, image)
		}
	}
	apps, err := p.Store.Apps(ctx)
	if err != nil {
		return nil, nil, err
	}
	users = map[appliance.Image][]appliance.AppName{}
	for _, app := range apps {
		releases, err := p.Kept(ctx, app.Name)
		if err != nil {
			return nil, nil, err
		}
		for _, release := range releases {
			if release.Stack != "" && !slices.Contains(users[release.Stack], app.Name) {
				users[release.Stack] = append(users[release.Stack], app.Name)
			}
		}
	}
	return stacks, users, nil
}

// PruneStacks removes the stacks that no kept release was built on and that no
// next build would use.
func (p *Pipeline) PruneStacks(ctx context.Context, out *progress.Writer) error {
	r := &run{Pipeline: p, progress: out}
	leave, err := p.builds.enter(ctx, turn{who: appliance.ActorFrom(ctx).Name, what: "removal of old stacks"}, r.waiting)
	if err != nil {
		return err
	}
	defer leave()
	apps, err := p.Store.Apps(ctx)
	if err != nil {
		return err
	}
	_, users, err := p.Stacks(ctx)
	if err != nil {
		return err
	}
	needed := map[appliance.Image]bool{}
	for image := range users {
		needed[image] = true
	}
	own, err := p.OwnStack(ctx) // Cloud Native Buildpacks use it too
	if err != nil {
		return err
	}
	stacks := []builder.Stack{own}
	for _, app := range append(apps, appliance.App{}) {
		s, err := p.StackOf(ctx, app.Name)
		if err != nil {
			return err
		}
		stacks = append(stacks, s)
	}
	for _, s := range stacks {
		images, err := s.Images(ctx, p.Engine)
		if err != nil {
			return err
		}
		for _, image := range images {
			needed[image] = true
		}
	}
	all, err := p.Engine.Images(ctx, "")
	if err != nil {
		return err
	}
	keep := slices.DeleteFunc(all, func(image appliance.Image) bool {
		return strings.HasPrefix(string(image), p.Stack.Instance+"/stack:") && !needed[image]
	})
	return p.Engine.Prune(ctx, "", keep...)
}
