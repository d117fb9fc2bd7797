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
	p, d := f.find(id), f.findDetached(id)
	var c *container
	var env []string
	var app appliance.AppName
	running := false
	switch {
	case d != nil:
		c, env, app, running = d.container, merge(d.image.env, d.spec.Env), d.App, d.Running
	case p != nil:
		c, env, app, running = p.container, merge(p.image.env, p.spec.Env), p.App, p.Running
	}
	f.mu.Unlock()
	switch {
	case c == nil:
		return 0, fmt.Errorf("run in process %s: %w", id, appliance.ErrNotFound)
	case !running:
		return 0, fmt.Errorf("run in process %s: it does not run: %w", id, appliance.ErrExists)
	}
	out := spec.Out
	if out == nil {
		out = io.Discard
	}
	status := simulate(ctx, simulation{
		args: spec.Command, env: merge(env, spec.Env), container: c, stdin: spec.Stdin, out: out, errs: spec.Err,
		terminal: spec.Terminal, resolve: f.resolver(app),
	})
	if ctx.Err() != nil {
		return 0, fmt.Errorf("run in process %s: %w", id, context.Cause(ctx))
	}
	return status, nil
}
