package router

import "sync/atomic"

// Stats counts the requests of a service that have ended, over all its
// generations. The difference of two tells what happened between them.
type Stats struct {
	Requests uint64
	Failed   uint64 // of Requests: got no whole answer, through no fault of the visitor
}

// Stats returns the counters of the service, which start at its first Swap
// and end with Remove.
func (r *Router) Stats(name string) Stats {
	g := r.generation(name)
	if g == nil {
		return Stats{}
	}
	return Stats{Requests: g.stats.requests.Load(), Failed: g.stats.failed.Load()}
}

type stats struct {
	requests, failed atomic.Uint64
	meter            meter
	log              *AccessLog // set at the service's first Swap
}

// A tally counts ended requests by how they ended.
type tally struct{ served, failed, cut atomic.Int64 }

func (t *tally) copy(from *tally) {
	t.served.Store(from.served.Load())
	t.failed.Store(from.failed.Load())
	t.cut.Store(from.cut.Load())
}

// An outcome is how a request ended.
type outcome int

const (
	served outcome = iota
	failed
	cut
	gone // the visitor broke off
)

// count must be called before the request leaves, so that a drain's report
// has it.
func (g *Generation) count(o outcome) {
	g.stats.requests.Add(1)
	if o != served {
		g.stats.failed.Add(1)
	}
	switch o {
	case served:
		g.ended.served.Add(1)
	case failed:
		g.ended.failed.Add(1)
	case cut:
		g.ended.cut.Add(1)
	}
}
