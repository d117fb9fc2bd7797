package router

import (
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
)

// A Generation is what one Swap put in place: a service's targets, and the
// count of the requests that are under way on them.
type Generation struct {
	name     string
	protocol string // Service.Protocol
	log      *slog.Logger
	policy   *policy
	wanted   *Policy                // what policy was made of
	trust    *atomic.Pointer[trust] // the router's
	stats    *stats                 // the service's, the same from generation to generation
	targets  atomic.Pointer[[]*target]
	turn     atomic.Uint64 // where the search for a target starts
	bench    sync.Mutex    // held while it is decided whether a target goes out

	earlier []*Generation // on the same processes; see unfinished

	hold     atomic.Pointer[hold] // nil but while requests are parked
	underWay atomic.Int64
	retired  atomic.Bool
	rest     sync.Once
	idle     chan struct{} // closed when retired and nothing is under way

	ended  tally // of this generation
	before tally // what had ended when it was retired
	live   live
}

func (r *Router) newGeneration(s Service, stats *stats) *Generation {
	g := &Generation{
		name: s.Name, protocol: s.Protocol, log: r.log, trust: &r.trust, stats: stats, idle: make(chan struct{}),
	}
	g.policy, g.wanted = r.ready(s.Policy)
	g.targets.Store(new([]*target))
	g.setTargets(s.Targets)
	return g
}

// ready makes a policy ready for requests. Most services want the same, and so
// share it. The caller holds mu, unless the router is nobody else's.
func (r *Router) ready(p Policy) (*policy, *Policy) {
	if r.lastWanted == nil || !reflect.DeepEqual(*r.lastWanted, p) {
		wanted := p
		r.lastPolicy, r.lastWanted = newPolicy(p), &wanted
	}
	return r.lastPolicy, r.lastWanted
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

// retire lets nobody join any more. What comes must be led elsewhere already.
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
		t.closeIdle()
	}
}

// full reports whether there are more requests than may be under way, of which
// the caller's is one.
func (g *Generation) full() bool {
	most := g.policy.maxRequests
	return most > 0 && g.underWay.Load() > most
}

// refuse answers a request that has joined with a page, and has it leave.
func (g *Generation) refuse(w http.ResponseWriter, req *http.Request, p *page) {
	x := g.exchange(w, req)
	x.outcome, x.status, x.code = failed, p.Status, p.Code
	defer func() {
		g.count(failed)
		g.observe(x)
		g.leave()
	}()
	g.policy.page(x, x.w, p)
}
