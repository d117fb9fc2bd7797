package enginetest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

var detachPromises = []promise{
	{"what is detached runs, prints, ends, and stays until Stop", func(w *world) {
		run := w.detach(appliance.RunSpec{Name: "run.7"}, "say", "3", "one", "two")

		result, err := w.e.Await(w.Context(), run.ID)
		var log bytes.Buffer
		failed := w.e.Logs(w.Context(), run.ID, appliance.LogOptions{Follow: true}, &log)

		if err != nil || result.Status != 3 || result.OOM {
			w.Errorf("Await = %+v, %v, want status 3", result, err)
		}
		if failed != nil || !strings.Contains(log.String(), "one\n") || !strings.Contains(log.String(), "two\n") {
			w.Errorf("Logs = %q, %v, want both lines", &log, failed)
		}
		if found := w.runs(); len(found) != 1 || found[0].ID != run.ID || found[0].Name != "run.7" || found[0].App != w.app || found[0].Running || found[0].Started.IsZero() {
			w.Errorf("runs = %+v, want the one, which has ended", found)
		}
		if err := w.e.Stop(w.Context(), 0, run.ID); err != nil {
			w.Error(err)
		}
		if found := w.runs(); len(found) != 0 {
			w.Errorf("runs = %+v, want none after Stop", found)
		}
		if _, err := w.e.Await(w.Context(), run.ID); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("Await of what is gone = %v, want ErrNotFound", err)
		}
	}},

	{"what is detached and wants more memory than it may have is ended, and how much that was is said", func(w *world) {
		run := w.detach(appliance.RunSpec{Name: "run.1", Fence: appliance.Fence{Memory: 32 << 20}}, "eat")

		result, err := w.e.Await(w.Context(), run.ID)

		if want := "out of memory (limit 32 MB, peak 32 MB)"; err != nil || !result.OOM || result.OutOfMemory() != want {
			w.Errorf("Await = %+v, %v, want %s", result, err, want)
		}
	}},

	{"what is detached is no process, is not swept, and goes with its app", func(w *world) {
		w.detach(appliance.RunSpec{Name: "run.1"}, "serve")

		if found := w.processes(); len(found) != 0 {
			w.Errorf("processes = %v, want none", found)
		}
		if err := w.e.Sweep(w.Context(), time.Now().Add(time.Hour)); err != nil {
			w.Fatal(err)
		}
		if found := w.runs(); len(found) != 1 || !found[0].Running {
			w.Errorf("runs = %+v after Sweep, want the one still to run", found)
		}
		w.destroy(w.app)
		if found := w.runs(); len(found) != 0 {
			w.Errorf("runs = %+v, want none of an app that is destroyed", found)
		}
	}},

	{"End asks what is detached to finish, and leaves what it printed", func(w *world) {
		run := w.detach(appliance.RunSpec{}, "serve")
		w.eventually("it listens", func() bool { return strings.Contains(w.log(run.ID), "listening") })

		if err := w.e.End(w.Context(), patience, run.ID); err != nil {
			w.Fatal(err)
		}

		if result, err := w.e.Await(w.Context(), run.ID); err != nil || result.Status != 0 {
			w.Errorf("Await = %+v, %v, want that it has finished by itself", result, err)
		}
		if log := w.log(run.ID); !strings.Contains(log, "told to finish") {
			w.Errorf("it printed %q", log)
		}
	}},

	{"Await ends when nobody waits any more, and what it waits for does not", func(w *world) {
		run := w.detach(appliance.RunSpec{}, "serve")
		ctx, cancel := context.WithCancel(w.Context())
		cancel()

		if _, err := w.e.Await(ctx, run.ID); !errors.Is(err, context.Canceled) {
			w.Errorf("Await = %v, want context.Canceled", err)
		}
		if found := w.runs(); len(found) != 1 || !found[0].Running {
			w.Errorf("runs = %+v, want the one still to run", found)
		}
	}},

	{"two that are detached have not the same name, and one that cannot start leaves nothing", func(w *world) {
		w.detach(appliance.RunSpec{Name: "run.1"}, "serve")

		if _, err := w.tryDetach(appliance.RunSpec{Name: "run.1"}, "serve"); !errors.Is(err, appliance.ErrExists) {
			w.Errorf("the second run.1: %v, want ErrExists", err)
		}
		if _, err := w.tryDetach(appliance.RunSpec{Name: "run.2", Image: w.tag("nowhere")}, "serve"); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("of no image: %v, want ErrNotFound", err)
		}
		if found := w.runs(); len(found) != 1 {
			w.Errorf("runs = %+v, want the first only", found)
		}
	}},

	{"Exec runs beside what is detached", func(w *world) {
		run := w.detach(appliance.RunSpec{Env: []string{"SHADE=dark"}}, "serve")

		if _, env := w.exec(run.ID, appliance.ExecSpec{}, "env"); !strings.Contains(env, "SHADE=dark") {
			w.Errorf("environment = %q, want the run's", env)
		}
	}},
}

func (w *world) detach(spec appliance.RunSpec, args ...string) appliance.Run {
	w.Helper()
	run, err := w.tryDetach(spec, args...)
	if err != nil {
		w.Fatal(err)
	}
	return run
}

func (w *world) tryDetach(spec appliance.RunSpec, args ...string) (appliance.Run, error) {
	spec.App = w.app
	if spec.Image == "" {
		spec.Image = w.image
	}
	spec.Command = append([]string{Program}, args...)
	return w.e.Detach(w.Context(), spec)
}

func (w *world) runs() []appliance.Run {
	w.Helper()
	found, err := w.e.Runs(w.Context(), w.app)
	if err != nil {
		w.Fatal(err)
	}
	return found
}

// log returns what something has printed until now.
func (w *world) log(id string) string {
	w.Helper()
	var log bytes.Buffer
	if err := w.e.Logs(w.Context(), id, appliance.LogOptions{}, &log); err != nil {
		w.Fatal(err)
	}
	return log.String()
}
