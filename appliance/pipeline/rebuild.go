package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/berthhq/berth/appliance"
)

// Rebuild builds the commit of a kept release again, the live one's if version
// is 0, with the app's config and settings as they are now, and deploys it as
// the next release. Nothing is pushed for it.
func (p *Pipeline) Rebuild(ctx context.Context, name appliance.AppName, version int, out io.Writer) error {
	if _, _, err := p.Release(ctx, name, version); err != nil {
		return err
	}
	return p.recorded(ctx, appliance.Build{App: name, Kind: appliance.KindBuild, Source: "rebuild"}, "rebuild", out, func(ctx context.Context, r *run) error {
		release, _, err := p.Release(ctx, name, version)
		if err != nil {
			return err
		}
		push, err := r.pushOf(ctx, release)
		if err != nil {
			return err
		}
		return r.ship(ctx, push, fmt.Sprintf("rebuild of v%d", release.Version))
	})
}

// pushOf is what a push of a release's commit would be.
func (r *run) pushOf(ctx context.Context, release appliance.Release) (Push, error) {
	has, err := r.Repos.Has(ctx, r.app, release.Commit)
	if err != nil {
		return Push{}, err
	}
	if !has {
		what := fmt.Sprintf("v%d cannot be built again: the repository of %s does not have its commit any more (%.7s)", release.Version, r.app, release.Commit)
		hint := fmt.Sprintf("push it from where it still is: git push --force berth %.7s:main", release.Commit)
		if release.Commit == "" {
			what, hint = fmt.Sprintf("v%d cannot be built again: it was not built from a commit", release.Version), "push what it was made of: git push berth main"
		}
		return Push{}, appliance.WithHint(fmt.Errorf("%s", what), hint)
	}
	branch, _, err := r.Head(ctx, r.app)
	r.made.Commit = release.Commit
	return Push{App: r.app, Commit: release.Commit, Branch: cmp.Or(branch, "main")}, err
}

// Release returns a release of an app, or the live one if version is 0, and
// the version that is live.
func (p *Pipeline) Release(ctx context.Context, name appliance.AppName, version int) (release appliance.Release, live int, err error) {
	app, err := p.Store.App(ctx, name)
	if err != nil {
		return release, 0, err
	}
	if app.LiveRelease == 0 && version == 0 {
		return release, 0, notDeployed(name)
	}
	release, err = p.Store.Release(ctx, name, cmp.Or(version, app.LiveRelease))
	return release, app.LiveRelease, appliance.WithHint(err, fmt.Sprintf("releases %s lists those that are kept", name))
}

// ErrNoRelease is for an app without the release that was meant: a live one,
// or one before it.
var ErrNoRelease = errors.New("no release")

// A noReleaseError is an ErrNoRelease that says why.
type noReleaseError string

func (e noReleaseError) Error() string { return string(e) }

// Is makes a noReleaseError an ErrNoRelease.
func (e noReleaseError) Is(target error) bool { return target == ErrNoRelease }

func notDeployed(name appliance.AppName) error {
	return appliance.WithHint(noReleaseError(fmt.Sprintf("nothing has been deployed of %s yet", name)), "deploy it: git push berth main")
}
