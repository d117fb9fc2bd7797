package pipeline

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// Web is the process type that gets the app's traffic.
const Web = "web"

const (
	grace  = 10 * time.Second       // for the old generation to end
	settle = 500 * time.Millisecond // a process that listens on nothing must stay up so long
)

// deploy starts a new generation, moves the traffic to it, and only then ends
// the old one. If anything fails before the traffic has moved, the new
// generation is ended instead and the old one has noticed nothing, but for what
// had to end before the new one could start: that is started again.
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
		defer r.resume(ctx)
		generation := newGeneration(release.Version)
		started, err := r.startHealthy(ctx, release, generation, old)
		if err != nil {
			r.stopGeneration(ctx, generation)
			return err
		}
		r.warnOfSilence(release, started)
		// From here on there is no way back, whoever hangs up.
		return r.switchTo(context.WithoutCancel(ctx), release, generation, started, old)
	})
	if err != nil {
		return errors.Join(err, r.Store.FailRelease(context.WithoutCancel(ctx), r.app, release.Version))
	}
	r.finish(ctx, release)
	return r.announce(context.WithoutCancel(ctx))
}

func newGeneration(version int) appliance.Generation {
	return appliance.Generation(fmt.Sprintf("v%d-%s", version, strings.ToLower(rand.Text()[:6])))
}

// warnOfSilence says so when nothing of what was started answers anybody.
func (r *run) warnOfSilence(release appliance.Release, started []appliance.Process) {
	types := processTypes(release)
	if len(started) == 0 && len(types) > 0 {
		r.progress.Warn("nothing of %s runs: ps:scale %s %s=1 starts one", r.app, r.app, types[len(types)-1])
		return
	}
	if !slices.ContainsFunc(started, func(p appliance.Process) bool { return p.Type == Web }) {
		r.progress.Warn("%s has no web process, so nothing answers at its address", r.app)
	}
}

// startHealthy starts every process type of the formation beside the old
// processes and returns when all of it is ready for traffic.
func (r *run) startHealthy(ctx context.Context, release appliance.Release, generation appliance.Generation, old []appliance.Process) (started []appliance.Process, err error) {
	_, scaled, err := r.Wanted(ctx, r.app)
	if err != nil {
		return nil, err
	}
	formation := Formation(release, scaled)
	groups, err := r.startGroups(ctx, formation, release.Services)
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		var specs []appliance.ProcessSpec
		for _, typ := range group {
			if err := r.makeWay(ctx, release, typ, formation[typ], old); err != nil {
				return nil, fmt.Errorf("end the old %s: %w", typ, err)
			}
			spec, err := r.contain(ctx, processSpec(release, generation, typ, formation[typ]))
			if err != nil {
				return nil, err
			}
			specs = append(specs, spec)
		}
		together, err := r.startAll(ctx, specs)
		if err != nil {
			return nil, err
		}
		if err := r.healthy(ctx, release, together); err != nil {
			return nil, err
		}
		started = append(started, together...)
	}
	return started, context.Cause(ctx)
}

// formation returns how many of each of the release's process types to run:
// what its app.json says, else what somebody has scaled it to, else one web
// process, and one of each service of a compose file.
func (p *Pipeline) formation(ctx context.Context, release appliance.Release) (appliance.Formation, error) {
	scaled, err := p.Store.Formation(ctx, release.App)
	if err != nil {
		return nil, err
	}
	return Formation(release, scaled), nil
}

// Formation returns how many of each of the release's process types run when
// people have scaled them like this.
func Formation(release appliance.Release, scaled appliance.Formation) appliance.Formation {
	f := appliance.Formation{}
	for _, typ := range processTypes(release) {
		ofCompose := release.Services[typ].Image != ""
		n, ok := scaled[typ]
		if !ok && (typ == Web || ofCompose) {
			n = 1
		}
		if wanted := release.AppJSON.Formation[typ].Quantity; wanted != nil {
			n = *wanted
		}
		f[typ] = n
	}
	return f
}

// processTypes returns the types of a release that can run, in order. The
// command of the type "release" is no process.
func processTypes(release appliance.Release) []string {
	types := slices.Sorted(maps.Keys(release.Procfile))
	return slices.DeleteFunc(types, func(typ string) bool { return typ == Release })
}

// processSpec says how to run n processes of one of a release's types. What
// people have set goes before what a compose file says.
func processSpec(release appliance.Release, generation appliance.Generation, typ string, n int) appliance.ProcessSpec {
	service := release.Services[typ]
	env := map[string]string{}
	maps.Copy(env, service.Env)
	maps.Copy(env, release.Env)
	port := processPort(release, typ)
	if own, ok := service.Env["PORT"]; ok {
		env["PORT"] = own // what config says is about web
	}
	if typ == Web {
		env["PORT"] = strconv.Itoa(port)
	}
	spec := appliance.ProcessSpec{
		App: release.App, Type: typ, Release: release.Version, Generation: generation,
		Image: cmp.Or(service.Image, release.Image), Command: service.Command, Env: environ(env),
		Mounts: service.Mounts, Port: port, Replicas: n, Aliases: append([]string{typ}, service.Aliases...),
	}
	switch command := release.Procfile[typ]; {
	case service.Image != "", service.Command != nil:
	case release.Stack != "":
		spec.Command = []string{"/start", typ}
	case command != "":
		spec.Command = []string{"/bin/sh", "-c", command}
	}
	return spec
}

// processPort returns the port that a type is reached on, or 0: web's own, a
// service's, or what a check of app.json asks.
func processPort(release appliance.Release, typ string) int {
	service := release.Services[typ]
	if typ == Web {
		return cmp.Or(release.WebPort(), service.Port, builder.DefaultPort)
	}
	for _, c := range startupChecks(release, typ) {
		if c.Path != "" || c.Port != 0 {
			return cmp.Or(c.Port, service.Port, builder.DefaultPort)
		}
	}
	return service.Port
}

// announce prints where the app is now.
func (r *run) announce(ctx context.Context) error {
	hosts, err := r.Hosts(ctx, r.app)
	if err != nil {
		return err
	}
	r.progress.Result("%s deployed in %s (%s)", r.app, seconds(time.Since(r.start)), r.timings())
	if len(hosts) == 0 {
		r.progress.Warn("no domain leads to %s: domains:add %s <domain>, or domains:enable %s", r.app, r.app, r.app)
		return nil
	}
	r.progress.Detail("%s", r.Addresses.URL(hosts[0]))
	for _, line := range r.CertificateTrouble(ctx, hosts...) {
		r.progress.Warn("%s", line)
	}
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
