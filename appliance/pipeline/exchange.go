package pipeline

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// An exchange changes some processes of the live generation while the others
// serve on.
type exchange struct {
	release appliance.Release
	live    appliance.Generation
	come    []place
	leave   []appliance.Process
}

// exchange starts what is to come beside all that runs. When it is ready,
// decide is called, which records what is so from now on; then it gets traffic,
// and what is to leave gets none any more and ends. If anything fails before
// that, what has come is ended instead.
func (r *run) exchange(ctx context.Context, x exchange, decide func(context.Context) error) error {
	turn := strings.ToLower(rand.Text()[:6])
	arrived := r.state.expect(turn)
	defer arrived()
	defer r.resume(ctx)
	started, err := r.startBeside(ctx, x, turn)
	if err == nil {
		// From here on there is no way back, whoever hangs up.
		err = decide(context.WithoutCancel(ctx))
	}
	if err != nil {
		r.stopTurn(ctx, turn)
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := r.keep(ctx, r.app, ids(started)...); err != nil {
		// The next restore does it again.
		r.Log.WarnContext(ctx, "keep", "app", r.app, "err", err)
	}
	arrived()
	if err := r.route(ctx, r.state, r.app); err != nil {
		return err
	}
	if r.switching.held {
		r.switching.done = true
		r.Router.Release(r.Service(r.app))
	}
	return r.letGo(ctx, x)
}

// startBeside starts what is to come and returns when all of it is ready. What
// may not run beside its like ends first.
func (r *run) startBeside(ctx context.Context, x exchange, turn string) (started []appliance.Process, err error) {
	formation, indices := appliance.Formation{}, map[string][]int{}
	for _, p := range x.come {
		formation[p.typ]++
		indices[p.typ] = append(indices[p.typ], p.index)
	}
	groups, err := r.startGroups(ctx, formation, x.release.Services)
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		for _, typ := range group {
			if err := r.makeWay(ctx, x.release, typ, len(indices[typ]), x.leave); err != nil {
				return started, fmt.Errorf("end the old %s: %w", typ, err)
			}
		}
		var specs []appliance.ProcessSpec
		for _, typ := range group {
			for _, series := range inSeries(indices[typ]) {
				spec, err := r.contain(ctx, processSpec(x.release, x.live, typ, len(series)))
				if err != nil {
					return started, err
				}
				spec.First, spec.Turn = series[0], turn
				specs = append(specs, spec)
			}
		}
		together, err := r.startAll(ctx, specs)
		started = append(started, together...)
		if err != nil {
			return started, err
		}
		if err := r.healthy(ctx, x.release, together); err != nil {
			return started, err
		}
	}
	return started, context.Cause(ctx)
}

// startAll starts several process types side by side.
func (r *run) startAll(ctx context.Context, specs []appliance.ProcessSpec) ([]appliance.Process, error) {
	found := make([][]appliance.Process, len(specs))
	group, ctx := errgroup.WithContext(ctx)
	for i, spec := range specs {
		group.Go(func() (err error) {
			if found[i], err = r.Engine.Start(ctx, spec); err != nil {
				return fmt.Errorf("start %s: %w", spec.Type, err)
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}

// inSeries returns numbers in order, as runs of those that follow each other.
func inSeries(numbers []int) (series [][]int) {
	for _, n := range slices.Sorted(slices.Values(numbers)) {
		if last := len(series) - 1; last >= 0 && series[last][len(series[last])-1] == n-1 {
			series[last] = append(series[last], n)
			continue
		}
		series = append(series, []int{n})
	}
	return series
}

// stopTurn ends what was started of a turn that did not make it, even if ctx
// has been cancelled.
func (r *run) stopTurn(ctx context.Context, turn string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	processes, err := r.Engine.Processes(ctx, r.app)
	if err == nil {
		processes = slices.DeleteFunc(processes, func(p appliance.Process) bool { return p.Turn != turn })
		err = r.Engine.Stop(ctx, grace, ids(processes)...)
	}
	if err != nil {
		// The next restore finds them.
		r.progress.Warn("processes that were not ready still run: %v", err)
	}
}

// letGo ends processes once they have answered the requests they have. Who
// asked for it waits for that a short while only.
func (r *run) letGo(ctx context.Context, x exchange) error {
	if len(x.leave) == 0 {
		return nil
	}
	old := x.leave
	leaving, err := r.vacate(ctx, x.live, &old)
	if err != nil {
		return err
	}
	done, limit := make(chan struct{}), r.drainOf(ctx, r.app)
	r.behind.Go(func() {
		defer close(done)
		leaving.Drain(ctx, limit)
		if err := r.Engine.Stop(ctx, r.graceOf(ctx, r.app), ids(old)...); err != nil {
			r.Log.WarnContext(ctx, "stop old processes", "app", r.app, "err", err)
		}
		r.state.endRetiring(old)
	})
	select {
	case <-done:
	case <-time.After(patient):
		r.progress.Detail("%s end when they have finished their last requests (%d), after at most %s", names(old), leaving.UnderWay(), limit)
	}
	return nil
}

// vacate marks processes as about to end, has them get no more requests, and
// leaves those in old that nobody else ends already.
func (r *run) vacate(ctx context.Context, live appliance.Generation, old *[]appliance.Process) (router.Leaving, error) {
	r.state.route.Lock()
	defer r.state.route.Unlock()
	defer r.attention.look(r.app)
	processes, err := r.Engine.Processes(ctx, r.app)
	if err != nil {
		return nil, err
	}
	*old = r.state.beginRetiring(*old)
	return r.Router.Vacate(r.Service(r.app), r.whereabouts(r.app, r.state.serving(of(live, processes)))), nil
}

// names lists processes for people: "web.2 and web.3", "4 processes".
func names(processes []appliance.Process) string {
	var list []string
	for _, p := range processes {
		list = append(list, p.Name())
	}
	if len(list) > 3 {
		return fmt.Sprintf("%d processes", len(list))
	}
	return strings.Join(list, ", ")
}
