package router

import (
	"slices"
	"time"
)

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
			t.closeIdle()
		}
	}
}

// pick returns the target with the fewest requests that is not among those
// tried, or nil. Where several have as few, they take turns. One that is out
// is picked when its time has come to be tried, or when there is no other.
func (g *Generation) pick(tried []*target) *target {
	targets := *g.targets.Load()
	if len(targets) == 0 {
		return nil
	}
	var best, spare *target
	start := int(g.turn.Add(1) % uint64(len(targets)))
	for i := range targets {
		t := targets[(start+i)%len(targets)]
		if slices.Contains(tried, t) {
			continue
		}
		switch {
		case t.in():
			best = lesser(best, t)
		case t.try(time.Now()):
			return t
		default:
			spare = lesser(spare, t)
		}
	}
	if best == nil {
		return spare
	}
	return best
}

// lesser returns the one with fewer requests; the first, which may be nil, if
// both have as few.
func lesser(a, b *target) *target {
	if a == nil || b.outstanding.Load() < a.outstanding.Load() {
		return b
	}
	return a
}
