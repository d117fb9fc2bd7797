package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// maxRestoreWait is the longest wait before a restore that failed is tried
// again.
const maxRestoreWait = 30 * time.Second

// Changed tells the pipeline that a process of app has started, ended or
// moved; "" that any may have. It returns at once.
func (p *Pipeline) Changed(ctx context.Context, app appliance.AppName) {
	p.Log.DebugContext(ctx, "the engine tells of a change", "app", app)
	s := p.state(app)
	s.announce()
	if s.asked.Swap(true) {
		return
	}
	p.behind.Go(func() { p.restoreSoon(ctx, s, app) })
}

// restoreSoon restores one app, or all, and tries again a few times if the
// engine has a bad moment. After a longer one the engine tells us itself.
func (p *Pipeline) restoreSoon(ctx context.Context, s *state, app appliance.AppName) {
	for wait := 250 * time.Millisecond; ; wait *= 2 {
		s.asked.Store(false)
		var err error
		if app == "" {
			err = p.RestoreAll(ctx)
		} else {
			err = p.Restore(ctx, app)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		p.Log.ErrorContext(ctx, "restore", "app", app, "err", err)
		// What began for the end of a deploy has nobody who would end it.
		if ctx.Done() == nil || wait > maxRestoreWait || !pause(ctx, wait) {
			return
		}
	}
}

// RestoreAll restores every app, and ends what runs of apps that do not exist.
func (p *Pipeline) RestoreAll(ctx context.Context) error {
	if err := p.sweep(ctx); err != nil {
		return err
	}
	// The processes first: whatever is in this list and belongs to an app
	// had its app in the store before.
	processes, err := p.Engine.Processes(ctx, "")
	if err != nil {
		return err
	}
	apps, err := p.Store.Apps(ctx)
	if err != nil {
		return err
	}
	var errs []error
	known := map[appliance.AppName]bool{}
	for _, app := range apps {
		known[app.Name] = true
		if err := p.restore(ctx, app.Name, true); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", app.Name, err))
		}
	}
	strays := slices.DeleteFunc(processes, func(q appliance.Process) bool { return known[q.App] })
	return errors.Join(append(errs, p.Engine.Stop(ctx, grace, ids(strays)...))...)
}

// Restore makes what runs of an app what should run: it routes the live
// generation wherever its processes are now, replaces those that are gone, and
// ends what an interrupted deploy has left. What should run is in the store;
// where it runs only the engine knows. Of an app that does not exist nothing
// should run.
func (p *Pipeline) Restore(ctx context.Context, name appliance.AppName) error {
	return p.restore(ctx, name, false)
}

// restore is Restore; away says that we, or the engine, had been away.
func (p *Pipeline) restore(ctx context.Context, name appliance.AppName, away bool) error {
	s := p.state(name)
	if err := p.route(ctx, s, name); err != nil {
		return err
	}
	s.missed.Store(true)
	if !s.work.tryAcquire() {
		return nil // who is at work restores when it is done
	}
	s.missed.Store(false)
	defer p.endWork(ctx, s, name)
	if p.state(name) != s { // it was renamed: who has done it restores
		return nil
	}

	// The processes first, as in RestoreAll.
	processes, err := p.Engine.Processes(ctx, name)
	if err != nil {
		return err
	}
	app, err := p.Store.App(ctx, name)
	if errors.Is(err, appliance.ErrNotFound) {
		return p.Engine.Stop(ctx, grace, ids(processes)...)
	}
	if err != nil {
		return err
	}
	p.pinSoon(ctx, name)
	stopped, err := p.Stopped(ctx, name)
	if err != nil {
		return err
	}
	left := of(app.Live, processes)
	if !stopped {
		over, news, err := p.judge(ctx, s, name, left, away)
		if err == nil && news {
			err = p.route(ctx, s, name)
		}
		if err != nil {
			return err
		}
		if left, err = p.complete(ctx, app, left, over); err != nil {
			return err
		}
		if left = s.beginRetiring(left); len(left) > 0 {
			defer s.endRetiring(left)
			if err := p.route(ctx, s, name); err != nil {
				return err
			}
		}
	}
	for _, q := range processes {
		if q.Generation != app.Live && !s.isRetiring(q.ID) {
			left = append(left, q)
		}
	}
	return p.Engine.Stop(ctx, grace, ids(left)...)
}

// route sends the app's traffic to its live generation.
func (p *Pipeline) route(ctx context.Context, s *state, name appliance.AppName) error {
	s.route.Lock()
	defer s.route.Unlock()
	defer p.attention.look(name)

	app, err := p.Store.App(ctx, name)
	if errors.Is(err, appliance.ErrNotFound) {
		p.Router.Remove(p.Service(name))
		return nil
	}
	if err != nil {
		return err
	}
	hosts, err := p.Hosts(ctx, name)
	if err != nil {
		return err
	}
	processes, err := p.Engine.Processes(ctx, name)
	if err != nil {
		return err
	}
	policy, err := p.Policy(ctx, name)
	if err != nil {
		return err
	}
	stopped, err := p.Stopped(ctx, name)
	if err != nil {
		return err
	}
	var at []string
	if !stopped {
		over, err := Kept[map[string]Crash](ctx, p, name, crashesSetting)
		if err != nil {
			return err
		}
		at = p.whereabouts(name, slices.DeleteFunc(s.serving(of(app.Live, processes)), func(q appliance.Process) bool {
			_, isOver := over[q.ID]
			return isOver && !q.Running
		}))
	}
	err = p.update(ctx, router.Service{Name: p.Service(name), Hosts: hosts, Targets: at, Policy: policy})
	if err == nil && !app.Provisional {
		p.Certificates.ManageFor(p.Service(name), hosts...) // only what is routed gets a certificate
	}
	return err
}

// whereabouts returns where the web processes are reached. While all of them are
// about to be started again, that is where they have been: requests look for
// them for a moment, rather than hear that there is nobody.
func (p *Pipeline) whereabouts(name appliance.AppName, live []appliance.Process) []string {
	now := targets(live)
	if len(now) == 0 && slices.ContainsFunc(live, func(q appliance.Process) bool { return q.Type == Web && q.Kept != appliance.Never }) {
		return p.Router.Targets(p.Service(name))
	}
	return now
}

// update has a service go on as it is now, under those of its hosts that do
// not lead elsewhere: one host that does must not take the others with it.
func (p *Pipeline) update(ctx context.Context, s router.Service) error {
	err := p.Router.Update(s)
	if !errors.Is(err, router.ErrHostTaken) {
		return err
	}
	p.Log.ErrorContext(ctx, "route", "app", s.Name, "err", err)
	s.Hosts = p.Router.Free(s)
	return p.Router.Update(s)
}

// swap is Router.Swap under those of the hosts that do not lead elsewhere.
func (p *Pipeline) swap(s router.Service) (served *router.Generation, err error) {
	served, err = p.Router.Swap(s)
	if errors.Is(err, router.ErrHostTaken) {
		s.Hosts = p.Router.Free(s)
		return p.Router.Swap(s)
	}
	return served, err
}

// complete starts what is missing of the live generation, but not what is over,
// has the engine keep what runs, and returns what is too much. The caller holds
// the app's work.
func (p *Pipeline) complete(ctx context.Context, app appliance.App, live []appliance.Process, over map[string]Crash) (surplus []appliance.Process, err error) {
	if app.LiveRelease == 0 {
		return nil, nil
	}
	release, err := p.Store.Release(ctx, app.Name, app.LiveRelease)
	if err != nil {
		return nil, err
	}
	formation, err := p.formation(ctx, release)
	if err != nil {
		return nil, err
	}
	s := p.state(app.Name)
	surplus = s.surplus(formation, live)
	live = slices.DeleteFunc(s.serving(live), func(q appliance.Process) bool { return q.Index > formation[q.Type] })
	policy, err := p.restartPolicy(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	var unkept []string
	var alive []appliance.Process
	for _, q := range live {
		_, isOver := over[q.ID]
		switch {
		case isOver:
			alive = append(alive, q) // it keeps its place
		case q.Running || q.Restarting:
			alive = append(alive, q)
			if q.Kept != policy.Restart {
				unkept = append(unkept, q.ID)
			}
		default:
			if err := p.Engine.Stop(ctx, grace, q.ID); err != nil {
				return nil, err
			}
		}
	}
	for _, at := range missing(formation, alive) {
		spec, err := p.contain(ctx, processSpec(release, app.Live, at.typ, 1))
		if err != nil {
			return nil, err
		}
		spec.First = at.index
		started, err := p.Engine.Start(ctx, spec)
		if err != nil {
			return nil, fmt.Errorf("start %s.%d of v%d: %w", at.typ, at.index, release.Version, err)
		}
		p.Log.InfoContext(ctx, "process was missing, started again", "app", app.Name, "process", fmt.Sprintf("%s.%d", at.typ, at.index))
		unkept = append(unkept, ids(started)...)
	}
	if len(unkept) == 0 {
		return surplus, nil
	}
	if err := p.Engine.Keep(ctx, policy.Restart, unkept...); err != nil {
		return nil, err
	}
	return surplus, p.route(ctx, s, app.Name)
}
