package enginetest

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
)

// patience is how long the suite waits for what must come about.
const patience = 20 * time.Second

// A promise is one sentence of appliance.Engine, and what shows that it holds.
type promise struct {
	sentence string
	holds    func(w *world)
}

// Test checks that an engine does what appliance.Engine says. The image is one
// that Image made with this engine. Every engine's own test is a call of it:
//
//	func TestEngine(t *testing.T) {
//		e := newEngine(t)
//		enginetest.Test(t, e, enginetest.Image(t, e))
//	}
func Test(t *testing.T, e appliance.Engine, image appliance.Image) {
	for _, p := range slices.Concat(buildPromises, runPromises, detachPromises, processPromises, execPromises, terminalPromises, fencePromises, watchPromises, imagePromises, pinPromises) {
		t.Run(p.sentence, func(t *testing.T) {
			w := &world{T: t, e: e, image: image, app: Name("contract")}
			t.Cleanup(func() { w.destroy(w.app) })
			p.holds(w)
		})
	}
}

// A world is what a check has: an engine, the image of the test program, and
// an app of its own.
type world struct {
	*testing.T
	e     appliance.Engine
	image appliance.Image
	app   appliance.AppName
}

// tag names an image of the world's app.
func (w *world) tag(name string) appliance.Image {
	return appliance.Image("berth-test/" + string(w.app) + ":" + name)
}

// start starts processes of the world's app; a spec says what differs from
// one web process of the first release.
func (w *world) start(spec appliance.ProcessSpec) []appliance.Process {
	w.Helper()
	started, err := w.tryStart(spec)
	if err != nil {
		w.Fatal(err)
	}
	return started
}

func (w *world) tryStart(spec appliance.ProcessSpec) ([]appliance.Process, error) {
	if spec.App == "" {
		spec.App = w.app
	}
	if spec.Image == "" {
		spec.Image = w.image
	}
	if spec.Type == "" {
		spec.Type = "web"
	}
	spec.Replicas = max(1, spec.Replicas)
	return w.e.Start(w.Context(), spec)
}

// run runs the test program in the world's app, unless the spec says
// otherwise, and returns what it printed.
func (w *world) run(spec appliance.RunSpec, args ...string) (appliance.RunResult, string) {
	w.Helper()
	var out bytes.Buffer
	spec.Out = &out
	result, err := w.tryRun(w.Context(), spec, args...)
	if err != nil {
		w.Fatalf("run %q: %v\n%s", args, err, &out)
	}
	return result, out.String()
}

func (w *world) tryRun(ctx context.Context, spec appliance.RunSpec, args ...string) (appliance.RunResult, error) {
	spec.App = w.app
	if spec.Image == "" {
		spec.Image = w.image
	}
	spec.Command = append([]string{Program}, args...)
	return w.e.Run(ctx, spec)
}

// prepare prepares what run runs then.
func (w *world) prepare(spec appliance.RunSpec, args ...string) (id string) {
	w.Helper()
	spec.App, spec.Image, spec.Command = w.app, w.image, append([]string{Program}, args...)
	id, err := w.e.Prepare(w.Context(), spec)
	if err != nil {
		w.Fatal(err)
	}
	return id
}

func (w *world) processes() []appliance.Process {
	w.Helper()
	found, err := w.e.Processes(w.Context(), w.app)
	if err != nil {
		w.Fatal(err)
	}
	return found
}

// process returns one of the app's processes.
func (w *world) process(id string) appliance.Process {
	w.Helper()
	found := w.processes()
	i := slices.IndexFunc(found, func(p appliance.Process) bool { return p.ID == id })
	if i < 0 {
		w.Fatalf("no process %s in %v", id, found)
	}
	return found[i]
}

func (w *world) destroy(app appliance.AppName) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.Context()), time.Minute)
	defer cancel()
	if err := w.e.Destroy(ctx, app); err != nil {
		w.Errorf("destroy %s: %v", app, err)
	}
}

// eventually waits until something is so.
func (w *world) eventually(what string, so func() bool) {
	w.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("it never came about that %s", what)
		}
	}
}

type buffer = await.Buffer
