package pipeline

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// Web is the process type that gets the app's traffic.
const Web = "web"

const (
	drain   = 30 * time.Second       // for requests to the old generation
	patient = 2 * time.Second        // how much of that the pusher waits for
	grace   = 10 * time.Second       // for the old generation to end
	settle  = 500 * time.Millisecond // a process that listens on nothing must stay up so long
)

// deploy starts a new generation, moves the traffic to it, and only then ends
// the old one. If anything fails before the traffic has moved, the new
// generation is ended instead and the old one has noticed nothing.
func (r *run) deploy(ctx context.Context, release appliance.Release) error {
	err := r.stage(ctx, appliance.StageDeploy, func() error {
		if err := r.state.work.acquire(ctx); err != nil {
			return err
		}
		defer r.endWork(ctx, r.state, r.app)

		r.progress.Step("Deploying %s v%d", r.app, release.Version)
		old, err := r.Engine.Processes(ctx, r.app)
		if err != nil {
			return err
		}
		generation := newGeneration(release.Version)
		started, err := r.startHealthy(ctx, release, generation)
		if err != nil {
			r.stopGeneration(ctx, generation)
			return err
		}
		r.warnOfSilence(release, started)
		// From here on there is no way back, whoever hangs up.
		return r.switchTo(context.WithoutCancel(ctx), release, generation, started, old)
	})
	if err != nil {
		return err
	}
	return r.announce(context.WithoutCancel(ctx))
}

func newGeneration(version int) appliance.Generation {
	return appliance.Generation(fmt.Sprintf("v%d-%s", version, strings.ToLower(rand.Text()[:6])))
}

// warnOfSilence says so when nothing of what was started answers anybody.
func (r *run) warnOfSilence(release appliance.Release, started []appliance.Process) {
	types := slices.Sorted(maps.Keys(release.Procfile))
	if len(started) == 0 && len(types) > 0 {
		r.progress.Warn("nothing of %s runs: ps:scale %s %s=1 starts one", r.app, r.app, types[len(types)-1])
		return
	}
	if !slices.ContainsFunc(started, func(p appliance.Process) bool { return p.Type == Web }) {
		r.progress.Warn("%s has no web process, so nothing answers at its address", r.app)
	}
}

// startHealthy starts every process type of the formation and returns when all
// of it is ready for traffic.
func (r *run) startHealthy(ctx context.Context, release appliance.Release, generation appliance.Generation) (started []appliance.Process, err error) {
	formation, err := r.formation(ctx, release)
	if err != nil {
		return nil, err
	}
	for _, typ := range slices.Sorted(maps.Keys(formation)) {
		if formation[typ] == 0 {
			continue
		}
		processes, err := r.Engine.Start(ctx, processSpec(release, generation, typ, formation[typ]))
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", typ, err)
		}
		started = append(started, processes...)
	}
	if err := r.healthy(ctx, release.WebPort(), started); err != nil {
		return nil, err
	}
	return started, context.Cause(ctx)
}

// formation returns how many of each of the release's process types to run.
// One web process and nothing else, until somebody scales.
func (p *Pipeline) formation(ctx context.Context, release appliance.Release) (appliance.Formation, error) {
	scaled, err := p.Store.Formation(ctx, release.App)
	if err != nil {
		return nil, err
	}
	f := appliance.Formation{}
	for typ := range release.Procfile {
		n, ok := scaled[typ]
		if !ok && typ == Web {
			n = 1
		}
		f[typ] = n
	}
	return f, nil
}

// processSpec says how to run n processes of one of a release's types.
func processSpec(release appliance.Release, generation appliance.Generation, typ string, n int) appliance.ProcessSpec {
	spec := appliance.ProcessSpec{
		App: release.App, Type: typ, Release: release.Version, Generation: generation,
		Image: release.Image, Env: environ(release.Env), Replicas: n,
	}
	switch command := release.Procfile[typ]; {
	case release.Stack != "":
		spec.Command = []string{"/start", typ}
	case command != "":
		spec.Command = []string{"/bin/sh", "-c", command}
	}
	if typ == Web {
		spec.Port = release.WebPort()
		spec.Env = append(spec.Env, fmt.Sprintf("PORT=%d", spec.Port))
	}
	return spec
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
	served, err := r.goLive(ctx, release.Version, generation, fresh)
	if err != nil {
		r.stopGeneration(ctx, generation)
		return err
	}
	if err := r.Engine.Keep(ctx, ids(fresh)...); err != nil {
		// The next restore does it again.
		r.Log.WarnContext(ctx, "keep", "app", r.app, "err", err)
	}
	r.retire(ctx, served, old)
	return nil
}

// goLive records the new generation, which is the moment that decides what a
// crash leaves behind, and sends it the traffic. It returns what served
// before.
func (r *run) goLive(ctx context.Context, release int, generation appliance.Generation, fresh []appliance.Process) (*router.Generation, error) {
	r.state.route.Lock()
	defer r.state.route.Unlock()

	hosts, err := r.Hosts(ctx, r.app)
	if err != nil {
		return nil, err
	}
	if err := r.Store.GoLive(ctx, r.app, release, generation); err != nil {
		return nil, err
	}
	served, err := r.swap(router.Service{Name: string(r.app), Hosts: hosts, Targets: targets(fresh)})
	r.Certificates.Manage(hosts...)
	return served, err
}

// retire ends the old generation once it has answered the requests it has. The
// pusher waits for that a short while only.
func (r *run) retire(ctx context.Context, served *router.Generation, old []appliance.Process) {
	old = r.state.beginRetiring(old)
	done := make(chan struct{})
	r.behind.Go(func() {
		defer close(done)
		served.Drain(ctx, drain)
		if err := r.Engine.Stop(ctx, grace, ids(old)...); err != nil {
			r.Log.WarnContext(ctx, "stop old processes", "app", r.app, "err", err)
		}
		r.state.endRetiring(old)
	})
	select {
	case <-done:
	case <-time.After(patient):
		r.progress.Detail("the old processes finish their last requests, for at most %s", drain)
	}
}

// announce prints where the app is now.
func (r *run) announce(ctx context.Context) error {
	hosts, err := r.Hosts(ctx, r.app)
	if err != nil {
		return err
	}
	r.progress.Result("%s deployed in %s (%s)", r.app, seconds(time.Since(r.start)), r.timings())
	r.progress.Detail("%s", r.Addresses.URL(hosts[0]))
	return nil
}

// stopGeneration ends what was started of a generation that did not make it,
// even if ctx has been cancelled.
func (r *run) stopGeneration(ctx context.Context, generation appliance.Generation) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	processes, err := r.Engine.Processes(ctx, r.app)
	if err == nil {
		err = r.Engine.Stop(ctx, grace, ids(of(generation, processes))...)
	}
	if err != nil {
		// The next restore finds them.
		r.progress.Warn("processes of the failed deploy still run: %v", err)
	}
}

// of returns the processes of one generation.
func of(generation appliance.Generation, processes []appliance.Process) (list []appliance.Process) {
	for _, p := range processes {
		if p.Generation == generation {
			list = append(list, p)
		}
	}
	return list
}

// find returns a process as it is in a list, or as one that does not run if it
// is not there any more.
func find(p appliance.Process, processes []appliance.Process) appliance.Process {
	for _, now := range processes {
		if now.ID == p.ID {
			return now
		}
	}
	p.Running = false
	return p
}

// targets returns where the web processes are reached.
func targets(processes []appliance.Process) (list []string) {
	for _, p := range processes {
		if p.Type == Web && p.Running && p.Addr != "" {
			list = append(list, p.Addr)
		}
	}
	return list
}

func ids(processes []appliance.Process) (list []string) {
	for _, p := range processes {
		list = append(list, p.ID)
	}
	return list
}

func environ(env map[string]string) (list []string) {
	for _, k := range slices.Sorted(maps.Keys(env)) {
		list = append(list, k+"="+env[k])
	}
	return list
}
