package logs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/logs"
)

// A seamless is an engine whose logs go on when a process is started again, as
// if nothing had been: nobody who follows one hears that the process has ended.
type seamless struct{ *enginetest.Fake }

func (s seamless) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	if !opts.Follow {
		return s.Fake.Logs(ctx, id, opts, w)
	}
	for {
		last := &lastTime{Writer: w, at: opts.Since}
		if err := s.Fake.Logs(ctx, id, opts, last); err != nil || ctx.Err() != nil {
			return err
		}
		opts.Since = last.at.Add(1)
		started := make(chan struct{}, 1)
		watching, stop := context.WithCancel(ctx)
		go func() {
			_ = s.Watch(watching, func(appliance.AppName) {
				select {
				case started <- struct{}{}:
				default: // it has been given already
				}
			})
		}()
		for runs := false; !runs; {
			select {
			case <-ctx.Done():
				stop()
				return nil
			case <-started:
				list, err := s.Processes(ctx, "blog")
				i := slices.IndexFunc(list, func(p appliance.Process) bool { return p.ID == id })
				if err != nil || i < 0 {
					stop()
					return errors.Join(err, appliance.ErrNotFound)
				}
				runs = list[i].Running
			}
		}
		stop()
	}
}

// A lastTime notes the time of the last message.
type lastTime struct {
	io.Writer
	at time.Time
}

func (l *lastTime) Write(b []byte) (int, error) {
	if at, _, ok := bytes.Cut(b, []byte(" ")); ok {
		if then, err := time.Parse(time.RFC3339Nano, string(at)); err == nil {
			l.at = then
		}
	}
	return l.Writer.Write(b)
}

var listening = regexp.MustCompile("^listening on ")

// crashesOf returns the crashes of blog that are kept: the lines of each, and
// how it ended.
func (w *world) crashesOf() (list [][]string) {
	w.Helper()
	crash := []string{}
	for _, line := range w.lines(logs.Query{Crashes: true}) {
		crash = append(crash, line)
		if strings.HasPrefix(line, "Process ") {
			list, crash = append(list, crash), nil
		}
	}
	return list
}

func TestACrashThatFollowingPassesOverIsTold(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.engine.Again = make(chan struct{})
	w.begin(seamless{w.engine}, 0)
	p := w.start("web", "serve")
	if err := w.engine.Keep(t.Context(), appliance.Always, p.ID); err != nil {
		t.Fatal(err)
	}
	await.That(t, "it is followed", func() bool { return len(w.lines(logs.Query{})) == 1 })

	for n := range 2 {
		w.engine.Exit(p.ID, 3)
		w.engine.Again <- struct{}{}
		await.That(t, "the crash is told", func() bool { return len(w.crashesOf()) == n+1 })
	}

	for _, crash := range w.crashesOf() {
		if len(crash) != 2 || !strings.HasPrefix(crash[0], "listening on ") || !strings.HasSuffix(crash[1], ", and is started again") {
			t.Errorf("crash = %q, want what that run has printed, and its end", crash)
		}
	}
	if got := w.lines(logs.Query{}); len(got) != 5 {
		t.Errorf("lines = %q, want three beginnings and two ends", got)
	}
}

// A process that fails its liveness check is started again by the appliance,
// and the engine counts its restarts from nothing.
func TestACrashSoonAfterARestartHasOnlyItsOwnLines(t *testing.T) {
	w := newWorld(t)
	p := w.start("web", "serve")
	await.That(t, "it is followed", func() bool { return len(w.lines(logs.Query{})) == 1 })

	w.archive.Died(t.Context(), p, "Process failed its liveness check, and is started again")
	if err := w.engine.Restart(t.Context(), time.Minute, p.ID); err != nil {
		t.Fatal(err)
	}
	await.That(t, "it runs again", func() bool { return len(w.lines(logs.Query{Grep: listening})) == 2 })
	w.engine.Exit(p.ID, 3)

	await.That(t, "the crash is told", func() bool { return len(w.crashesOf()) == 2 })
	for i, end := range []string{"Process failed its liveness check, and is started again", "Process exited with status 3"} {
		if got := w.crashesOf()[i]; len(got) != 2 || !strings.HasPrefix(got[0], "listening on ") || got[1] != end {
			t.Errorf("crash %d = %q, want one beginning and %q", i, got, end)
		}
	}
}

// The same where the daemon is another one by then, which knows the first crash
// from its files alone.
func TestACrashAfterAnotherDaemonsHasOnlyItsOwnLines(t *testing.T) {
	w := newWorld(t)
	p := w.start("web", "serve")
	await.That(t, "it is followed", func() bool { return len(w.lines(logs.Query{})) == 1 })
	w.archive.Died(t.Context(), p, "Process failed its liveness check, and is started again")
	w.kill()
	if err := w.engine.Restart(t.Context(), time.Minute, p.ID); err != nil {
		t.Fatal(err)
	}
	w.engine.Exit(p.ID, 3)
	await.That(t, "it has ended", func() bool {
		list, err := w.engine.Processes(t.Context(), "blog")
		return err == nil && len(list) == 1 && !list[0].Running
	})

	w.begin(w.engine, 0)

	await.That(t, "the crash is told", func() bool { return len(w.crashesOf()) == 2 })
	for _, got := range w.crashesOf() {
		if len(got) != 2 || !strings.HasPrefix(got[0], "listening on ") {
			t.Errorf("crash = %q, want one beginning and its end", got)
		}
	}
}

// An unseen is an engine whose processes run again before anybody can look.
type unseen struct{ seamless }

func (u unseen) Processes(ctx context.Context, app appliance.AppName) (list []appliance.Process, err error) {
	await.Until(await.Patience, func() bool {
		list, err = u.Fake.Processes(ctx, app)
		return err != nil || ctx.Err() != nil || !slices.ContainsFunc(list, func(p appliance.Process) bool { return p.Restarting })
	})
	return list, err
}

// It runs again before anybody has looked.
func TestACrashForWantOfMemoryIsToldWhenItRunsAgain(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.begin(unseen{seamless{w.engine}}, 0)
	started, err := w.engine.Start(t.Context(), appliance.ProcessSpec{
		App: "blog", Type: "worker", Release: 1, Image: "test", Command: []string{enginetest.Program, "relapse"}, Replicas: 1,
		Fence: appliance.Fence{Memory: 32 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	await.That(t, "it has ended", func() bool {
		list, err := w.engine.Processes(t.Context(), "blog")
		return err == nil && len(list) == 1 && !list[0].Running
	})

	if err := w.engine.Keep(t.Context(), appliance.Always, started[0].ID); err != nil {
		t.Fatal(err)
	}

	const want = "Process was ended: out of memory (limit 32 MB, peak 32 MB), and is started again"
	await.That(t, "it is told", func() bool {
		crashes := w.crashesOf()
		return len(crashes) > 0 && slices.Contains(crashes[len(crashes)-1], want)
	})
}
