package pipeline

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/berthhq/berth/appliance"
)

// Of an app's releases the last are kept: the record, the image, which is
// pinned, and the commit, of which the image can be built again.

// Kept returns the releases of an app that are kept, newest first.
func (p *Pipeline) Kept(ctx context.Context, app appliance.AppName) ([]appliance.Release, error) {
	kept, _, err := p.sort(ctx, app)
	return kept, err
}

// sort divides an app's releases into those that are kept and those that are
// too many.
func (p *Pipeline) sort(ctx context.Context, name appliance.AppName) (kept, surplus []appliance.Release, err error) {
	app, err := p.Store.App(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	text, err := p.Property(ctx, name, KeepReleasesSetting)
	if err != nil {
		return nil, nil, err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, nil, err
	}
	releases, err := p.Store.Releases(ctx, name, -1)
	if err != nil {
		return nil, nil, err
	}
	needed := needed(releases, app.LiveRelease)
	good, failed := 0, 0
	for i, r := range releases {
		count := &good
		if r.Status == appliance.ReleaseFailed {
			count = &failed
		}
		// What failed before the oldest that is kept tells nothing any more.
		*count++
		if *count <= n && good <= n || i == 0 || slices.Contains(needed, r.Version) {
			kept = append(kept, r)
		} else {
			surplus = append(surplus, r)
		}
	}
	return kept, surplus, nil
}

// needed returns the versions that are kept however many there are: the live
// one, the one to go back to, and the last with another image, so that a day
// of changed config does not take away the code to go back to.
func needed(releases []appliance.Release, live int) []int {
	i := slices.IndexFunc(releases, func(r appliance.Release) bool { return r.Version == live })
	if i < 0 {
		return nil
	}
	versions := []int{live}
	if before, ok := before(releases, releases[i]); ok {
		versions = append(versions, before.Version)
	}
	for _, r := range releases[i:] {
		if r.Status == appliance.ReleaseSucceeded && r.Image != releases[i].Image {
			return append(versions, r.Version)
		}
	}
	return versions
}

// before returns the release to go back to from the live one: the last that
// was live before it, or, if it is a rollback itself, before what it went back
// to. So one rollback after the other goes further back, and never forward to
// what was bad.
func before(releases []appliance.Release, live appliance.Release) (appliance.Release, bool) {
	for _, r := range releases { // the newest first
		if r.Status == appliance.ReleaseSucceeded && r.Version < live.Origin() && r.Origin() != live.Origin() {
			return r, true
		}
	}
	return appliance.Release{}, false
}

// end is for the end of a run: of what went live, the record of what is too
// many is dropped, and what is kept is kept well. The next run waits for the
// first, and nobody for the second.
func (r *run) end(ctx context.Context) {
	if !r.live {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if err := r.dropSurplus(ctx); err != nil {
		r.Log.WarnContext(ctx, "keep releases", "app", r.app, "err", err)
	}
	if r.unlayered {
		if err := r.dropLayer(ctx); err != nil {
			r.Log.WarnContext(ctx, "drop the layer of dependencies", "app", r.app, "err", err)
		}
	}
	r.pinSoon(ctx, r.app)
}

// dropSurplus forgets the releases that are too many, and has the repository
// keep the commits of the others. The caller has the app's turn.
func (p *run) dropSurplus(ctx context.Context) error {
	kept, surplus, err := p.sort(ctx, p.app)
	if err != nil {
		return err
	}
	var versions []int
	for _, release := range surplus {
		versions = append(versions, release.Version)
	}
	if err := p.Store.DeleteReleases(ctx, p.app, versions...); err != nil {
		return err
	}
	return p.keepCommits(ctx, p.app, kept)
}

// keepCommits has the repository keep the commits of releases.
func (p *Pipeline) keepCommits(ctx context.Context, app appliance.AppName, kept []appliance.Release) error {
	var commits []string
	for _, release := range kept {
		if release.Commit != "" && release.Status != appliance.ReleaseFailed {
			commits = append(commits, release.Commit)
		}
	}
	release, err := p.use(ctx, app, nil)
	if err != nil {
		return err
	}
	defer release()
	return p.Repos.KeepCommits(ctx, app, commits...)
}

// pinSoon pins the images of an app's kept releases, when nobody waits for it.
func (p *Pipeline) pinSoon(ctx context.Context, app appliance.AppName) {
	p.behind.Go(func() {
		if err := p.pin(ctx, app); err != nil && ctx.Err() == nil {
			p.Log.WarnContext(ctx, "pin images", "app", app, "err", err)
		}
	})
}

// pin has the engine keep the images of an app's kept releases from whoever
// tidies it up beside us.
func (p *Pipeline) pin(ctx context.Context, app appliance.AppName) error {
	s := p.state(app)
	if err := s.keeping.acquire(ctx); err != nil {
		return err
	}
	defer s.keeping.release()
	kept, err := p.Kept(ctx, app)
	if errors.Is(err, appliance.ErrNotFound) {
		return nil // it was destroyed
	}
	if err != nil {
		return err
	}
	loaded, err := p.loaded(ctx, app, kept)
	if err != nil {
		return err
	}
	p.pinning.Lock() // one at a time: at the start it is for every app
	defer p.pinning.Unlock()
	return p.Engine.Pin(ctx, app, append(images(kept), loaded...)...)
}
