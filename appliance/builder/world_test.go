package builder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/progress"
)

const base = "/base:debian-12"

// testInstance returns the instance that owns the base image and the stack.
func testInstance(t *testing.T) string {
	t.Helper()
	image := os.Getenv("BERTH_TEST_BASE")
	if image == "" {
		image = "berth-test" + base
	}
	instance, ok := strings.CutSuffix(image, base)
	if !ok {
		t.Fatalf("BERTH_TEST_BASE = %q, want <instance>%s", image, base)
	}
	return instance
}

// stack returns the stack image, which is built once for all tests and stays
// for the next run of them.
var stack = sync.OnceValues(func() (appliance.Image, error) {
	instance := strings.TrimSuffix(os.Getenv("BERTH_TEST_BASE"), base)
	if instance == "" {
		instance = "berth-test"
	}
	dir, err := os.MkdirTemp("", "berth-builder-test-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "berth")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "./testdata/berth")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w", out, err)
	}
	e, err := docker.New("", instance)
	if err != nil {
		return "", err
	}
	defer e.Close()
	var out bytes.Buffer
	image, err := builder.Stack{Instance: instance, Binary: binary}.Ensure(context.Background(), e, &out)
	if err != nil {
		return "", fmt.Errorf("%s\n%w", out.String(), err)
	}
	return image, nil
})

// A world is an engine with an instance of its own, and one app.
type world struct {
	*testing.T
	engine *docker.Engine
	app    appliance.AppName
	builds int
	kept   appliance.Image // what builds begin with
}

func newWorld(t *testing.T) *world {
	t.Helper()
	enginetest.NeedDocker(t)
	testInstance(t)
	e, err := docker.New("", string(enginetest.Name("berth-builder-test")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Purge(ctx); err != nil {
			t.Errorf("purge: %v", err)
		}
		e.Close()
	})
	return &world{T: t, engine: e, app: "blog"}
}

// source writes files, name to content, to a new directory. A content that
// starts with "-> " makes a symbolic link.
func source(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			if err := os.Symlink(target, name); err != nil {
				t.Fatal(err)
			}
			continue
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(name, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// build builds dir as a push would, and returns what the pusher reads.
func (w *world) build(dir string, env map[string]string) (builder.Result, string, error) {
	w.Helper()
	s, err := stack()
	if err != nil {
		w.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		w.Fatal(err)
	}
	defer root.Close()
	b, _, err := builder.For(root.FS(), builder.Settings{}, builder.Dockerfile{}, builder.Buildpacks{})
	if err != nil {
		return builder.Result{}, "", err
	}
	var out bytes.Buffer
	p := progress.New(&out)
	w.builds++
	result, err := b.Build(w.Context(), w.engine, builder.Request{
		App: w.app, Tag: w.tag(),
		Source: dir, Commit: "c0ffee", Env: env, Stack: s, Kept: w.kept, Out: p, Step: p.Step,
	})
	return result, out.String(), err
}

// tag returns the image of the latest build.
func (w *world) tag() appliance.Image {
	return appliance.Image(fmt.Sprintf("berth-builder-test/%s-%p:%d", w.app, w.engine, w.builds))
}

// mustBuild is build for source that must build.
func (w *world) mustBuild(dir string, env map[string]string) (builder.Result, string) {
	w.Helper()
	result, out, err := w.build(dir, env)
	if err != nil {
		w.Fatalf("build: %v\nhint: %s\n%s", err, appliance.HintOf(err), out)
	}
	return result, out
}

// mustFail builds what must not build, and checks the error and its advice.
func (w *world) mustFail(dir, what, advice string) string {
	w.Helper()
	_, out, err := w.build(dir, nil)
	if err == nil {
		w.Fatalf("built, want an error with %q\n%s", what, out)
	}
	if !strings.Contains(err.Error(), what) {
		w.Errorf("error = %q, want it to say %q\n%s", err, what, out)
	}
	if hint := appliance.HintOf(err); !strings.Contains(hint, advice) {
		w.Errorf("hint = %q, want it to say %q", hint, advice)
	}
	return out
}

// start starts a process type of what was built, as a deploy would.
func (w *world) start(r builder.Result, kind string, env ...string) appliance.Process {
	w.Helper()
	spec := appliance.ProcessSpec{App: w.app, Type: kind, Image: r.Image, Release: w.builds, Generation: appliance.Generation(fmt.Sprint("g", w.builds)), Port: r.Port, Replicas: 1,
		Env: append(env, fmt.Sprintf("PORT=%d", r.Port))}
	if r.Stack != "" {
		spec.Command = []string{"/start", kind}
	}
	ps, err := w.engine.Start(w.Context(), spec)
	if err != nil {
		w.Fatal(err)
	}
	return ps[0]
}

// get asks a process for a path until it answers.
func (w *world) get(p appliance.Process, path string) (int, string) {
	w.Helper()
	var r *http.Response
	var err error
	if !await.Until(await.Patience, func() bool { r, err = http.Get("http://" + p.Addr + path); return err == nil }) {
		w.Fatalf("no answer: %v\n%s", err, w.logs(p))
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func (w *world) logs(p appliance.Process) string {
	var out bytes.Buffer
	if err := w.engine.Logs(w.Context(), p.ID, appliance.LogOptions{}, &out); err != nil && !errors.Is(err, context.Canceled) {
		w.Log(err)
	}
	return out.String()
}

// run runs a command in what was built, and returns what it prints.
func (w *world) run(r builder.Result, command ...string) string {
	w.Helper()
	var out bytes.Buffer
	result, err := w.engine.Run(w.Context(), appliance.RunSpec{App: w.app, Image: r.Image, Command: command, Out: &out})
	if err != nil {
		w.Fatal(err)
	}
	if result.Status != 0 {
		w.Fatalf("%q ended with %d:\n%s", command, result.Status, out.String())
	}
	return out.String()
}
