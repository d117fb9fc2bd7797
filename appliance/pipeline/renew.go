package pipeline

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// Renew starts the processes of one type anew, "web", or a single one of them,
// "web.2". Each ends when the one that takes over from it is ready; the rest of
// the app is left alone.
func (p *Pipeline) Renew(ctx context.Context, name appliance.AppName, which string, out io.Writer) error {
	return p.run(ctx, name, "restart", out, func(r *run) error {
		if err := r.state.work.acquire(ctx); err != nil {
			return err
		}
		defer r.endWork(ctx, r.state, name)
		app, err := p.Store.App(ctx, name)
		if err != nil {
			return err
		}
		release, err := p.Store.Release(ctx, name, app.LiveRelease)
		if err != nil {
			return err
		}
		processes, err := p.Engine.Processes(ctx, name)
		if err != nil {
			return err
		}
		x := exchange{release: release, live: app.Live}
		live := r.state.serving(of(app.Live, processes))
		for _, q := range live {
			if which == q.Type || which == q.Name() {
				x.come = append(x.come, place{q.Type, q.Index})
				x.leave = append(x.leave, q)
			}
		}
		if len(x.come) == 0 {
			return appliance.WithHint(fmt.Errorf("process %.60q of %s %w", which, name, appliance.ErrNotFound), "there are: "+strings.Join(typesAndNames(live), ", "))
		}
		r.progress.Step("Restarting %s of %s", names(x.leave), name)
		if err := r.exchange(ctx, x, func(context.Context) error { return nil }); err != nil {
			return err
		}
		r.progress.Result("%s of %s restarted in %s", names(x.leave), name, r.elapsed())
		return nil
	})
}

func typesAndNames(processes []appliance.Process) (list []string) {
	for _, q := range processes {
		for _, name := range []string{q.Type, q.Name()} {
			if !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list
}
