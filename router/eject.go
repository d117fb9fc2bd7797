package router

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// ejectAfter is how many requests in a row a target has to fail before it
	// gets none for a while.
	ejectAfter = 3

	// firstOut is how long that is for the first time. It doubles each time,
	// up to longestOut, until the target has been in for calm.
	firstOut   = time.Second
	longestOut = 30 * time.Second
	calm       = time.Minute

	// trial is how long we wait for what becomes of the one request that a
	// target gets before it is back.
	trial = 5 * time.Second
)

// A standing says whether a target gets requests. The zero value is that of
// one that does.
type standing struct {
	failures atomic.Int32 // in a row
	until    atomic.Int64 // when it may be tried again, in Unix nanoseconds; 0 for one that is in
	back     atomic.Int64 // when it came back last
	times    atomic.Int32 // that it went out since it has last been calm
	unready  atomic.Bool  // it says itself that it wants no requests now
}

// in reports whether the target is in the rotation.
func (s *standing) in() bool { return s.until.Load() == 0 && !s.unready.Load() }

// try reports whether one request may find out if the target is well again.
// It says so to one caller at a time.
func (s *standing) try(now time.Time) bool {
	until := s.until.Load()
	return until != 0 && until <= now.UnixNano() && !s.unready.Load() &&
		s.until.CompareAndSwap(until, now.Add(trial).UnixNano())
}

// answered notes that the target has answered.
func (g *Generation) answered(t *target) {
	if t.failures.Load() != 0 {
		t.failures.Store(0)
	}
	if t.until.Load() != 0 {
		t.back.Store(time.Now().UnixNano())
		t.until.Store(0)
	}
}

// failed notes that the target could not be reached, broke off or did not
// answer in time. When it has done so a few times in a row it goes out, unless
// half of the targets are out already: if most of them fail, it is not for the
// want of a better one, and the last one never goes.
func (g *Generation) failed(t *target, err error) {
	if errors.Is(err, context.Canceled) {
		return // by the visitor, or by us
	}
	tried := t.until.Load() != 0
	if t.failures.Add(1) < ejectAfter && !tried {
		return
	}
	g.bench.Lock()
	defer g.bench.Unlock()

	now := time.Now()
	if !tried {
		targets := *g.targets.Load()
		out := 1
		for _, other := range targets {
			if other != t && !other.in() {
				out++
			}
		}
		if 2*out > len(targets) {
			return
		}
		if now.Sub(time.Unix(0, t.back.Load())) > calm {
			t.times.Store(0)
		}
	}
	t.until.Store(now.Add(outFor(t.times.Add(1))).UnixNano())
}

// outFor is how long a target stays out that goes for the nth time. Those that
// went together do not come back together.
func outFor(n int32) time.Duration {
	d := min(firstOut<<min(n-1, 10), longestOut)
	return d*3/4 + rand.N(d/2)
}

// SetReady says whether the target of a service at an address wants requests.
// One that does not gets them only while none does: an error of the app's own
// is worth more to a visitor than that there is nobody.
func (r *Router) SetReady(name, addr string, ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()

	g := r.generation(name)
	if g == nil {
		return
	}
	targets := *g.targets.Load()
	if i := slices.IndexFunc(targets, func(t *target) bool { return t.addr == addr }); i >= 0 {
		targets[i].unready.Store(!ready)
	}
}
