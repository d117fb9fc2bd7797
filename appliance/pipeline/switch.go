package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
	"github.com/berthhq/berth/router"
)

const (
	drain   = 30 * time.Second // for requests to the old generation
	patient = 2 * time.Second  // how much of that the pusher waits for
)

// A switching is the move of an app's traffic to a new generation. It begins
// with the moment from which on requests could suffer from it.
type switching struct {
	begun  bool
	held   bool // the requests wait; see park
	done   bool // the new generation has the traffic
	before router.Stats
	cut    int
}

func (s *switching) begin(r *router.Router, service string) {
	if !s.begun {
		s.begun, s.before = true, r.Stats(service)
	}
}

// report tells what became of the requests of the switch: "214 requests during
// the switch, 0 failed".
func (s *switching) report(now router.Stats) string {
	// Some that were cut may not have left yet, and so not be counted.
	failed := max(0, int(now.Failed-s.before.Failed)-s.cut)
	text := fmt.Sprintf("%s during the switch, %d failed", count(int(now.Requests-s.before.Requests), "request"), failed)
	if s.cut > 0 {
		text += fmt.Sprintf(", %d cut", s.cut)
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// switchTo makes the new generation the one that serves, and ends the old one
// when it has answered what it was asked.
func (r *run) switchTo(ctx context.Context, release appliance.Release, generation appliance.Generation, started, old []appliance.Process) error {
	processes, err := r.Engine.Processes(ctx, r.app)
	if err != nil {
		r.stopGeneration(ctx, generation)
		return err
	}
	fresh := of(generation, processes)
	for _, p := range started {
		if now := find(p, fresh); !now.Running {
			err := r.explain(ctx, now)
			r.stopGeneration(ctx, generation)
			return err
		}
	}
	r.Log.DebugContext(ctx, "traffic moves", "app", r.app, "generation", generation, "release", release.Version, "processes", len(fresh))
	served, err := r.goLive(ctx, release.Version, generation, fresh)
	if err != nil {
		r.stopGeneration(ctx, generation)
		return err
	}
	if err := r.keep(ctx, r.app, ids(fresh)...); err != nil {
		// The next restore does it again.
		r.Log.WarnContext(ctx, "keep", "app", r.app, "err", err)
	}
	r.retire(ctx, release.Version, served, old)
	return nil
}

// goLive records the new generation, which is the moment that decides what a
// crash leaves behind, and sends it the traffic. It returns what served
// before.
func (r *run) goLive(ctx context.Context, release int, generation appliance.Generation, fresh []appliance.Process) (*router.Generation, error) {
	r.state.route.Lock()
	defer r.state.route.Unlock()
	defer r.attention.look(r.app)

	hosts, err := r.Hosts(ctx, r.app)
	if err != nil {
		return nil, err
	}
	policy, err := r.Policy(ctx, r.app)
	if err != nil {
		return nil, err
	}
	if err := r.settleWishes(ctx); err != nil {
		return nil, err
	}
	live := db.Live{App: r.app, Release: release, Generation: generation}
	if r.rollback != nil {
		if live.Set, live.Unset, err = r.rollback.change(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := r.Store.GoLive(ctx, live); err != nil {
		return nil, err
	}
	r.live = true
	r.switching.begin(r.Router, r.Service(r.app))
	served, err := r.swap(router.Service{Name: r.Service(r.app), Hosts: hosts, Targets: targets(fresh), Policy: policy})
	r.switching.done = err == nil
	r.Certificates.ManageFor(r.Service(r.app), hosts...)
	return served, err
}

// settleWishes notes that what somebody wanted of the next deploy is so now.
func (r *run) settleWishes(ctx context.Context) error {
	for _, setting := range []string{NextScaleSetting, StoppedSetting} {
		wish, err := r.Store.AppSetting(ctx, r.app, setting)
		if err == nil && wish != "" && setting == NextScaleSetting {
			_, scaled, inner := r.Wanted(ctx, r.app)
			err = errors.Join(inner, r.Store.Scale(ctx, r.app, scaled))
		}
		if err == nil && wish != "" {
			err = r.Store.SetApp(ctx, r.app, setting, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// retire ends the old generation once it has answered the requests it has. The
// pusher waits for that a short while only, and is told what is known then.
func (r *run) retire(ctx context.Context, version int, served *router.Generation, old []appliance.Process) {
	first := len(old) == 0
	old = r.state.beginRetiring(old)
	drained, done := make(chan router.Report, 1), make(chan struct{})
	limit := r.drainOf(ctx, r.app)
	r.behind.Go(func() {
		defer close(done)
		drained <- served.Drain(ctx, limit)
		if err := r.Engine.Stop(ctx, r.graceOf(ctx, r.app), ids(old)...); err != nil {
			r.Log.WarnContext(ctx, "stop old processes", "app", r.app, "err", err)
		}
		r.state.endRetiring(old)
	})
	wait := time.After(patient)
	select {
	case report := <-drained:
		r.switching.cut += report.Cut
		if !first {
			r.progress.Detail("v%d live; %s", version, r.switching.report(r.Router.Stats(r.Service(r.app))))
		}
	case <-wait:
		r.progress.Detail("v%d live; so far %s", version, r.switching.report(r.Router.Stats(r.Service(r.app))))
		r.progress.Detail("the old processes finish their last requests (%d), for at most %s", served.UnderWay(), limit)
		return
	}
	select {
	case <-done:
	case <-wait:
	}
}
