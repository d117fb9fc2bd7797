package pipeline

import (
	"context"
	"time"

	"github.com/berthhq/berth/appliance"
)

// Names know what an app's processes are called, by their addresses. They are
// for one goroutine.
type Names struct {
	pipeline *Pipeline
	app      appliance.AppName
	at       map[string]appliance.Process
	asked    time.Time
	changed  <-chan struct{} // closed when a process has changed since
}

// Names returns what knows the names of an app's processes.
func (p *Pipeline) Names(app appliance.AppName) *Names { return &Names{pipeline: p, app: app} }

// These bound how often the engine is asked, and how long: after a change, and
// for a process that it does not have. One that is gone has no name any more,
// but its address.
const (
	namesFresh = 100 * time.Millisecond
	namesTried = 2 * time.Second
	namesTime  = 5 * time.Second
)

// Of returns what the process was called that had an address then; the address
// if nobody knows, and "" for none.
func (n *Names) Of(ctx context.Context, addr string, then time.Time) string {
	if addr == "" {
		return ""
	}
	p, ok := n.at[addr]
	if since := time.Since(n.asked); since > namesTried && !ok || since > namesFresh && n.isStale() {
		n.ask(ctx)
		p, ok = n.at[addr]
	}
	if !ok || then.Before(p.Started) { // another had the address then
		return addr
	}
	return p.Name()
}

func (n *Names) isStale() bool {
	select {
	case <-n.changed: // not while it is nil
		return true
	default:
		return n.changed == nil
	}
}

func (n *Names) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, namesTime)
	defer cancel()
	n.asked, n.changed = time.Now(), n.pipeline.state(n.app).changes()
	processes, err := n.pipeline.Engine.Processes(ctx, n.app)
	if err != nil {
		return // what was known may still be so, and there are addresses
	}
	n.at = map[string]appliance.Process{}
	for _, p := range processes {
		n.at[p.Addr] = p
	}
}
