package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/progress"
	"github.com/berthhq/berth/router"
)

// CheckNow asks the live processes of an app what they are asked at a deploy:
// all, those of one type, or a single one.
func (p *Pipeline) CheckNow(ctx context.Context, name appliance.AppName, which string, out io.Writer) error {
	r := &run{Pipeline: p, app: name, state: p.state(name), progress: progress.New(out)}
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
	live := r.state.serving(of(app.Live, processes))
	asked := slices.DeleteFunc(slices.Clone(live), func(q appliance.Process) bool {
		return which != "" && which != q.Type && which != q.Name()
	})
	if len(asked) == 0 {
		return appliance.WithHint(fmt.Errorf("process %.60q of %s %w", which, name, appliance.ErrNotFound), "there are: "+strings.Join(typesAndNames(live), ", "))
	}
	answer, err := r.check(ctx)
	if err != nil {
		return err
	}
	r.progress.Step("Running pre-flight checks")
	var failed []string
	for _, q := range asked {
		r.progress.Step("Attempting pre-flight checks (%s)", q.Name())
		passes, err := r.testFor(ctx, release, q.Type, answer)
		if err != nil {
			return err
		}
		err = fmt.Errorf("it %s", q.Ending())
		if q.Running {
			err = passes(ctx, q)
		}
		switch {
		case err == nil:
			r.progress.Step("All checks successful (%s)", q.Name())
		case q.Running && !errors.Is(err, router.ErrUnhealthy):
			return err
		default:
			r.progress.Warn("%v (%s)", err, q.Name())
			failed = append(failed, q.Name())
		}
	}
	if len(failed) > 0 {
		return appliance.WithHint(fmt.Errorf("checks failed: %s", strings.Join(failed, ", ")), fmt.Sprintf("logs %s shows what they print", name))
	}
	return nil
}
