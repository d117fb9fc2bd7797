package pipeline

import (
	"context"
	"fmt"
	"io"

	"github.com/berthhq/berth/appliance"
)

// StoppedSetting is "true" for an app that somebody has stopped: nothing of it
// runs, whatever restarts, until it is started or new code of it is deployed.
const StoppedSetting = "stopped"

// Stopped reports whether somebody has stopped the app.
func (p *Pipeline) Stopped(ctx context.Context, app appliance.AppName) (bool, error) {
	value, err := p.Store.AppSetting(ctx, app, StoppedSetting)
	return value != "", err
}

// Stop ends all processes of an app when they have answered what they were
// asked. Whoever visits it then is told that nothing of it runs.
func (p *Pipeline) Stop(ctx context.Context, name appliance.AppName, out io.Writer) error {
	return p.run(ctx, name, "stop", out, func(r *run) error {
		if err := r.state.work.acquire(ctx); err != nil {
			return err
		}
		defer r.endWork(ctx, r.state, name)
		app, err := p.Store.App(ctx, name)
		if err != nil {
			return err
		}
		if err := p.Store.SetApp(ctx, name, StoppedSetting, "true"); err != nil {
			return err
		}
		processes, err := p.Engine.Processes(ctx, name)
		if err != nil {
			return err // a restore ends them
		}
		return r.leaveAll(context.WithoutCancel(ctx), app.Live, processes)
	})
}

// leaveAll ends processes and waits for that.
func (r *run) leaveAll(ctx context.Context, live appliance.Generation, old []appliance.Process) error {
	leaving, err := r.vacate(ctx, live, &old)
	if err != nil {
		return err
	}
	defer r.state.endRetiring(old)
	limit := r.drainOf(ctx, r.app)
	if n := leaving.UnderWay(); n > 0 {
		r.progress.Detail("%s under way may end, within %s", count(n, "request"), limit)
	}
	leaving.Drain(ctx, limit)
	if err := r.Engine.Stop(ctx, r.graceOf(ctx, r.app), ids(old)...); err != nil {
		return err
	}
	r.progress.Result("%s is stopped (%s ended in %s)", r.app, countProcesses(len(old)), r.elapsed())
	return nil
}

func countProcesses(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

// Start brings the live release of an app back, with the environment as it is
// now.
func (p *Pipeline) Start(ctx context.Context, app appliance.AppName, out io.Writer) error {
	return p.relive(ctx, app, "start", out)
}
