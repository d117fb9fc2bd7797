package logs_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/logs"
)

// printed passes on a line as Docker does, with the time at which it was printed.
func printed(w io.Writer, at time.Time, text string) error {
	_, err := fmt.Fprintf(w, "%s %s\n", at.UTC().Format("2006-01-02T15:04:05.000000000Z"), text)
	return err
}

// atItsEnd has who follows a log wait for more, which does not come.
func atItsEnd(ctx context.Context, opts appliance.LogOptions) error {
	if opts.Follow {
		<-ctx.Done()
	}
	return nil
}

// A hasty is an engine that leads who follows a flood past some of its lines,
// and gives all that there still are to who reads from a moment on, as Docker
// does.
type hasty struct {
	*enginetest.Fake
	began time.Time
}

func (h *hasty) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	first := h.began.IsZero()
	if first {
		h.began = time.Now()
	}
	for i, text := range []string{"one", "two", "three", "four"} {
		at := h.began.Add(time.Duration(i) * 200 * time.Millisecond).Add(time.Millisecond)
		if !opts.Since.IsZero() && at.Before(opts.Since) || first && (text == "two" || text == "three") {
			continue
		}
		if first { // who follows is behind
			<-time.After(time.Until(h.began.Add(time.Second)))
		}
		if err := printed(w, at, text); err != nil {
			return fmt.Errorf("logs: %w", err)
		}
	}
	return atItsEnd(ctx, opts)
}

func TestLinesThatFollowingHasPassedOverAreRead(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.begin(&hasty{Fake: w.engine}, 0)
	w.start("web", "serve")

	w.eventually("one two three four", logs.Query{})
}

func TestLinesThatAreGoneBeforeTheyAreReadAreTold(t *testing.T) {
	w := newWorld(t)
	w.stop()
	engine := &hasty{Fake: w.engine, began: time.Now()}
	w.begin(engine, 0)
	w.start("web", "serve")
	w.eventually("one two three four", logs.Query{})
	w.kill()
	for _, line := range w.lines(logs.Query{}) {
		if strings.Contains(line, "left out") {
			t.Errorf("%q, and nothing was", line)
		}
	}

	// What the next daemon finds is what came long after.
	engine.began = engine.began.Add(time.Hour)
	w.begin(engine, 0)

	const told = "… lines were left out: web.1 printed them faster than they could be read"
	w.eventually("one two three four "+told+" one two three four", logs.Query{})
}

// A stuck is an engine that tells who follows a flood nothing more after its
// beginning, as Docker may.
type stuck struct {
	*enginetest.Fake
	began time.Time
}

func (s *stuck) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	first := s.began.IsZero()
	if first {
		s.began = time.Now()
	}
	for i := range 2000 {
		at := s.began.Add(time.Duration(i) * time.Microsecond)
		if !opts.Since.IsZero() && at.Before(opts.Since) || first && i >= 1000 {
			continue
		}
		if err := printed(w, at, fmt.Sprintf("%d %0300d", i, 0)); err != nil {
			return err
		}
	}
	return atItsEnd(ctx, opts)
}

func TestLinesThatFollowingDoesNotTellOfAreRead(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.begin(&stuck{Fake: w.engine}, 0)
	w.start("web", "serve")

	await.That(t, "all are there", func() bool { return len(w.lines(logs.Query{})) >= 2000 })

	if got := w.lines(logs.Query{}); len(got) != 2000 {
		t.Errorf("%d lines, want each once", len(got))
	}
}

// A repeating is an engine that leads who follows through lines again, as Docker
// may in a flood.
type repeating struct {
	*enginetest.Fake
	began time.Time // of the lines: before now, or after it if the clock was set back since
}

func (r *repeating) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	for _, line := range []struct {
		after time.Duration
		text  string
	}{{1, "one"}, {2, "two"}, {2, "too"}, {1, "one"}, {2, "two"}, {2, "too"}, {3, "three"}} {
		at := r.began.Add(line.after * time.Millisecond)
		if err := printed(w, at, line.text); err != nil {
			return err
		}
	}
	return atItsEnd(ctx, opts)
}

func TestLinesThatComeAgainAreTakenOnce(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.begin(&repeating{w.engine, time.Now().Add(-time.Hour)}, 0)
	w.start("web", "serve")

	w.eventually("one two too three", logs.Query{})
}

func TestLinesAfterTheClockWasSetBackAreNew(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.begin(&repeating{w.engine, time.Now().Add(time.Hour)}, 0)
	w.start("web", "serve")

	w.eventually("one one two too two too three", logs.Query{})
}
