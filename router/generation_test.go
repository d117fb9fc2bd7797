package router

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The moment between reading the table and joining is too short for a test
// from outside to hit, so this one knows the package from inside.
func TestNobodyIsInAGenerationOnceItIsIdle(t *testing.T) {
	for range 2000 {
		g := New(nil).newGeneration(Service{Name: "blog"}, new(stats))
		var idle, stop atomic.Bool
		var visitors sync.WaitGroup
		for range 4 {
			visitors.Go(func() {
				for !stop.Load() && g.join() {
					if idle.Load() {
						t.Error("a request joined after the drain")
					}
					g.leave()
				}
			})
		}

		g.retire()
		select {
		case <-g.idle:
		case <-time.After(10 * time.Second):
			t.Fatal("the generation never became idle")
		}
		idle.Store(true)
		if report := g.Drain(t.Context(), time.Minute); report.Cut > 0 {
			t.Errorf("report = %+v, want nothing left to cut", report)
		}
		stop.Store(t.Failed())
		visitors.Wait()
	}
}
