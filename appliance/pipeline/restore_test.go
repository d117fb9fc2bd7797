package pipeline_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

// start starts processes behind the pipeline's back, as an interrupted deploy
// leaves them.
func (w *world) start(app appliance.AppName, generation appliance.Generation, release int) []appliance.Process {
	w.t.Helper()
	if _, err := w.engine.Inspect(w.t.Context(), "left"); err != nil {
		w.engine.AddImage("left", appliance.ImageInfo{Cmd: []string{enginetest.Program}})
	}
	started, err := w.engine.Start(w.t.Context(), appliance.ProcessSpec{
		App: app, Type: "web", Release: release, Generation: generation, Image: "left", Replicas: 1, Port: 5000, Env: []string{"GREETING=left over"},
	})
	w.must(err)
	return started
}

func TestRoutesAreMadeOfWhatRunsAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	before := w.only("blog")

	w.boot()
	if status, _ := w.get("blog.localhost"); status != http.StatusNotFound {
		t.Fatalf("a new router answers %d: this test shows nothing", status)
	}
	w.must(w.RestoreAll(t.Context()))

	w.wantAnswer("blog.localhost", "hello")
	if after := w.only("blog"); after != before {
		t.Errorf("process = %+v, want it untouched: %+v", after, before)
	}
}

func TestMissingProcessIsStartedAgainInItsGeneration(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"web": 2, "worker": 1}))
	w.deployed("blog", serves().and("Procfile", "web: serve\nworker: serve\n"))
	all, err := w.engine.Processes(t.Context(), "blog")
	w.must(err)
	app, err := w.Store.App(t.Context(), "blog")
	w.must(err)
	gone := slices.IndexFunc(all, func(p appliance.Process) bool { return p.Type == "web" && p.Index == 2 })
	w.must(w.engine.Stop(t.Context(), 0, all[gone].ID))

	w.must(w.Restore(t.Context(), "blog"))

	w.wantProcesses("blog", "web.1 v1", "web.2 v1", "worker.1 v1")
	now, err := w.engine.Processes(t.Context(), "blog")
	w.must(err)
	for _, p := range now {
		if p.Generation != app.Live || p.Kept == appliance.Never {
			t.Errorf("process = %+v, want a kept one of %s", p, app.Live)
		}
	}
}

// Killed between the switch and Keep: the process runs and is live, and would
// not survive its next crash.
func TestLiveProcessThatIsNotKeptIsKept(t *testing.T) {
	w := newWorld(t)
	w.refuse("Keep")
	w.deployed("blog", serves())
	if w.only("blog").Kept != appliance.Never {
		t.Fatal("it is kept: this test shows nothing")
	}
	w.refuse("")

	w.must(w.Restore(t.Context(), "blog"))

	if w.only("blog").Kept == appliance.Never {
		t.Error("it is not kept")
	}
}

func TestEndedLiveProcessIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.refuse("Keep")
	w.deployed("blog", serves())
	w.refuse("")
	ended := w.only("blog")
	w.engine.Exit(ended.ID, 1)
	w.eventually("it has ended", func() bool { return !w.only("blog").Running })

	w.must(w.Restore(t.Context(), "blog"))

	if now := w.only("blog"); now.ID == ended.ID || !now.Running || now.Generation != ended.Generation {
		t.Errorf("process = %+v, want another of %s", now, ended.Generation)
	}
	w.wantAnswer("blog.localhost", "hello")
}

func TestWhatAnInterruptedDeployLeftIsEnded(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	live := w.only("blog")
	w.start("blog", "v2-half", 2)

	w.boot()
	w.must(w.RestoreAll(t.Context()))

	if now := w.only("blog"); now.ID != live.ID {
		t.Errorf("process = %+v, want %+v", now, live)
	}
	w.wantAnswer("blog.localhost", "hello")
}

func TestProcessesOfNoAppAreEnded(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.start("stray", "v1-x", 1)

	w.must(w.RestoreAll(t.Context()))

	w.wantProcesses("stray")
	w.wantProcesses("blog", "web.1 v1")
}

// An app may be made, and its first processes started, while a restore of
// everything goes from app to app.
func TestAppThatIsMadeDuringARestoreIsNoStray(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	listed := 0
	w.failing(func(call string) error {
		if call == "Processes" {
			if listed++; listed == 2 { // the apps have been listed
				w.refuse("")
				w.must(w.Store.CreateApp(t.Context(), "fresh", false))
				w.start("fresh", "v1-x", 1)
			}
		}
		return nil
	})

	w.must(w.RestoreAll(t.Context()))

	w.wantProcesses("fresh", "web.1 v1")
}

func TestProcessThatMovesIsRoutedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.deployed("blog", serves())
	elsewhere := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "moved") }))
	t.Cleanup(elsewhere.Close)

	w.engine.Move(w.only("blog").ID, elsewhere.Listener.Addr().String())

	w.eventually("it is routed", func() bool { _, body := w.get("blog.localhost"); return body == "moved" })
}

// While a deploy is at work, a restore only routes. What else it would have
// done comes after.
func TestProcessThatIsLostDuringADeployThatFailsIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	old := w.only("blog")
	reached, open := make(chan struct{}), make(chan struct{})
	var started atomic.Int32
	w.failing(func(call string) error {
		if call == "Start" && started.Add(1) == 1 {
			close(reached)
			<-open
			return errors.New("the engine refuses")
		}
		return nil
	})
	push := w.beginPush("ada", "blog", serves())
	<-reached
	w.must(w.engine.Stop(t.Context(), 0, old.ID))
	w.must(w.Restore(t.Context(), "blog")) // finds the deploy at work
	w.wantProcesses("blog")

	close(open)

	if err := push.end(); err == nil {
		t.Fatal("the push went through: this test shows nothing")
	}
	w.Wait()
	w.wantProcesses("blog", "web.1 v1")
	w.wantAnswer("blog.localhost", "hello")
}

func TestChangeDuringADeployIsLookedAtAfterwards(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	start := w.hold("Start")
	push := w.beginPush("ada", "blog", serves())
	<-start.reached
	stray := w.start2(start, "blog", "v9-stray", 9)

	w.must(w.Restore(t.Context(), "blog")) // finds the deploy at work

	close(start.open)
	if err := push.end(); err != nil {
		t.Fatal(err)
	}
	w.Wait()
	for _, p := range w.processes("blog") {
		if strings.HasSuffix(p, "v9") {
			t.Errorf("processes = %v, want %v gone", w.processes("blog"), stray)
		}
	}
}

// start2 is start while the engine is held up: it lets itself through.
func (w *world) start2(g gate, app appliance.AppName, generation appliance.Generation, release int) appliance.AppName {
	w.t.Helper()
	held := w.fail.Swap(nil)
	w.start(app, generation, release)
	w.fail.Store(held)
	return app
}

func TestManyChangesAtOnceEndInOneState(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"web": 3}))
	w.deployed("blog", serves())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				w.Changed(t.Context(), "blog")
				w.Changed(t.Context(), "")
				w.engine.Lose()
			}
		})
		all.Go(func() {
			if err := w.Restore(t.Context(), "blog"); err != nil {
				t.Error(err)
			}
		})
	}
	found, err := w.engine.Processes(t.Context(), "blog")
	w.must(err)
	w.must(w.engine.Stop(t.Context(), 0, found[0].ID, found[1].ID))
	if err := w.Restart(w.as("ada"), "blog", new(buffer)); err != nil {
		t.Error(err)
	}
	all.Wait()

	w.eventually("three of one generation run and nothing else", func() bool {
		w.Wait()
		return slices.Equal(w.processes("blog"), []string{"web.1 v1", "web.2 v1", "web.3 v1"})
	})
	w.wantAnswer("blog.localhost", "hello")
}

func TestEngineThatHasABadMomentIsAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.must(w.engine.Stop(t.Context(), 0, w.only("blog").ID))
	var mu sync.Mutex
	refused := 0
	w.failing(func(call string) error {
		mu.Lock()
		defer mu.Unlock()
		if call == "Start" && refused < 2 {
			refused++
			return errors.New("the engine refuses")
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	w.Changed(ctx, "blog")

	w.eventually("it runs again", func() bool { return slices.Equal(w.processes("blog"), []string{"web.1 v1"}) })
}

func TestEngineThatIsAwayAtBootStopsNothing(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.must(w.Create(t.Context(), "half", true))
	w.start("half", "v1-x", 1)
	var mu sync.Mutex
	away := true
	w.failing(func(string) error {
		mu.Lock()
		defer mu.Unlock()
		if away {
			return errors.New("cannot connect to the Docker daemon")
		}
		return nil
	})

	w.boot() // fails the test if it does not start

	if err := w.RestoreAll(t.Context()); err == nil {
		t.Error("RestoreAll went well without an engine")
	}
	mu.Lock()
	away = false
	mu.Unlock()
	w.watch() // its first word is that the engine was reached
	w.eventually("blog answers", func() bool { _, body := w.get("blog.localhost"); return body == "hello" })
	w.eventually("what was left of half is gone", func() bool { return len(w.processes("half")) == 0 })
}

func TestRecoverForgetsAppsOfKilledPushes(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.must(w.Create(t.Context(), "half", true))
	w.start("half", "v1-x", 1)
	w.commit("half", serves())

	w.boot()

	if _, err := w.Store.App(t.Context(), "half"); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("App = %v, want ErrNotFound", err)
	}
	if apps, err := w.Repos.Apps(); err != nil || !slices.Equal(apps, []appliance.AppName{"blog"}) {
		t.Errorf("repositories = %v, %v, want only blog's", apps, err)
	}
	w.must(w.RestoreAll(t.Context()))
	if calls := w.engine.Calls(); !slices.Contains(calls, "Destroy half") || slices.Contains(calls, "Destroy blog") || !slices.Contains(calls, "Sweep") {
		t.Errorf("calls = %q, want half destroyed, blog not, and runs swept", calls)
	}
	w.wantProcesses("half")
	w.wantProcesses("blog", "web.1 v1")
}

func TestSweepLeavesAnAppThatWasPushedAgain(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "half", true))
	w.boot()
	w.must(w.Create(t.Context(), "half", true))
	w.deployed("half", serves())

	w.must(w.RestoreAll(t.Context()))

	w.wantProcesses("half", "web.1 v1")
	w.wantAnswer("half.localhost", "hello")
}
