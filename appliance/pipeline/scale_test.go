package pipeline_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/pipeline"
)

// scaled is an app with a web process and a worker, scaled like this.
func scaled(t *testing.T, f appliance.Formation) *world {
	t.Helper()
	w := newWorld(t)
	w.must(w.Store.Scale(t.Context(), "blog", f))
	w.deployed("blog", serves().and("Procfile", "web: serve\nworker: serve\n"))
	return w
}

// named returns a process of blog by its name.
func (w *world) named(name string) appliance.Process {
	w.t.Helper()
	all, err := w.engine.Processes(context.Background(), "blog")
	w.must(err)
	for _, p := range all {
		if p.Name() == name {
			return p
		}
	}
	w.t.Fatalf("there is no %s in %q", name, w.processes("blog"))
	return appliance.Process{}
}

func (w *world) scale(f appliance.Formation) string {
	w.t.Helper()
	var out buffer
	w.must(w.Scale(w.as("ada"), "blog", f, &out))
	w.Wait()
	return out.String()
}

func TestScalingUpStartsOnlyWhatIsMissing(t *testing.T) {
	w := scaled(t, appliance.Formation{"web": 1})
	before := w.named("web.1")

	out := w.scale(appliance.Formation{"web": 3, "worker": 1})

	w.wantProcesses("blog", "web.1 v1", "web.2 v1", "web.3 v1", "worker.1 v1")
	if after := w.named("web.1"); after != before {
		t.Errorf("web.1 = %+v, want it untouched: %+v", after, before)
	}
	if at := w.Router.Targets("blog"); len(at) != 3 || !slices.Contains(at, before.Addr) {
		t.Errorf("targets = %q, want all three", at)
	}
	for _, name := range []string{"web.2", "web.3", "worker.1"} {
		if p := w.named(name); p.Kept == appliance.Never || p.Generation != before.Generation {
			t.Errorf("%s = %+v, want a kept one of %s", name, p, before.Generation)
		}
	}
	if !strings.Contains(out, "web.3 is up after") {
		t.Errorf("it printed:\n%s", out)
	}
	w.must(w.Restore(t.Context(), "blog"))
	w.boot()
	w.must(w.RestoreAll(t.Context()))
	w.wantProcesses("blog", "web.1 v1", "web.2 v1", "web.3 v1", "worker.1 v1")
}

func TestScalingDownEndsOnlyWhatIsTooMuch(t *testing.T) {
	w := scaled(t, appliance.Formation{"web": 3, "worker": 1})
	before := w.named("web.1")

	w.scale(appliance.Formation{"web": 1, "worker": 0})

	if after := w.only("blog"); after != before {
		t.Errorf("web.1 = %+v, want it untouched: %+v", after, before)
	}
	if at := w.Router.Targets("blog"); !slices.Equal(at, []string{before.Addr}) {
		t.Errorf("targets = %q, want %s", at, before.Addr)
	}
	w.scale(appliance.Formation{"web": 0})
	w.wantProcesses("blog")
	if status, _ := w.get("blog.localhost"); status != http.StatusServiceUnavailable {
		t.Errorf("it answers %d, want 503", status)
	}
}

// What does not come up gets no request, and nothing is left of it.
func TestScalingThatFailsChangesNothing(t *testing.T) {
	w := scaled(t, appliance.Formation{"web": 1})
	before := w.only("blog")
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.CheckTimeoutSetting, "1"))
	w.engine.Addr = nowhere
	var out buffer

	err := w.Scale(w.as("ada"), "blog", appliance.Formation{"web": 3}, &out)

	if err == nil || !strings.Contains(err.Error(), "unhealthy") {
		t.Errorf("error = %v, want that they are unhealthy", err)
	}
	if after := w.only("blog"); after != before {
		t.Errorf("process = %+v, want still %+v", after, before)
	}
	if f, err := w.Store.Formation(t.Context(), "blog"); err != nil || f["web"] != 1 {
		t.Errorf("formation = %v, %v, want web: 1", f, err)
	}
	if at := w.Router.Targets("blog"); !slices.Equal(at, []string{before.Addr}) {
		t.Errorf("targets = %q, want %s alone", at, before.Addr)
	}
}

// A process that is not ready yet gets no requests, whatever else happens.
func TestWhatIsComingGetsNoRequestsBeforeItIsReady(t *testing.T) {
	w := scaled(t, appliance.Formation{"web": 1})
	w.watch()
	before := w.only("blog")
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"GREETING": "new"}, nil))
	gate := w.hold("Keep") // comes when they are ready

	scaling := w.begin("ada", func(ctx context.Context, out io.Writer) error {
		return w.Scale(ctx, "blog", appliance.Formation{"web": 2}, out)
	})
	<-gate.reached
	w.must(w.Restore(t.Context(), "blog"))

	if at := w.Router.Targets("blog"); !slices.Equal(at, []string{before.Addr}) {
		t.Errorf("targets = %q, want %s alone", at, before.Addr)
	}
	close(gate.open)
	w.must(scaling.end())
	if at := w.Router.Targets("blog"); len(at) != 2 {
		t.Errorf("targets = %q, want two", at)
	}
}

// Killed while it started more: they are of the live generation, and nobody
// has recorded that they should be there.
func TestWhatInterruptedScalingLeftIsEnded(t *testing.T) {
	w := scaled(t, appliance.Formation{"web": 1})
	live := w.only("blog")
	for _, index := range []int{1, 2} {
		_, err := w.engine.Start(t.Context(), appliance.ProcessSpec{
			App: "blog", Type: "web", Release: 1, Generation: live.Generation, First: index, Turn: "killed", Image: w.live().Image, Replicas: 1, Port: 5000,
		})
		w.must(err)
	}

	w.boot()
	w.must(w.RestoreAll(t.Context()))

	if now := w.only("blog"); now.ID != live.ID {
		t.Errorf("process = %+v, want %+v", now, live)
	}
	if at := w.Router.Targets("blog"); !slices.Equal(at, []string{live.Addr}) {
		t.Errorf("targets = %q, want %s", at, live.Addr)
	}
}

// live returns the live release of blog.
func (w *world) live() appliance.Release {
	w.t.Helper()
	app, err := w.Store.App(w.t.Context(), "blog")
	w.must(err)
	release, err := w.Store.Release(w.t.Context(), "blog", app.LiveRelease)
	w.must(err)
	return release
}

func TestScaleOfTheNextDeployWaitsForIt(t *testing.T) {
	w := scaled(t, appliance.Formation{"web": 1})
	w.must(w.ScaleNext(t.Context(), "blog", appliance.Formation{"worker": 1}))
	w.must(w.ScaleNext(t.Context(), "blog", appliance.Formation{"web": 2}))

	w.must(w.Restore(t.Context(), "blog"))
	w.wantProcesses("blog", "web.1 v1")

	w.must(w.Restart(w.as("ada"), "blog", io.Discard))
	w.Wait()
	w.wantProcesses("blog", "web.1 v1", "web.2 v1", "worker.1 v1")
}

func TestRenewedProcessTakesOverFromTheOldOne(t *testing.T) {
	w := scaled(t, appliance.Formation{"web": 3, "worker": 1})
	first, second, worker := w.named("web.1"), w.named("web.2"), w.named("worker.1")

	w.must(w.Renew(w.as("ada"), "blog", "web.2", io.Discard))
	w.Wait()

	w.wantProcesses("blog", "web.1 v1", "web.2 v1", "web.3 v1", "worker.1 v1")
	now := w.named("web.2")
	if now.ID == second.ID || now.Kept == appliance.Never || w.named("web.1") != first || w.named("worker.1") != worker {
		t.Errorf("web.2 = %+v, want another, and nothing else changed", now)
	}
	if at := w.Router.Targets("blog"); len(at) != 3 || !slices.Contains(at, now.Addr) || slices.Contains(at, second.Addr) {
		t.Errorf("targets = %q, want %s, not %s", at, now.Addr, second.Addr)
	}

	w.must(w.Renew(w.as("ada"), "blog", "web", io.Discard))
	w.Wait()
	if w.named("web.1").ID == first.ID || w.named("web.2").ID == now.ID || w.named("worker.1") != worker {
		t.Errorf("processes = %q, want all of web and nothing else to be others", w.processes("blog"))
	}
	if err := w.Renew(w.as("ada"), "blog", "clock", io.Discard); err == nil || !strings.Contains(appliance.HintOf(err), "web, web.1") {
		t.Errorf("error = %v (%s), want what there is", err, appliance.HintOf(err))
	}
}

func TestStoppedAppStaysStopped(t *testing.T) {
	w := scaled(t, appliance.Formation{"web": 2, "worker": 1})

	w.must(w.Stop(w.as("ada"), "blog", io.Discard))

	stays := func(after string) {
		t.Helper()
		w.Wait()
		w.wantProcesses("blog")
		if status, _ := w.get("blog.localhost"); status != http.StatusServiceUnavailable {
			t.Errorf("after %s it answers %d, want 503", after, status)
		}
	}
	stays("the stop")
	w.must(w.Restore(t.Context(), "blog"))
	stays("a restore")
	w.boot()
	w.must(w.RestoreAll(t.Context()))
	stays("a restart of the daemon")
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"GREETING": "again"}, nil))
	w.must(w.Reconfigure(w.as("ada"), "blog", "config:set GREETING", io.Discard))
	stays("a change of config")
	w.scale(appliance.Formation{"web": 1})
	stays("scaling")
	if err := w.Restart(w.as("ada"), "blog", io.Discard); err == nil || !strings.Contains(appliance.HintOf(err), "ps:start blog") {
		t.Errorf("restart: %v, want how it is started", err)
	}

	w.must(w.Start(w.as("ada"), "blog", io.Discard))
	w.Wait()

	w.wantProcesses("blog", "web.1 v2", "worker.1 v2")
	w.wantAnswer("blog.localhost", "hello again")
}

func TestNewCodeStartsAStoppedApp(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.must(w.Stop(w.as("ada"), "blog", io.Discard))

	if out, err := w.push("blog", files{"Dockerfile": "FROM scratch\nCMD [\"" + enginetest.Program + "\", \"say\", \"1\"]\n"}); err == nil {
		t.Fatalf("it was deployed:\n%s", out)
	}
	w.wantProcesses("blog")
	w.deployed("blog", serves().and("new", ""))

	w.wantProcesses("blog", "web.1 v3")
	if stopped, err := w.Stopped(t.Context(), "blog"); err != nil || stopped {
		t.Errorf("stopped = %v, %v, want it to run", stopped, err)
	}
}
