package router

import (
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// A target is one process that answers, and our connections to it.
type target struct {
	addr        string // host:port
	transport   *http.Transport
	outstanding atomic.Int64 // requests that it has now
}

// keepIdle is how long a connection to a target is kept without use. It has
// to be shorter than what apps do by default (Gunicorn 2 s, Node and Uvicorn
// 5 s): otherwise an app closes a connection just when we send a POST on it,
// which nobody may repeat. A new connection on the same machine costs little.
const keepIdle = 1500 * time.Millisecond

func newTarget(addr string) *target {
	return &target{addr: addr, transport: &http.Transport{
		DialContext:           dial,
		DisableCompression:    true, // what the app compressed is passed on as it is
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       keepIdle,
		ExpectContinueTimeout: time.Second,

		MaxResponseHeaderBytes: 1 << 20,
	}}
}

// setTargets must be called with Router.mu held. A target that stays keeps its
// connections and its count.
func (g *Generation) setTargets(addrs []string) {
	old := *g.targets.Load()
	next := make([]*target, 0, len(addrs))
	for _, addr := range addrs {
		i := slices.IndexFunc(old, func(t *target) bool { return t.addr == addr })
		if i < 0 {
			next = append(next, newTarget(addr))
			continue
		}
		next = append(next, old[i])
	}
	g.targets.Store(&next)
	for _, t := range old {
		if !slices.Contains(next, t) {
			t.transport.CloseIdleConnections()
		}
	}
}

// pick returns the target with the fewest requests that is not among those
// tried, or nil. Where several have as few, they take turns.
func (g *Generation) pick(tried []*target) *target {
	targets := *g.targets.Load()
	if len(targets) == 0 {
		return nil
	}
	var best *target
	start := int(g.turn.Add(1) % uint64(len(targets)))
	for i := range targets {
		t := targets[(start+i)%len(targets)]
		if slices.Contains(tried, t) {
			continue
		}
		if best == nil || t.outstanding.Load() < best.outstanding.Load() {
			best = t
		}
	}
	return best
}
