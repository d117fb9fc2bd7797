package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Rollback makes the next release of an earlier one, with its image and its
// environment, and deploys it as any other. If version is 0 it goes back to
// the last that was live before. How many processes run is not part of it, as
// with Heroku. Nothing is built, unless the image is gone.
func (p *Pipeline) Rollback(ctx context.Context, name appliance.AppName, version int, out io.Writer) error {
	if _, _, err := p.Back(ctx, name, version); err != nil && !errors.Is(err, appliance.ErrBusy) {
		return err
	}
	record := appliance.Build{App: name, Kind: appliance.KindDeploy, Source: "rollback"}
	return p.recorded(ctx, record, "rollback", out, func(ctx context.Context, r *run) error {
		to, live, err := r.Back(ctx, name, version) // things may have changed while it waited
		if err != nil {
			return err
		}
		r.progress.Step("Rolling %s back from v%d to v%d (%s)", name, live.Version, to.Version, cmp.Or(to.Reason, "no reason given"))
		return r.goBack(ctx, to)
	})
}

// Back returns the release that a rollback would go back to, and the live one.
func (p *Pipeline) Back(ctx context.Context, name appliance.AppName, version int) (to, live appliance.Release, err error) {
	live, _, err = p.Release(ctx, name, 0)
	if err != nil {
		return to, live, err
	}
	releases, err := p.Store.Releases(ctx, name, -1)
	if err != nil {
		return to, live, err
	}
	last, ok := before(releases, live)
	if version == 0 && !ok {
		what := fmt.Sprintf("there is no release to go back to: v%d is the first of %s that worked", live.Version, name)
		if live.Restores != 0 {
			what = fmt.Sprintf("there is no release to go back to: v%d is v%d again, and that is the first of %s that worked", live.Version, live.Restores, name)
		}
		return to, live, appliance.WithHint(noReleaseError(what), "deploy another version with git push; releases "+string(name)+" lists what there is")
	}
	if version == 0 {
		return last, live, nil
	}
	otherwise := fmt.Sprintf("releases %s lists those there are", name)
	if ok {
		otherwise = fmt.Sprintf("the last that was live before is v%d: rollback %s v%d\n%s", last.Version, name, last.Version, otherwise)
	}
	i := slices.IndexFunc(releases, func(r appliance.Release) bool { return r.Version == version })
	switch {
	case i < 0 && version < releases[0].Version:
		err = fmt.Errorf("release v%d of %s %w: it is not kept any more", version, name, appliance.ErrNotFound)
	case i < 0:
		err = fmt.Errorf("release v%d of %s %w", version, name, appliance.ErrNotFound)
	case releases[i].Status == appliance.ReleaseFailed:
		err = fmt.Errorf("v%d of %s was never live: its deploy failed", version, name)
	case releases[i].Status == appliance.ReleasePending:
		err = fmt.Errorf("v%d of %s is being deployed: %w", version, name, appliance.ErrBusy)
	case version == live.Version:
		err = fmt.Errorf("v%d of %s is live already", version, name)
		otherwise = fmt.Sprintf("to start it anew: ps:restart %s\n%s", name, otherwise)
	default:
		return releases[i], live, nil
	}
	return to, live, appliance.WithHint(err, otherwise)
}

// A rollback is what a run goes back to.
type rollback struct {
	to     appliance.Release
	config map[string]string // that the app had, without what is added to it
	before map[string]string // the app's config as it was when the run began
}

// goBack makes a release of an earlier one, and deploys it.
func (r *run) goBack(ctx context.Context, to appliance.Release) error {
	r.made.Image, r.made.Builder, r.made.Commit = to.Image, to.Builder, to.Commit
	var err error
	if r.rollback, err = r.newRollback(ctx, to); err != nil {
		return err
	}
	spec := to
	gone, err := r.gone(ctx, to)
	if err == nil && gone != "" {
		// One with two names loses the first when somebody tidies up; it gets
		// that back from what keeps it.
		if err = r.pin(ctx, r.app); err == nil {
			gone, err = r.gone(ctx, to)
		}
	}
	if err != nil {
		return err
	}
	if gone != "" {
		r.progress.Step("The image of v%d is gone (%s): building its commit again", to.Version, gone)
		if spec, err = r.buildAgain(ctx, to); err != nil {
			return err
		}
	}
	spec.App, spec.Env, spec.Restores, spec.Reason = r.app, to.Env, to.Origin(), fmt.Sprintf("rollback to v%d", to.Version)
	var release appliance.Release
	err = r.stage(ctx, appliance.StageRelease, func() (err error) {
		release, err = r.addRelease(ctx, spec)
		return err
	})
	if err != nil {
		return err
	}
	r.rollback.say(r)
	return r.deploy(ctx, release)
}

// newRollback finds out which config the app had.
func (r *run) newRollback(ctx context.Context, to appliance.Release) (*rollback, error) {
	before, err := r.Config(ctx, r.app)
	if err != nil {
		return nil, err
	}
	name, err := r.Property(ctx, r.app, RevEnvVarSetting)
	if err != nil {
		return nil, err
	}
	config := maps.Clone(to.Env)
	for _, name := range []string{name, propertyDefaults[RevEnvVarSetting]} {
		if config[name] == to.Commit { // we had added it
			delete(config, name)
		}
	}
	return &rollback{to, config, before}, nil
}

// gone returns the first image of a release that the engine does not have any
// more, or "".
func (r *run) gone(ctx context.Context, release appliance.Release) (appliance.Image, error) {
	for _, typ := range processTypes(release) {
		image := processSpec(release, "", typ, 1).Image
		_, err := r.Engine.Inspect(ctx, image)
		if errors.Is(err, appliance.ErrNotFound) {
			return image, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// buildAgain makes the image of a release anew, from its commit and with its
// environment. What its app.json runs to complete the image is run again;
// what it runs with a deploy is not.
func (r *run) buildAgain(ctx context.Context, to appliance.Release) (appliance.Release, error) {
	push, err := r.pushOf(ctx, to)
	if err != nil {
		return to, err
	}
	source, err := r.receive(ctx, push)
	if err != nil {
		return to, err
	}
	defer source.Remove()
	if err := r.cleanup(ctx); err != nil {
		return to, err
	}
	built, err := r.build(ctx, source)
	if err != nil {
		return to, err
	}
	again := built.release(to)
	err = r.stage(ctx, appliance.StageRelease, func() error {
		again, err = r.predeploy(ctx, again)
		return err
	})
	return again, err
}

// config returns what the app is built with: its config, or what it was when
// what is gone back to was live.
func (r *run) config(ctx context.Context) (map[string]string, error) {
	if r.rollback != nil {
		return r.rollback.config, nil
	}
	return r.Config(ctx, r.app)
}

// say tells which config changes, never to what.
func (b *rollback) say(r *run) {
	set, unset := changes(b.before, b.config)
	var parts []string
	if len(set) > 0 {
		parts = append(parts, "sets "+strings.Join(slices.Sorted(maps.Keys(set)), ", ")+" to what it was")
	}
	if len(unset) > 0 {
		parts = append(parts, "unsets "+strings.Join(unset, ", "))
	}
	if len(parts) > 0 {
		r.progress.Detail("config: %s", strings.Join(parts, "; "))
	}
}

// change returns what is to change in the app's config when the release goes
// live. What somebody else has set since the run began stays: a release of it
// is about to come.
func (b *rollback) change(ctx context.Context, r *run) (set map[string]string, unset []string, err error) {
	now, err := r.Config(ctx, r.app)
	if err != nil {
		return nil, nil, err
	}
	touched := func(key string) bool {
		was, did := b.before[key]
		is, does := now[key]
		return was != is || did != does
	}
	set, unset = changes(b.before, b.config)
	maps.DeleteFunc(set, func(key, _ string) bool { return touched(key) })
	return set, slices.DeleteFunc(unset, touched), nil
}

// changes returns what leads from one config to another.
func changes(from, to map[string]string) (set map[string]string, unset []string) {
	set = map[string]string{}
	for key, value := range to {
		if old, ok := from[key]; !ok || old != value {
			set[key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if _, ok := to[key]; !ok {
			unset = append(unset, key)
		}
	}
	return set, unset
}
