package router

import (
	"context"
	"reflect"
)

// SetPolicy has a service's owner want something else of the door, from the
// next request on. Everything else stays as it is. A service that there is not
// is left alone.
func (r *Router) SetPolicy(name string, p Policy) {
	r.mu.Lock()
	defer r.mu.Unlock()

	at := r.table.Load().places.get(name)
	if at == nil {
		return
	}
	old := at.now.Load()
	if reflect.DeepEqual(*old.wanted, p) {
		return
	}
	next := r.newGeneration(Service{Name: name, Targets: old.addrs(), Policy: p, Protocol: old.protocol}, &at.stats)
	next.hold.Store(old.hold.Load())
	next.earlier = old.unfinished()
	at.now.Store(next)
	old.retire()
}

// addrs returns where the targets are.
func (g *Generation) addrs() []string {
	var list []string
	for _, t := range *g.targets.Load() {
		list = append(list, t.addr)
	}
	return list
}

// unfinished returns g, and those before it on the same processes, as far as
// they may have requests under way. A change of hosts or of the policy makes
// a new generation without new processes: whoever ends the processes later
// must wait for all that are on them, a WebSocket of long ago, too.
func (g *Generation) unfinished() []*Generation {
	var list []*Generation
	for _, e := range g.earlier {
		select {
		case <-e.idle:
		default:
			list = append(list, e)
		}
	}
	return append(list, g)
}

// drainEarlier drains those before g, within the time that ctx gives, and cuts
// what is left.
func (g *Generation) drainEarlier(ctx context.Context, cut <-chan struct{}) (report Report) {
	for _, e := range g.earlier {
		served, failed, gone := e.ended.served.Load(), e.ended.failed.Load(), e.ended.cut.Load()
		left := 0
		select {
		case <-e.idle:
		case <-ctx.Done():
		case <-cut:
			left = e.cutAll(ctx)
		}
		e.closeIdle()
		report.Served += int(e.ended.served.Load() - served)
		report.Failed += int(e.ended.failed.Load() - failed)
		report.Cut += int(e.ended.cut.Load()-gone) + left
	}
	return report
}
