package enginetest

import (
	"context"
	"fmt"
	"io"

	"github.com/berthhq/berth/appliance"
)

// Exec runs a command beside a process.
func (f *Fake) Exec(ctx context.Context, id string, spec appliance.ExecSpec) (int, error) {
	if err := f.call("Exec", f.describe(id)); err != nil {
		return 0, err
	}
	f.mu.Lock()
	p := f.find(id)
	running := p != nil && p.Running
	f.mu.Unlock()
	switch {
	case p == nil:
		return 0, fmt.Errorf("run in process %s: %w", id, appliance.ErrNotFound)
	case !running:
		return 0, fmt.Errorf("run in process %s: it does not run: %w", id, appliance.ErrExists)
	}
	out := spec.Out
	if out == nil {
		out = io.Discard
	}
	status := simulate(ctx, simulation{
		args: spec.Command, env: merge(merge(p.image.env, p.spec.Env), spec.Env), container: p.container, out: out, resolve: f.resolver(p.App),
	})
	if ctx.Err() != nil {
		return 0, fmt.Errorf("run in process %s: %w", id, context.Cause(ctx))
	}
	return status, nil
}
