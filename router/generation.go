package router

import (
	"context"
	"log"
	"log/slog"
	"sync"
	"sync/atomic"
)

// A Generation is what one Swap put in place: a service's targets, and the
// count of the requests that are under way on them.
type Generation struct {
	name    string
	hosts   []string // canonical
	log     *slog.Logger
	debug   *log.Logger
	policy  *policy
	stats   *stats // the service's, handed on from generation to generation
	targets atomic.Pointer[[]*target]
	turn    atomic.Uint64 // where the search for a target starts

	underWay atomic.Int64
	retired  atomic.Bool
	rest     sync.Once
	idle     chan struct{} // closed when retired and nothing is under way

	ended   tally // of this generation
	before  tally // what had ended when it was retired
	cutting context.Context
	cut     context.CancelFunc
}

func newGeneration(s Service, old *Generation, l *slog.Logger) *Generation {
	g := &Generation{name: s.Name, log: l, debug: debugLog(l), policy: newPolicy(s.Policy), stats: &stats{}, idle: make(chan struct{})}
	if old != nil {
		g.stats = old.stats
	}
	for _, host := range s.Hosts {
		g.hosts = append(g.hosts, canonicalHost(host))
	}
	g.cutting, g.cut = context.WithCancel(context.Background())
	g.targets.Store(&[]*target{})
	g.setTargets(s.Targets)
	return g
}

// join counts one more request, unless the generation is retired.
//
// The order matters: we add and then look at retired, retire sets retired and
// then looks at the count. So a request that sees the generation in service
// is seen by the drain.
func (g *Generation) join() bool {
	g.underWay.Add(1)
	if !g.retired.Load() {
		return true
	}
	g.leave()
	return false
}

func (g *Generation) leave() {
	if g.underWay.Add(-1) == 0 && g.retired.Load() {
		g.rest.Do(func() { close(g.idle) })
	}
}

// retire lets nobody join any more. The table must lead elsewhere already.
func (g *Generation) retire() {
	if g == nil {
		return
	}
	g.before.copy(&g.ended)
	g.retired.Store(true)
	if g.underWay.Load() == 0 {
		g.rest.Do(func() { close(g.idle) })
	}
	g.closeIdle()
}

// closeIdle closes the kept connections that no request uses.
func (g *Generation) closeIdle() {
	for _, t := range *g.targets.Load() {
		t.transport.CloseIdleConnections()
	}
}
