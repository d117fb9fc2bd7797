package router

import (
	"context"
	"slices"
	"time"
)

// Vacate has the service's present generation go on with targets alone, as
// SetTargets does, and returns those that leave. Whatever is under way on those
// that stay is left alone.
func (r *Router) Vacate(name string, targets []string) (leaving Leaving) {
	r.mu.Lock()
	defer r.mu.Unlock()

	g := r.generation(name)
	if g == nil {
		return nil
	}
	// Those before it on the same processes may have requests under way too.
	for _, e := range g.unfinished() {
		for _, t := range *e.targets.Load() {
			if !slices.Contains(targets, t.addr) {
				leaving = append(leaving, t)
			}
		}
	}
	g.setTargets(targets)
	return leaving
}

// Leaving are targets that get no more requests.
type Leaving []*target

// Drain returns when they have answered what they were asked, or after limit,
// with how many requests they have then. When ctx ends first, it returns at
// once. It cuts nothing: the processes are about to end.
func (leaving Leaving) Drain(ctx context.Context, limit time.Duration) (left int) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// A request that has chosen its target is counted there a moment later.
	for idle := 0; idle < 2; {
		if left = leaving.UnderWay(); left > 0 {
			idle = 0
		} else {
			idle++
		}
		select {
		case <-ctx.Done():
			return left
		case <-time.After(25 * time.Millisecond):
		}
	}
	return 0
}

// UnderWay returns how many requests they have.
func (leaving Leaving) UnderWay() (n int) {
	for _, t := range leaving {
		n += int(t.outstanding.Load())
	}
	return n
}
