package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/progress"
)

// Create makes an app that nothing has been deployed of. A provisional one
// lives only as long as the push it was made for, until a deploy succeeds.
func (p *Pipeline) Create(ctx context.Context, name appliance.AppName, provisional bool) error {
	if err := p.hostFree(ctx, name, name); err != nil {
		return err
	}
	if err := p.Store.CreateApp(ctx, name, provisional); err != nil {
		return err
	}
	// Requests that ended after another app of that name was destroyed, and what
	// it printed, are not for the owner of this one to see.
	if err := errors.Join(p.Router.AccessLog.Forget(p.Service(name)), p.Logs.Forget(p.handle(name))); err != nil {
		return err
	}
	if err := p.Repos.Create(ctx, name); err != nil {
		return fmt.Errorf("make repository of %s: %w", name, err)
	}
	p.Changed(context.WithoutCancel(ctx), name) // its host, and the certificate for it
	return nil
}

// hostFree checks that the host an app gets with a name was not added to
// another.
func (p *Pipeline) hostFree(ctx context.Context, name, app appliance.AppName) error {
	hosts, err := p.OwnHosts(ctx, name)
	if err != nil {
		return err
	}
	for _, host := range hosts {
		owners, err := p.Store.DomainOwners(ctx, host)
		if err != nil {
			return err
		}
		owners = slices.DeleteFunc(owners, func(owner appliance.AppName) bool { return owner == app })
		if len(owners) > 0 {
			return appliance.WithHint(fmt.Errorf("the host %s %w, as a domain of %s", host, appliance.ErrExists, owners[0]),
				"choose another name, or take it from there: domains:remove")
		}
	}
	return nil
}

// Forget ends the upkeep of the certificates for those of the domains whose
// host leads to no app any more.
func (p *Pipeline) Forget(ctx context.Context, domains ...string) error {
	for _, host := range appliance.HostsOf(domains) {
		owners, err := p.Store.DomainOwners(ctx, host)
		if err != nil {
			return err
		}
		if len(owners) == 0 {
			p.Certificates.Forget(host)
		}
	}
	return nil
}

// Destroy removes an app and everything of it: processes, images, volumes,
// repository, releases, config. It cancels what is built and deployed of it,
// but waits for a switch that has begun.
func (p *Pipeline) Destroy(ctx context.Context, name appliance.AppName, out io.Writer) error {
	if _, err := p.Store.App(ctx, name); err != nil {
		return err
	}
	if err := p.cancelAll(ctx, name, out); err != nil {
		return err
	}
	return p.run(ctx, name, "deploy", out, func(r *run) error {
		return r.destroy(context.WithoutCancel(ctx))
	})
}

// cancelAll ends the runs of an app that go on or wait.
func (p *Pipeline) cancelAll(ctx context.Context, name appliance.AppName, out io.Writer) error {
	all := p.state(name).underWay()
	for _, rec := range all {
		rec.cancel(&canceledError{appliance.ActorFrom(ctx).Name})
	}
	for _, rec := range all {
		select {
		case <-rec.done:
			progress.New(out).Step("Build %d of %s: %s", rec.Number, name, rec.Status)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (r *run) destroy(ctx context.Context) error {
	if err := r.state.work.acquire(ctx); err != nil {
		return err
	}
	defer r.endWork(ctx, r.state, r.app)
	if err := r.state.keeping.acquire(ctx); err != nil {
		return err
	}
	defer r.state.keeping.release()
	if err := r.state.preparing.acquire(ctx); err != nil {
		return err
	}
	defer r.state.preparing.release()

	service := r.Service(r.app)
	hosts, err := r.Hosts(ctx, r.app)
	if err != nil {
		return err
	}
	r.Router.Remove(service)
	if err := r.Engine.Destroy(ctx, r.app); err != nil {
		return err
	}
	release, err := r.use(ctx, r.app, nil)
	if err != nil {
		return err
	}
	defer release()
	if err := r.Repos.Remove(r.app); err != nil {
		return err
	}
	r.state.route.Lock()
	defer r.state.route.Unlock()
	if err := r.Store.DestroyApp(ctx, r.app); err != nil {
		return err
	}
	// Once more: while its processes ended, a restore has routed what was left.
	r.Router.Remove(service)
	if err := r.Forget(ctx, hosts...); err != nil {
		return err
	}
	if _, err := r.Certificates.RemoveOwn(ctx, service); err != nil {
		return err
	}
	return errors.Join(r.Router.AccessLog.Forget(service), r.Logs.Forget(appliance.AppName(service)), r.ApplyLogBounds(ctx), r.ApplyDrains(ctx))
}

// Discard removes an app that came into being for a push and that nothing has
// been deployed of. It leaves every other app alone.
func (p *Pipeline) Discard(ctx context.Context, name appliance.AppName) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return p.run(ctx, name, "deploy", io.Discard, func(r *run) error {
		app, err := p.Store.App(ctx, name)
		if errors.Is(err, appliance.ErrNotFound) {
			return nil
		}
		if err != nil || !app.Provisional {
			return err
		}
		return r.destroy(ctx)
	})
}

// settleTime is how long the start waits for what a killed daemon has begun:
// all of it ends by itself, at once.
const settleTime = 5 * time.Second

// Recover is for the start, before anything else: it records that builds were
// interrupted, and forgets what interrupted pushes have left. What there is of
// that in the engine is removed as soon as the engine can be reached.
func (p *Pipeline) Recover(ctx context.Context) error {
	p.Engine, p.Repos.Handle = &handling{p.Engine, p.Store}, p.handle
	if err := emptyDir(p.Temp); err != nil {
		return err
	}
	settled, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := p.Repos.Settle(settled); err != nil {
		p.Log.WarnContext(ctx, "a git of an earlier daemon is still at work", "err", err)
	} else if err := p.Repos.TakeBackAll(settled); err != nil {
		p.Log.WarnContext(ctx, "take back what an earlier daemon has left in repositories", "err", err)
	}
	if err := p.Repos.Tidy(); err != nil {
		return err
	}
	if err := p.Store.AbandonBuilds(ctx, "berth was stopped while it ran"); err != nil {
		return err
	}
	if err := p.Store.AbandonReleases(ctx); err != nil {
		return err
	}
	parallel, err := p.Parallel(ctx)
	if err != nil {
		return err
	}
	p.builds.allow(parallel)
	apps, err := p.Store.Apps(ctx)
	if err != nil {
		return err
	}
	p.started = time.Now()
	for _, app := range apps {
		if !app.Provisional {
			continue
		}
		p.leftovers = append(p.leftovers, app.Name)
		if err := errors.Join(p.Repos.Remove(app.Name), p.Store.DestroyApp(ctx, app.Name)); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes what is in the engine of what Recover has found, once.
func (p *Pipeline) sweep(ctx context.Context) error {
	p.sweeping.Lock()
	defer p.sweeping.Unlock()
	if p.swept {
		return nil
	}
	if err := p.Engine.Sweep(ctx, p.started); err != nil {
		return err
	}
	for _, name := range p.leftovers {
		// In the line of the app, so that a push of the same name that comes
		// in now is not swept with it.
		err := p.run(ctx, name, "cleanup", io.Discard, func(*run) error {
			_, err := p.Store.App(ctx, name)
			if errors.Is(err, appliance.ErrNotFound) {
				return p.Engine.Destroy(ctx, name)
			}
			return err // nil when it was pushed again: a restore looks after it
		})
		if err != nil {
			return err
		}
	}
	p.swept = true
	return nil
}

// Wait returns when nothing is done behind anybody's back any more: no restore,
// and no old generation that finishes its last requests.
func (p *Pipeline) Wait() { p.behind.Wait() }
