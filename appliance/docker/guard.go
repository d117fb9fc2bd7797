package docker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

const (
	// soon is how often a guard looks while something begins, or while several
	// things share what the build may take, and seldom how often otherwise.
	soon   = 10 * time.Millisecond
	seldom = 100 * time.Millisecond

	// afterwards is how long what has happened in a step may be the reason
	// why the build fails.
	afterwards = 2 * time.Second
)

// A guard sees to it that what one build runs stays within its fence.
type guard struct {
	fence appliance.Fence
	disk  string // a directory on the disk that the build fills

	// find returns the cgroups of what runs, and busy, if it is set, whether
	// more is about to begin.
	find func() []*watched
	busy func() bool

	limits bool  // it sets the limits of memory, CPU and pids itself
	news   *news // what begins, if that can be known

	// end ends the build, for the reason given.
	end context.CancelCauseFunc

	began time.Time
	all   []*watched // that were found
	stuck struct {
		refused     int64     // forks so far
		since, last time.Time // it has been so
	}
	exceeded *appliance.ExceededError

	quit, done chan struct{}
	once       sync.Once
}

// start begins to watch over a build. The context that it returns ends when
// the build has left its fence.
func (g *guard) start(ctx context.Context) context.Context {
	ctx, g.end = context.WithCancelCause(ctx)
	g.began, g.quit, g.done = time.Now(), make(chan struct{}), make(chan struct{})
	go g.watch(ctx)
	return ctx
}

// watch looks until stop is called. When ctx is done, for whatever reason,
// nothing of the build may run on.
func (g *guard) watch(ctx context.Context) {
	defer close(g.done)
	var looked time.Time
	for {
		select {
		case <-g.quit:
			g.look()
			return
		default:
		}
		g.look()
		if ctx.Err() != nil {
			g.kill()
		} else if time.Since(looked) >= seldom {
			looked = time.Now()
			if g.exceeded = g.judge(); g.exceeded != nil {
				g.end(g.exceeded)
			}
		}
		g.sleep()
	}
}

// sleep waits for the next thing to happen.
func (g *guard) sleep() {
	var wakes []*wake
	for _, w := range g.all {
		if w.wake != nil {
			wakes = append(wakes, w.wake)
		}
	}
	longest := seldom
	if g.limits && (g.news == nil || g.busy() || g.changing()) {
		longest = soon
	}
	sleep(wakes, g.news, longest)
	g.news.forget()
}

// changing tells whether the limits that are set may have to change soon.
func (g *guard) changing() bool {
	running := 0
	for _, w := range g.all {
		if !w.gone.IsZero() {
			continue
		}
		if running++; running > 1 || !w.settled() {
			return true
		}
	}
	return false
}

// look sees what runs, sets its limits, and notes what has happened in it.
func (g *guard) look() {
	found := g.find()
	if g.limits {
		var groups []*cgroup
		for _, w := range found {
			groups = append(groups, w.cgroup)
		}
		share(g.fence, groups)
	}
	for _, w := range found {
		if !slices.Contains(g.all, w) {
			g.all = append(g.all, w)
		}
		if g.limits {
			w.raise()
		}
	}
	for _, w := range g.all {
		w.look()
		over := w.wake != nil && !w.there() || !slices.Contains(found, w)
		if over && w.gone.IsZero() {
			w.end()
		}
	}
	// What is long gone has nothing to do with how it ends.
	g.all = slices.DeleteFunc(g.all, func(w *watched) bool {
		return !w.gone.IsZero() && time.Since(w.gone) > afterwards
	})
}

// stop ends the watching. It returns nil if the build has stayed within its
// fence, or if nobody need know: a build that has not failed.
func (g *guard) stop(failed bool) *appliance.ExceededError {
	g.once.Do(func() {
		close(g.quit)
		<-g.done
		for deadline := time.Now().Add(5 * time.Second); failed && time.Now().Before(deadline); {
			if g.look(); !g.kill() {
				break
			}
			g.sleep()
		}
		g.end(nil)
		g.news.close()
		for _, w := range g.all {
			if w.wake != nil {
				w.wake.close()
			}
		}
	})
	switch {
	case !failed:
		return nil
	case g.exceeded != nil:
		return g.exceeded
	}
	for _, w := range g.all {
		if w.kills > 0 && g.fence.Memory > 0 {
			return memoryExceeded(g.fence)
		}
	}
	for _, w := range g.all {
		if w.refused > 0 && g.fence.Pids > 0 {
			return pidsExceeded(g.fence)
		}
	}
	return nil
}

// kill ends what still runs, and tells whether there was any.
func (g *guard) kill() (some bool) {
	for _, w := range g.all {
		if w.gone.IsZero() {
			some = true
			w.kill()
		}
	}
	return some
}
