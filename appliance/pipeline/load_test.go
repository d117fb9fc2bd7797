package pipeline_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// looks counts how often the engine is asked what processes take.
func (w *world) looks() *atomic.Int64 {
	var n atomic.Int64
	count := func(call string) error {
		if call == "Usage" {
			n.Add(1)
		}
		return nil
	}
	w.fail.Store(&count)
	return &n
}

// Whoever waits looks twice, before and after.
func TestLoadsAreToldAtOnceIfThereIsASampleOfTheLastMinute(t *testing.T) {
	for name, tt := range map[string]struct {
		samples []time.Duration // ago
		looks   int64
	}{
		"nobody has ever looked":         {nil, 2},
		"a sample of half a minute ago":  {[]time.Duration{30 * time.Second}, 1},
		"one that is too old":            {[]time.Duration{2 * time.Minute}, 2},
		"an older one, and one of now":   {[]time.Duration{30 * time.Second, 0}, 1},
		"an older one, and a few of now": {[]time.Duration{30 * time.Second, 20 * time.Millisecond, 10 * time.Millisecond, 0}, 1},
		"two that are too old":           {[]time.Duration{4 * time.Minute, 3 * time.Minute}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, ago := range tt.samples {
				w.must(w.SampleAt(t.Context(), time.Now().Add(-ago)))
			}
			looks := w.looks()

			_, err := w.Loads(t.Context())

			if err != nil || looks.Load() != tt.looks {
				t.Errorf("it looked %d times, %v, want %d", looks.Load(), err, tt.looks)
			}
		})
	}
}

func TestAgainAndAgainNobodyWaits(t *testing.T) {
	w := newWorld(t)
	w.must(w.SampleAt(t.Context(), time.Now().Add(-10*time.Second)))
	looks := w.looks()

	for range 20 {
		_, err := w.Loads(t.Context())
		w.must(err)
	}

	if looks.Load() != 20 {
		t.Errorf("it looked %d times for 20 questions", looks.Load())
	}
}

// An hour in which nobody asks.
func TestSamplesAreTakenWhenNobodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.commit("blog", serves())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		looks := w.looks()
		go func() { ended <- w.Sample(ctx) }()

		time.Sleep(time.Hour) // in the bubble's time
		synctest.Wait()

		if n := looks.Load(); n < 200 || n > 250 {
			t.Errorf("%d samples were taken in an hour, want one every 15 s", n)
		}
		looks.Store(0)
		before := time.Now()
		_, err := w.Loads(t.Context())
		if took := time.Since(before); err != nil || took != 0 || looks.Load() != 1 {
			t.Errorf("it waited %s, and looked %d times (%v), want it to be told at once", took, looks.Load(), err)
		}
		cancel()
		w.must(<-ended)
	})
}
