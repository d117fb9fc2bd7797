package pipeline_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/pipeline"
)

// withBuildpacks makes a world whose apps are built with buildpacks on a stack
// that is there. Each build makes a web process.
func withBuildpacks(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	dir := t.TempDir()
	binary := filepath.Join(dir, "berth")
	w.must(os.WriteFile(binary, []byte("binary"), 0o755))
	w.must(os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCMD [\""+enginetest.Program+"\"]\n"), 0o644))
	w.Stack = builder.Stack{Instance: "berth-test", Binary: binary}
	w.must(w.Store.Set(t.Context(), pipeline.StackSetting, "example.org/stack:1"))
	stack, err := w.StackOf(t.Context(), "blog")
	w.must(err)
	images, err := stack.Images(t.Context(), w.engine)
	w.must(err)
	_, err = w.engine.Build(t.Context(), appliance.BuildSpec{Tag: images[0], Dir: dir})
	w.must(err)
	w.Builders = []builder.Builder{builder.Dockerfile{}, builder.Buildpacks{}}
	w.engine.Program = func(context.Context, appliance.RunSpec) (appliance.RunResult, error) {
		return appliance.RunResult{Collected: []byte("---\nprocess_types:\n  web: 'run'\n")}, nil
	}
	return w
}

// page is an app for buildpacks.
func page() files { return files{"index.html": "hello"} }

// prepare has a build of blog be prepared, and returns when it is.
func (w *world) prepare() *pipeline.Preparation {
	w.t.Helper()
	prepared := w.Prepare(w.t.Context(), "blog")
	w.t.Cleanup(prepared.Discard)
	w.eventually("a build is prepared", func() bool { return len(w.engine.Waiting()) == 1 })
	return prepared
}

// pushPrepared is push of what was prepared.
func (w *world) pushPrepared(f files, prepared *pipeline.Preparation) doing {
	w.t.Helper()
	commit := w.commit("blog", f)
	return w.begin("ada", func(ctx context.Context, out io.Writer) error {
		return w.Receive(ctx, pipeline.Push{App: "blog", Commit: commit, Branch: "main", Prepared: prepared}, out)
	})
}

// lastRun returns the last that the engine was asked to run.
func (w *world) lastRun() appliance.RunSpec {
	w.t.Helper()
	ran := w.engine.Ran()
	if len(ran) == 0 {
		w.t.Fatal("nothing has run")
	}
	return ran[len(ran)-1]
}

// nothingWaits wants what was prepared to be gone, and not only because its time
// is over.
func (w *world) nothingWaits() {
	w.t.Helper()
	since := time.Now()
	w.eventually("nothing that was prepared is left", func() bool { return len(w.engine.Waiting()) == 0 })
	if took := time.Since(since); took > 5*time.Second {
		w.t.Errorf("what was prepared waited for %s more", took)
	}
}

func TestBuildGoesOnInWhatWasPreparedForIt(t *testing.T) {
	w := withBuildpacks(t)
	w.deployed("blog", page())
	prepared := w.prepare()
	as := w.engine.Waiting()[0]

	w.must(w.pushPrepared(page().and("more", "of it"), prepared).end())

	run := w.lastRun()
	if run.Prepared == "" {
		t.Error("the build went on with nothing")
	}
	if run.Image != as.Image || run.Fence != as.Fence || run.App != as.App || run.User != as.User || len(as.Mounts) != 1 || run.Mounts[0] != as.Mounts[0] {
		t.Errorf("the build is %+v, and was prepared as %+v", run, as)
	}
	if as.Stdin != nil || as.Files != nil || as.Commit != nil || as.Env != nil {
		t.Errorf("prepared with what only the build has: %+v", as)
	}
	w.nothingWaits()
}

func TestWhatWasPreparedInVainIsRemoved(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(w *world)
		push      files
	}{
		"the push is refused": {func(*world) {}, nil},
		"the fence is another": {func(w *world) {
			w.must(w.Store.SetApp(t.Context(), "blog", "build-memory", "64m"))
		}, page()},
		"the stack is another": {func(w *world) {
			w.must(w.Store.SetApp(t.Context(), "blog", pipeline.StackSetting, "example.org/stack:2"))
			stack, err := w.StackOf(t.Context(), "blog")
			w.must(err)
			images, err := stack.Images(t.Context(), w.engine)
			w.must(err)
			dir := t.TempDir()
			w.must(os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCMD [\""+enginetest.Program+"\"]\n"), 0o644))
			_, err = w.engine.Build(t.Context(), appliance.BuildSpec{Tag: images[0], Dir: dir})
			w.must(err)
		}, page()},
		"a Dockerfile has come": {func(*world) {}, serves()},
		"the app is gone": {func(w *world) {
			w.must(w.Destroy(w.as("ada"), "blog", new(buffer)))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := withBuildpacks(t)
			w.deployed("blog", page())
			prepared := w.prepare()
			tt.meanwhile(w)

			if tt.push == nil {
				prepared.Discard()
			} else {
				w.must(w.pushPrepared(tt.push, prepared).end())
			}

			w.nothingWaits()
			if run := w.lastRun(); run.Prepared != "" {
				t.Errorf("the build went on with what was prepared: %+v", run)
			}
		})
	}
}

// One build runs at a time, and what only waits for it would be in its way.
func TestNothingWaitsPreparedBesideABuild(t *testing.T) {
	w := withBuildpacks(t)
	w.deployed("blog", page())
	w.must(w.Create(t.Context(), "api", false))
	prepared := w.prepare()
	gate := w.hold("Run")
	other := w.beginPush("eve", "api", page())
	<-gate.reached

	push := w.pushPrepared(page(), prepared)
	push.says("Waiting: another build of api runs")
	w.nothingWaits()
	late := w.Prepare(t.Context(), "blog")
	defer late.Discard()
	close(gate.open)
	w.must(other.end())
	w.must(push.end())
	w.Wait()

	if run := w.lastRun(); run.App != "blog" || run.Prepared != "" {
		t.Errorf("the last build is of %s, and went on with %q", run.App, run.Prepared)
	}
	calls := w.engine.Calls()
	if n := len(slices.DeleteFunc(calls, func(call string) bool { return call != "Prepare blog" })); n != 1 {
		t.Errorf("a build of blog was prepared %d times, want once, before the other began", n)
	}
}

func TestNothingIsPreparedWithoutALastBuildWithBuildpacks(t *testing.T) {
	w := withBuildpacks(t)
	never := w.Prepare(t.Context(), "blog")
	nowhere := w.Prepare(t.Context(), "nowhere")
	w.Wait()
	w.deployed("blog", serves())

	docker := w.Prepare(t.Context(), "blog")

	w.Wait()
	if waiting := w.engine.Waiting(); len(waiting) > 0 {
		t.Errorf("prepared: %+v", waiting)
	}
	for _, p := range []*pipeline.Preparation{never, nowhere, docker} {
		p.Discard()
	}
}
