package pipeline

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/progress"
)

// A recording is the record of a run that goes on, and of what it prints.
type recording struct {
	appliance.Build // the run's alone, until done is closed

	printed *transcript
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when the store has how it ended
}

// recorded is run, with a record of it: fn gets a context that builds:cancel
// ends too. Who waits for their turn is recorded already.
func (p *Pipeline) recorded(ctx context.Context, b appliance.Build, what string, out io.Writer, fn func(context.Context, *run) error) error {
	keep, err := p.Retention(ctx, b.App)
	if err != nil {
		return err
	}
	b.Actor = appliance.ActorFrom(ctx).Name
	if b, err = p.Store.AddBuild(ctx, b, keep); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rec := &recording{Build: b, printed: newTranscript(p.Store, b, p.Log), cancel: cancel, done: make(chan struct{})}
	s := p.state(b.App)
	s.record(rec)
	go rec.printed.write(context.WithoutCancel(ctx)) // endRecord waits for it

	err = p.run(ctx, b.App, what, &tee{kept: rec.printed, out: out}, func(r *run) error {
		r.made = &rec.Build
		return fn(ctx, r)
	})
	err = p.endRecord(ctx, rec, err)
	s.forget(rec)
	close(rec.done)
	return err
}

// endRecord writes how a run ended, and returns what to tell whoever waits
// for it.
func (p *Pipeline) endRecord(ctx context.Context, rec *recording, err error) error {
	rec.Status, rec.Ended = appliance.BuildSucceeded, time.Now()
	switch {
	case err != nil && ctx.Err() != nil:
		rec.Status = appliance.BuildCanceled
		err = canceled(ctx, err)
	case err != nil:
		rec.Status = appliance.BuildFailed
	}
	if err != nil {
		rec.Error = text(err)
		show(rec.printed, err)
	}
	close(rec.printed.stop)
	<-rec.printed.ended

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := p.Store.EndBuild(ctx, rec.Build, rec.printed.take()); err != nil && !errors.Is(err, appliance.ErrNotFound) { // its app was destroyed
		p.Log.ErrorContext(ctx, "record build", "app", rec.App, "build", rec.Number, "err", err)
	}
	return err
}

// canceled says who canceled what err ended, if it was somebody else than the
// one who waits for it.
func canceled(ctx context.Context, err error) error {
	by, ok := errors.AsType[*canceledError](context.Cause(ctx))
	if !ok {
		return err
	}
	if stage, ok := errors.AsType[*appliance.StageError](err); ok {
		return &appliance.StageError{Stage: stage.Stage, Err: by}
	}
	return by
}

// A canceledError says who canceled a build of somebody else.
type canceledError struct{ by string }

func (e *canceledError) Error() string { return "canceled by " + e.by }

// text is what the record says of an error.
func text(err error) string {
	if errors.Is(err, context.Canceled) {
		return "canceled: the one who waited for it has gone"
	}
	return err.Error()
}

// show prints an error as the doors do.
func show(w io.Writer, err error) {
	to := progress.New(w)
	for line := range strings.Lines(text(err)) {
		to.Warn("%s", strings.TrimRight(line, "\n"))
	}
	for line := range strings.Lines(appliance.HintOf(err)) {
		to.Detail("%s", strings.TrimRight(line, "\n"))
	}
}

// A tee writes to the record, and to whoever waits for as long as they do:
// who has hung up does not silence the record. A progress.Writer is its only
// user, so one write comes at a time.
type tee struct {
	kept *transcript
	out  io.Writer
	gone bool
}

func (t *tee) Write(b []byte) (int, error) {
	t.kept.Write(b)
	if !t.gone {
		_, err := t.out.Write(b)
		t.gone = err != nil
	}
	return len(b), nil
}

// record makes a run one of those that go on.
func (s *state) record(rec *recording) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recordings == nil {
		s.recordings = map[int]*recording{}
	}
	s.recordings[rec.Number] = rec
}

func (s *state) forget(rec *recording) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.recordings, rec.Number)
}

// recording returns the run of a number, if it goes on; for 0 that which began
// first.
func (s *state) recording(number int) *recording {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number != 0 {
		return s.recordings[number]
	}
	var first *recording
	for _, rec := range s.recordings {
		if first == nil || rec.Number < first.Number {
			first = rec
		}
	}
	return first
}

// underWay returns the runs that go on or wait.
func (s *state) underWay() []*recording {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.recordings), func(a, b *recording) int { return cmp.Compare(a.Number, b.Number) })
}
