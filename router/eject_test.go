package router

import (
	"errors"
	"testing"
	"time"
)

// These tests know the package from inside, so as to set the clock of a target.

func rotation(t *testing.T, addrs ...string) (*Generation, []*target) {
	t.Helper()
	g := New(nil).newGeneration(Service{Name: "blog", Targets: addrs}, new(stats))
	return g, *g.targets.Load()
}

var errReset = errors.New("connection reset by peer")

func (g *Generation) failTimes(t *target, n int) {
	for range n {
		g.failed(t, errReset)
	}
}

// picked returns how often each target is picked for n requests that end at
// once.
func picked(g *Generation, n int) map[string]int {
	counts := map[string]int{}
	for range n {
		counts[g.pick(nil).addr]++
	}
	return counts
}

func TestATargetThatFailsInARowGetsNothingForAWhile(t *testing.T) {
	g, all := rotation(t, "a:1", "b:1", "c:1")
	sick := all[1]

	g.failTimes(sick, ejectAfter-1)
	g.answered(sick)
	g.failTimes(sick, ejectAfter-1)
	if n := picked(g, 30)["b:1"]; n != 10 {
		t.Errorf("picked %d times of 30 with an answer in between, want 10", n)
	}
	g.failTimes(sick, 1)
	if n := picked(g, 30)["b:1"]; n != 0 {
		t.Errorf("picked %d times after %d failures in a row, want 0", n, ejectAfter)
	}
	// It is better than nobody.
	if got := g.pick([]*target{all[0], all[2]}); got != sick {
		t.Errorf("with all others tried %v is picked, want the one that is out", got)
	}
}

func TestATargetComesBackByOneTrial(t *testing.T) {
	g, all := rotation(t, "a:1", "b:1")
	sick := all[1]
	g.failTimes(sick, ejectAfter)
	due := func() { sick.until.Store(time.Now().Add(-time.Millisecond).UnixNano()) }
	out := func() time.Duration { return time.Until(time.Unix(0, sick.until.Load())) }
	first := out()

	due()
	if n := picked(g, 20)["b:1"]; n != 1 {
		t.Errorf("picked %d times when its time had come, want once", n)
	}
	g.failed(sick, errReset)
	if second := out(); second <= first {
		t.Errorf("out for %s, then for %s, want it to grow", first, second)
	}
	if n := picked(g, 20)["b:1"]; n != 0 {
		t.Errorf("picked %d times after the trial failed, want 0", n)
	}
	due()
	picked(g, 20)
	g.answered(sick)
	if n := picked(g, 20)["b:1"]; n != 10 {
		t.Errorf("picked %d times of 20 after the trial was answered, want 10", n)
	}
	// Once more, soon after: it is out for longer still.
	g.failTimes(sick, ejectAfter)
	if third := out(); third < 3*firstOut*3/4 {
		t.Errorf("out for %s the third time, want it to remember the others", third)
	}
}

func TestTheTimeOutGrowsToABoundAndDiffers(t *testing.T) {
	seen := map[time.Duration]bool{}
	for n := range int32(100) {
		d := outFor(n + 1)
		if d < firstOut*3/4 || d > longestOut*5/4 {
			t.Errorf("out for %s the %dth time, want at most about %s", d, n+1, longestOut)
		}
		seen[d] = true
	}
	if len(seen) < 50 {
		t.Errorf("%d different times of 100, want them to differ", len(seen))
	}
}

// If most of them fail, there is something else wrong: a database that all
// need, a new version that cannot answer. Then the rest would only be crushed.
func TestNoMoreThanHalfOfTheTargetsAreOut(t *testing.T) {
	for n, want := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 5: 2} {
		g, all := rotation(t, []string{"a:1", "b:1", "c:1", "d:1", "e:1"}[:n]...)

		for _, target := range all {
			g.failTimes(target, 10*ejectAfter)
		}

		out := 0
		for _, target := range all {
			if !target.in() {
				out++
			}
		}
		if out != want {
			t.Errorf("%d of %d are out, want %d", out, n, want)
		}
		if got := len(picked(g, 20)); got != n-want {
			t.Errorf("%d of %d are picked, want %d", got, n, n-want)
		}
	}
}

func TestATargetThatIsNotReadyGetsRequestsOnlyIfNoneIs(t *testing.T) {
	r := New(nil)
	if _, err := r.Swap(Service{Name: "blog", Targets: []string{"a:1", "b:1"}}); err != nil {
		t.Fatal(err)
	}
	g := r.generation("blog")

	r.SetReady("blog", "a:1", false)
	r.SetReady("blog", "nobody:1", false)
	r.SetReady("nobody", "a:1", false)
	if got := picked(g, 10)["b:1"]; got != 10 {
		t.Errorf("the one that is ready is picked %d times of 10, want 10", got)
	}
	r.SetReady("blog", "b:1", false)
	if got := picked(g, 10); got["a:1"] != 5 {
		t.Errorf("with none ready %v are picked, want both", got)
	}
	r.SetReady("blog", "a:1", true)
	if got := picked(g, 10)["a:1"]; got != 10 {
		t.Errorf("the one that is ready again is picked %d times of 10, want 10", got)
	}
}
