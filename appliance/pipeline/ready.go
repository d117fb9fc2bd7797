package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// readinessCheck is the type of the checks that decide whether a web process
// gets requests while it runs.
const readinessCheck = "readiness"

// shortestWait is the least time between two questions to a process that is at
// work.
const shortestWait = 100 * time.Millisecond

// attention is which apps have processes that nobody has looked at since they
// came.
type attention struct {
	mu    sync.Mutex // guards apps
	apps  map[appliance.AppName]bool
	moved chan struct{} // has a value when there are some
}

// look has Attend look at an app's processes soon.
func (a *attention) look(app appliance.AppName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.apps == nil {
		a.apps = map[appliance.AppName]bool{}
	}
	a.apps[app] = true
	notify(a.news())
}

// news returns the channel; the caller holds mu.
func (a *attention) news() chan struct{} {
	if a.moved == nil {
		a.moved = make(chan struct{}, 1)
	}
	return a.moved
}

func (a *attention) take() (apps map[appliance.AppName]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	apps, a.apps = a.apps, nil
	return apps
}

// Attend asks the processes of every app what its app.json says of their
// readiness and liveness, until ctx is done. A web process that is not ready
// gets no requests until it is, unless none is. One of any type that fails what
// it is asked of its liveness is started anew.
func (p *Pipeline) Attend(ctx context.Context) error {
	p.attention.mu.Lock()
	news := p.attention.news()
	p.attention.mu.Unlock()
	var group sync.WaitGroup
	defer group.Wait()
	attended := map[appliance.AppName]map[string]context.CancelFunc{} // by process and address
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		}
		for app := range p.attention.take() {
			if attended[app] = p.attendTo(ctx, &group, app, attended[app]); len(attended[app]) == 0 {
				delete(attended, app)
			}
		}
	}
}

// attendTo has each ready-to-ask process of an app be asked by a goroutine of
// its own, and nobody ask those that have gone.
func (p *Pipeline) attendTo(ctx context.Context, group *sync.WaitGroup, app appliance.AppName, now map[string]context.CancelFunc) map[string]context.CancelFunc {
	asked, err := p.asked(ctx, app)
	if err != nil {
		// Whatever moves next has us look again.
		p.Log.WarnContext(ctx, "readiness", "app", app, "err", err)
		return now
	}
	next := map[string]context.CancelFunc{}
	for _, a := range asked {
		key := string(a.process.Generation) + a.process.ID + a.process.Addr
		ask := a.ask
		if a.life {
			// A run after the one that has failed is asked anew.
			key += a.process.Started.String()
			ask = func(inner context.Context, c appliance.Check) { a.live(ctx, inner, c) }
		}
		if now[key] != nil {
			next[key] = now[key]
			continue
		}
		inner, cancel := context.WithCancel(ctx)
		next[key] = cancel
		for _, c := range a.checks {
			group.Go(func() { ask(inner, c) })
		}
	}
	for key, cancel := range now {
		if next[key] == nil {
			cancel()
		}
	}
	return next
}

// An attendance is on one process.
type attendance struct {
	*Pipeline
	process appliance.Process
	checks  []appliance.Check
	port    int
	host    string
	life    bool // the checks are of its liveness, not of its readiness

	mu     sync.Mutex // guards failed, and the process's standing in the router
	failed map[*appliance.Check]bool
}

// asked returns the processes of an app that are to be asked.
func (p *Pipeline) asked(ctx context.Context, name appliance.AppName) (list []*attendance, err error) {
	app, err := p.Store.App(ctx, name)
	if errors.Is(err, appliance.ErrNotFound) || err == nil && app.LiveRelease == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	release, err := p.Store.Release(ctx, name, app.LiveRelease)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(release.AppJSON.Healthchecks)), func(typ string) bool {
		return len(checksOf(release, typ, livenessCheck)) > 0 || typ == Web && len(checksOf(release, typ, readinessCheck)) > 0
	}) {
		return nil, nil
	}
	host, err := p.Host(ctx, name)
	if err != nil {
		return nil, err
	}
	processes, err := p.Engine.Processes(ctx, name)
	if err != nil {
		return nil, err
	}
	on := func(q appliance.Process, checks []appliance.Check, life bool) {
		if len(checks) > 0 {
			list = append(list, &attendance{
				Pipeline: p, process: q, checks: checks, port: processPort(release, q.Type), host: appliance.HostOf(cmp.Or(host, "localhost")),
				life: life, failed: map[*appliance.Check]bool{},
			})
		}
	}
	for _, q := range of(app.Live, processes) {
		if len(targets([]appliance.Process{q})) > 0 {
			on(q, checksOf(release, Web, readinessCheck), false)
		}
		if q.Running {
			on(q, checksOf(release, q.Type, livenessCheck), true)
		}
	}
	return list, nil
}

// ask asks one thing again and again until ctx is done.
func (a *attendance) ask(ctx context.Context, c appliance.Check) {
	question := a.question(a.process, c, a.port, a.host)
	if question == nil || !pause(ctx, time.Until(a.process.Started.Add(c.InitialDelay))) {
		return // what asks nothing cannot be failed by a process that runs
	}
	failures := 0
	for pause(ctx, max(c.Wait, shortestWait)) {
		attempt, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("no answer within %s", c.Timeout))
		err := question(attempt)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if failures++; err == nil {
			failures = 0
		}
		if err == nil || failures >= c.Attempts && !c.Warn {
			a.note(ctx, &c, err)
		}
	}
}

// note tells the router whether the process is ready, and the log when that
// has changed. It tells the router each time that it is not: a swap for another
// reason has made it forget.
func (a *attendance) note(ctx context.Context, c *appliance.Check, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := a.failed[c] != (err != nil)
	a.failed[c] = err != nil
	ready := true
	for _, failed := range a.failed {
		ready = ready && !failed
	}
	if changed || !ready {
		a.Router.SetReady(a.Service(a.process.App), a.process.Addr, ready)
	}
	if !changed {
		return
	}
	process := fmt.Sprintf("%s.%d", a.process.Type, a.process.Index)
	event := appliance.Event{Actor: "berth", Door: appliance.System, App: a.process.App, Action: "ready", Detail: process + " " + describe(*c)}
	if err != nil {
		event.Action, event.Error = "unready", err.Error()
	}
	a.Log.InfoContext(ctx, event.Action, "app", a.process.App, "process", process, "check", describe(*c), "err", err)
	if err := a.Store.Record(context.WithoutCancel(ctx), event); err != nil {
		a.Log.ErrorContext(ctx, "record event", "err", err)
	}
}
