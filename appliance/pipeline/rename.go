package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/berthhq/berth/appliance"
)

// Rename gives an app another name. What runs goes on, and so do its requests:
// the engine, the router and the repositories know the app by its handle,
// which stays. So all of it is one row in the store, and who kills us before or
// after that finds either name, whole. It waits for a deploy that is under way.
func (p *Pipeline) Rename(ctx context.Context, from, to appliance.AppName, out io.Writer) error {
	app, err := p.Store.App(ctx, from)
	if err != nil {
		return err
	}
	if app.Provisional {
		return appliance.WithHint(fmt.Errorf("%s %w: its first deploy has not ended", from, appliance.ErrBusy), "rename it when it has, or remove it: apps:destroy "+string(from))
	}
	// Restores of either have found it taken.
	defer p.Changed(context.WithoutCancel(ctx), to)
	defer p.Changed(context.WithoutCancel(ctx), from)
	return p.alone(ctx, from, to, out, func() error {
		if err := p.renamable(ctx, from, to); err != nil {
			return err
		}
		hosts, err := p.Hosts(ctx, from)
		if err != nil {
			return err
		}
		if err := p.Store.RenameApp(ctx, from, to); err != nil {
			return err
		}
		// It has the name now, whoever hangs up.
		ctx := context.WithoutCancel(ctx)
		p.swapStates(from, to)
		p.attention.look(from)
		err = errors.Join(p.route(ctx, p.state(to), to), p.ApplyDrains(ctx))
		// The trail of the new name begins with the old one.
		actor := appliance.ActorFrom(ctx)
		return errors.Join(err, p.forgetHosts(ctx, to, hosts), p.Store.Record(ctx, appliance.Event{
			Actor: actor.Name, Door: actor.Door, From: actor.From, App: to, Action: "apps:rename", Detail: "was " + string(from),
		}))
	})
}

// renamable checks that an app can get a name.
func (p *Pipeline) renamable(ctx context.Context, from, to appliance.AppName) error {
	switch _, err := p.Store.App(ctx, to); {
	case err == nil:
		return appliance.WithHint(fmt.Errorf("app %s %w", to, appliance.ErrExists), "apps:list shows the apps there are")
	case !errors.Is(err, appliance.ErrNotFound):
		return err
	}
	return p.hostFree(ctx, to, from)
}

// alone lets fn work while nothing else does on either of two apps. It goes in
// the order of their names, so that two of them never wait for each other.
func (p *Pipeline) alone(ctx context.Context, a, b appliance.AppName, out io.Writer, fn func() error) error {
	if a == b {
		return fmt.Errorf("app %s %w", a, appliance.ErrExists)
	}
	if a > b {
		a, b = b, a
	}
	return p.run(ctx, a, "rename", out, func(first *run) error {
		return p.run(ctx, b, "rename", out, func(second *run) error {
			for _, r := range []*run{first, second} {
				if err := r.state.work.acquire(ctx); err != nil {
					return err
				}
				defer r.state.work.release()
			}
			return fn()
		})
	})
}

// swapStates has an app that was renamed go on as it was: what retires of it,
// and who waits.
func (p *Pipeline) swapStates(a, b appliance.AppName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.apps[a], p.apps[b] = p.apps[b], p.apps[a]
}

// forgetHosts ends the upkeep of certificates for those of the hosts that an
// app had and has no more.
func (p *Pipeline) forgetHosts(ctx context.Context, app appliance.AppName, had []string) error {
	have, err := p.Hosts(ctx, app)
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, host := range had {
		gone[host] = true
	}
	for _, host := range have {
		delete(gone, host)
	}
	for host := range gone {
		if err := p.Forget(ctx, host); err != nil {
			return err
		}
	}
	return nil
}
