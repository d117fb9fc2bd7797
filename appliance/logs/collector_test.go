package logs_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/logs"
)

// A world has an engine whose processes are followed, until stop is called.
type world struct {
	*testing.T
	dir       string
	engine    *enginetest.Fake
	archive   *logs.Archive
	collector *logs.Collector
	kill      func() // ends it without a last word
	stop      func()
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), engine: new(enginetest.Fake)}
	t.Cleanup(w.engine.Close)
	if err := w.engine.Import(t.Context(), "test", strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	w.begin(w.engine, 0)
	return w
}

// begin begins a daemon's collecting.
func (w *world) begin(engine appliance.Engine, rate int) {
	w.archive = &logs.Archive{Dir: w.dir}
	w.collector = &logs.Collector{Archive: w.archive, Engine: engine, Log: slog.New(slog.DiscardHandler), MaxRate: rate}
	w.engine.Stopping = w.collector.Stopping
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	go func() { ended <- w.archive.Run(ctx) }()
	go func() { ended <- w.collector.Run(ctx) }()
	go func() { ended <- engine.Watch(ctx, w.collector.Changed) }()
	archive := w.archive
	var once sync.Once
	kill := func() {
		once.Do(func() {
			cancel()
			for range 3 {
				if err := <-ended; err != nil {
					w.Error(err)
				}
			}
		})
	}
	w.kill = kill
	w.stop = func() {
		kill()
		if err := archive.Close(); err != nil {
			w.Error(err)
		}
	}
	w.Cleanup(kill)
}

// start starts a process of blog that runs the test program so.
func (w *world) start(typ string, args ...string) appliance.Process {
	w.Helper()
	started, err := w.engine.Start(w.Context(), appliance.ProcessSpec{
		App: "blog", Type: typ, Release: 1, Image: "test", Command: append([]string{enginetest.Program}, args...), Replicas: 1,
	})
	if err != nil {
		w.Fatal(err)
	}
	return started[0]
}

func (w *world) lines(q logs.Query) (list []string) {
	w.Helper()
	return texts(w.T, w.archive, q)
}

func (w *world) eventually(want string, q logs.Query) {
	w.Helper()
	var got string
	await.That(w.T, fmt.Sprintf("lines are %q", want), func() bool {
		got = strings.Join(w.lines(q), " ")
		return got == want
	})
}

func TestWhatIsPrintedBeforeARemovalIsKept(t *testing.T) {
	w := newWorld(t)
	p := w.start("web", "serve")

	if err := w.engine.Stop(t.Context(), time.Minute, p.ID); err != nil {
		t.Fatal(err)
	}

	got := w.lines(logs.Query{})
	if len(got) == 0 || !strings.Contains(got[len(got)-1], "told to finish") {
		t.Errorf("lines = %q, want its last words", got)
	}
	if got := w.lines(logs.Query{Crashes: true}); len(got) != 0 {
		t.Errorf("crashes = %q, want none: it was told to end", got)
	}
}

// Also of a daemon that is killed: what it wrote is all that the next one knows.
func TestEachLineIsTakenOnceWhateverBecomesOfTheDaemon(t *testing.T) {
	for _, killed := range []bool{false, true} {
		w := newWorld(t)
		w.start("worker", "say", "0", "one", "two", "three")
		ended := logs.Query{Process: "worker"}
		await.That(t, "they are there", func() bool { return len(w.lines(ended)) == 4 })
		before := w.lines(ended)

		if w.kill(); !killed {
			w.stop()
		}
		w.start("worker", "say", "0", "four")
		w.begin(w.engine, 0)

		await.That(t, "the next are there", func() bool { return len(w.lines(ended)) >= 6 })
		after := w.lines(ended)
		for _, line := range before[:3] {
			if n := len(slices.DeleteFunc(slices.Clone(after), func(l string) bool { return l != line })); n != 1 {
				t.Errorf("killed %v: %q is there %d times in %q", killed, line, n, after)
			}
		}
	}
}

func TestTheLastLinesOfACrashAreKept(t *testing.T) {
	w := newWorld(t)
	p := w.start("worker", "say", "3", "boom")
	if err := w.engine.Keep(t.Context(), appliance.Always, p.ID); err != nil {
		t.Fatal(err)
	}

	await.That(t, "three crashes are kept", func() bool {
		return strings.Count(strings.Join(w.lines(logs.Query{Crashes: true}), "\n"), "boom") >= 3
	})

	if err := w.engine.Stop(t.Context(), 0, p.ID); err != nil {
		t.Fatal(err)
	}
	got := w.lines(logs.Query{Crashes: true})
	if got[0] != "boom" || !strings.HasPrefix(got[1], "Process exited") {
		t.Errorf("crashes = %q, want each with its end", got[:2])
	}
}

// An engine writes down when a process began once it runs, and by then it may
// have printed something.
func TestACrashHasWhatWasPrintedBeforeTheEngineKnewThatItRan(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.begin(late{w.engine}, 0)
	w.start("worker", "say", "3", "boom")

	await.That(t, "the crash is kept", func() bool { return len(w.lines(logs.Query{Crashes: true})) > 0 })

	if got := w.lines(logs.Query{Crashes: true}); got[0] != "boom" {
		t.Errorf("crash = %q, want what the process had said", got)
	}
}

// A late is an engine that knows late that a process has begun.
type late struct{ *enginetest.Fake }

func (l late) Processes(ctx context.Context, app appliance.AppName) ([]appliance.Process, error) {
	found, err := l.Fake.Processes(ctx, app)
	for i := range found {
		found[i].Started = found[i].Started.Add(2 * time.Second)
	}
	return found, err
}

// Attack: an app prints as much as it can, to take the machine's time and disk.
func TestAFloodIsCountedAndLeftOut(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.begin(flood{w.engine}, 1000)
	w.start("web", "serve")

	const q = "lines were left out: web.1 printed more than 1,000, or 32 MB, per second"
	await.That(t, "it is told", func() bool { return strings.Contains(strings.Join(w.lines(logs.Query{Last: 5}), "\n"), q) })

	list := w.lines(logs.Query{})
	if len(list) != 1001 || list[1000] != "… 9,000 "+q {
		t.Errorf("%d lines, the last %q, want 1000 and how many are missing", len(list), list[len(list)-1])
	}
}

// A flood is an engine whose processes print 10,000 lines in a second.
type flood struct{ *enginetest.Fake }

func (f flood) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	if !opts.Since.IsZero() {
		<-ctx.Done()
		return nil
	}
	for i := range 10_000 {
		if _, err := fmt.Fprintf(w, "2026-11-27T12:00:00.%09dZ %d\n", i, i); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// Docker takes long lines apart.
func TestALongLineIsOneLine(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.begin(long{w.engine}, 0)
	w.start("web", "serve")

	w.eventually("onetwothree four", logs.Query{})
}

type long struct{ *enginetest.Fake }

func (l long) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	if !opts.Since.IsZero() {
		<-ctx.Done()
		return nil
	}
	for i, piece := range []string{"one", "two", "three\n", "four\n"} {
		if _, err := fmt.Fprintf(w, "2026-11-27T12:00:00.%09dZ %s", i, piece); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}
