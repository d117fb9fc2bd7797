package main

import (
	"context"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A considerate engine stops no process while the daemon before this one may
// have requests under way on it: that one drains by its own count, which this
// one does not know.
type considerate struct {
	appliance.Engine
	gone <-chan struct{}
}

func (d *daemon) considerate(engine appliance.Engine) appliance.Engine {
	if d.from == nil {
		return engine
	}
	return considerate{engine, d.from.gone}
}

// Stop waits no longer than a predecessor lives.
func (c considerate) Stop(ctx context.Context, grace time.Duration, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	select {
	case <-c.gone:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return c.Engine.Stop(ctx, grace, ids...)
}
