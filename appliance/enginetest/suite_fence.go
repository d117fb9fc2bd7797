package enginetest

import (
	"bytes"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
)

// What a build runs in the tests of fences is ended by the kernel, so all of
// these hold for containers and for BuildKit alike.
var fencePromises = []promise{
	{"what wants more memory than its fence allows is ended, and the error says so", func(w *world) {
		w.bothWays(func(run fenced) {
			run(appliance.Fence{Memory: 64 << 20}, "eat").mustExceed(appliance.Memory, "64 MB")
		})
	}},

	{"what fails because its child wanted too much memory has exceeded it", func(w *world) {
		w.bothWays(func(run fenced) {
			run(appliance.Fence{Memory: 64 << 20}, "child", "3", "eat").mustExceed(appliance.Memory, "64 MB")
		})
	}},

	{"what gets on without its child that wanted too much memory is fine", func(w *world) {
		w.bothWays(func(run fenced) {
			if out := run(appliance.Fence{Memory: 64 << 20}, "child", "0", "eat"); out.err != nil || !strings.Contains(out.out, "the child has ended: signal: killed") {
				out.t.Errorf("error = %v, output %q, want none although the child was killed", out.err, out.out)
			}
		})
	}},

	{"a fork bomb is ended", func(w *world) {
		w.bothWays(func(run fenced) {
			run(appliance.Fence{Pids: 100}, "fork").mustExceed(appliance.Processes, "100")
		})
	}},

	{"what fills the disk is ended before it is full", func(w *world) {
		w.bothWays(func(run fenced) {
			free := w.capacity().Free - 512<<20
			out := run(appliance.Fence{Free: free}, "fill", "/filled")
			out.mustExceed(appliance.Disk, strconv.FormatInt(free>>20, 10)+" MB")
		})
	}},

	{"what takes too long is ended", func(w *world) {
		w.bothWays(func(run fenced) {
			run(appliance.Fence{Time: 2 * time.Second}, "deaf").mustExceed(appliance.Time, "2s")
		})
	}},

	{"what stays within its fence is left alone, and what fails by itself says so", func(w *world) {
		wide := appliance.Fence{Memory: 512 << 20, CPUs: 0.5, Weight: 100, Pids: 500, Free: 1, Time: time.Hour}
		w.bothWays(func(run fenced) {
			if out := run(wide, "take", "64"); out.err != nil {
				out.t.Errorf("error = %v, want none", out.err)
			}
			out := run(wide, "say", "7")
			if _, ok := errors.AsType[*appliance.ExceededError](out.err); ok || out.status != 7 {
				out.t.Errorf("status %d, error %v, want status 7 and nothing exceeded", out.status, out.err)
			}
		})
	}},

	{"builds that run at once have each its own fence", func(w *world) {
		narrow := make(chan ended, 1)
		go func() {
			narrow <- w.fencedBuild(w.T, appliance.Fence{Memory: 64 << 20}, "take", "200")
		}()

		wide := w.fencedBuild(w.T, appliance.Fence{Memory: 400 << 20}, "take", "200")

		if wide.err != nil {
			w.Errorf("the wide build: %v, want no error", wide.err)
		}
		(<-narrow).mustExceed(appliance.Memory, "64 MB")
	}},

	{"Capacity tells what the machine has", func(w *world) {
		c := w.capacity()

		if c.Memory < 64<<20 || c.Available <= 0 || c.Available > c.Memory || c.CPUs < 1 || c.Free <= 0 || c.Free > c.Disk {
			w.Errorf("capacity = %+v, want that of a machine", c)
		}
	}},
}

// An ended is how a fenced run or build has ended.
type ended struct {
	t      *testing.T
	status int
	err    error
	out    string
}

func (e ended) mustExceed(r appliance.Resource, limit string) {
	e.t.Helper()
	x, ok := errors.AsType[*appliance.ExceededError](e.err)
	if !ok || x.Resource != r || x.Limit != limit {
		e.t.Errorf("error = %v, want that %s of %s were exceeded\n%s", e.err, limit, r, e.out)
	}
}

// A fenced runs the test program within a fence.
type fenced func(f appliance.Fence, args ...string) ended

// bothWays does something with Run, and with Build.
func (w *world) bothWays(do func(run fenced)) {
	w.Run("Run", func(t *testing.T) {
		do(func(f appliance.Fence, args ...string) ended { return w.fencedRun(t, f, args...) })
	})
	w.Run("Build", func(t *testing.T) {
		do(func(f appliance.Fence, args ...string) ended { return w.fencedBuild(t, f, args...) })
	})
}

func (w *world) fencedRun(t *testing.T, f appliance.Fence, args ...string) ended {
	var out bytes.Buffer
	result, err := w.tryRun(t.Context(), appliance.RunSpec{Fence: f, Out: &out}, args...)
	return ended{t, result.Status, err, out.String()}
}

func (w *world) fencedBuild(t *testing.T, f appliance.Fence, args ...string) ended {
	dir := t.TempDir()
	step := `RUN ["` + strings.Join(append([]string{Program}, args...), `", "`) + `"]`
	// Never done before, or BuildKit would not do it again.
	write(t, filepath.Join(dir, "Dockerfile"), "FROM "+string(w.image)+"\nENV BUILD="+string(Name("build"))+"\n"+step+"\n")
	var out bytes.Buffer
	_, err := w.e.Build(t.Context(), appliance.BuildSpec{
		App: w.app, Tag: w.tag("fenced"), Dir: dir, Fence: f, Out: &out,
	})
	status := 0
	if err != nil {
		if _, text, ok := strings.Cut(err.Error(), "exit status "); ok {
			status, _ = strconv.Atoi(text) // 0 is another than what is wanted
		}
	}
	return ended{t, status, err, out.String()}
}

func (w *world) capacity() appliance.Capacity {
	w.Helper()
	c, err := w.e.Capacity(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return c
}
