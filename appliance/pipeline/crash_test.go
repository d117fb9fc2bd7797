package pipeline_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// crashing is blog with a web process and a worker.
func crashing(t *testing.T, policy string) *world {
	t.Helper()
	w := newWorld(t)
	w.engine.Again = make(chan struct{})
	if policy != "" {
		w.must(w.SetRestartPolicy(t.Context(), "blog", policy))
	}
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"worker": 1}))
	w.deployed("blog", serves().and("Procfile", "web: serve\nworker: serve\n"))
	w.must(w.Restore(t.Context(), "blog"))
	return w
}

// ends has the worker end by itself so many times, and the pipeline look at it
// each time.
func (w *world) ends(status, times int) {
	w.t.Helper()
	for range times {
		p := w.named("worker.1")
		w.engine.Exit(p.ID, status)
		w.eventually("it has ended", func() bool { p = w.named("worker.1"); return !p.Running })
		again := p.Restarting
		w.must(w.Restore(w.t.Context(), "blog"))
		if again && !w.crash(p.ID).Over {
			w.engine.Again <- struct{}{}
			w.eventually("it runs again", func() bool { return w.named("worker.1").Running })
		}
	}
}

func (w *world) crash(id string) pipeline.Crash {
	w.t.Helper()
	all, err := w.Crashes(context.Background(), "blog")
	w.must(err)
	return all[id]
}

// lifecycle are the events about processes that ended, in short.
func (w *world) lifecycle() (list []string) {
	w.t.Helper()
	events, err := w.Store.Events(context.Background(), "blog", -1)
	w.must(err)
	for _, e := range events {
		if e.Actor == "berth" && e.Action != "ready" && e.Action != "unready" {
			list = append(list, e.Action+" "+e.Detail+": "+e.Error)
		}
	}
	return list
}

// What crashes again and again is given up, and that is two events, not a
// hundred. It stays where people see it, over restarts, until they do something.
func TestProcessThatCrashesInARowIsGivenUp(t *testing.T) {
	w := crashing(t, "on-failure:3")
	id := w.named("worker.1").ID

	w.ends(139, 4)

	if c := w.crash(id); !c.Over || c.Row != 4 || !strings.Contains(c.Ending, "SIGSEGV: segmentation fault") {
		t.Errorf("crash = %+v, want it given up after four ends by a segmentation fault", c)
	}
	want := []string{
		"crash worker.1: ended with status 139 (SIGSEGV: segmentation fault); it is started again",
		"crashed worker.1: ended with status 139 (SIGSEGV: segmentation fault), 4 times in a row: it is not started again until ps:restart or a deploy",
	}
	if got := w.lifecycle(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events = %q, want %q", got, want)
	}
	w.must(w.RestoreAll(t.Context()))
	w.wantProcesses("blog", "web.1 v1", "worker.1 v1 ended")
	w.wantAnswer("blog.localhost", "hello")

	w.must(w.Renew(w.as("ada"), "blog", "worker", io.Discard))
	w.Wait()

	w.wantProcesses("blog", "web.1 v1", "worker.1 v1")
	w.must(w.Restore(t.Context(), "blog"))
	if all, err := w.Crashes(t.Context(), "blog"); err != nil || len(all) != 0 {
		t.Errorf("crashes = %v, %v, want none any more", all, err)
	}
}

func TestProcessIsStartedAgainAsItsPolicySays(t *testing.T) {
	for _, tt := range []struct {
		policy string
		status int
		want   string // the worker's state after one end
		event  string
	}{
		{"", 0, "worker.1 v1", "crash worker.1: exited with status 0; it is started again"},
		{"always", 1, "worker.1 v1", "crash worker.1: exited with status 1; it is started again"},
		{"on-failure", 0, "worker.1 v1 ended", "ended worker.1 exited with status 0; it is not started again (ps:set restart-policy): "},
		{"no", 137, "worker.1 v1 ended", "ended worker.1: was ended: out of memory (it has no limit: the machine had none left, peak not seen); it is not started again (ps:set restart-policy)"},
	} {
		t.Run(tt.policy, func(t *testing.T) {
			w := crashing(t, tt.policy)

			w.ends(tt.status, 1)

			w.wantProcesses("blog", "web.1 v1", tt.want)
			if got := w.lifecycle(); len(got) != 1 || got[0] != tt.event {
				t.Errorf("events = %q, want %q", got, tt.event)
			}
		})
	}
}

// It runs again before anybody has looked.
func TestWantOfMemoryIsNamedAlsoWhenItRunsAgain(t *testing.T) {
	w := crashing(t, "")
	p := w.named("worker.1")

	w.engine.Exit(p.ID, 137)
	w.engine.Again <- struct{}{}
	w.eventually("it runs again", func() bool { now := w.named("worker.1"); return now.Running && now.Restarts == 1 })
	w.must(w.Restore(t.Context(), "blog"))

	if c := w.crash(p.ID); !c.OOM || !strings.HasPrefix(c.Ending, "was ended: out of memory (") {
		t.Errorf("crash = %+v, want that memory was what it wanted", c)
	}
	if got := w.lifecycle(); len(got) != 1 || !strings.HasPrefix(got[0], "crash worker.1: was ended: out of memory (") {
		t.Errorf("events = %q, want one with the cause", got)
	}
}

// Whatever ended while nobody looked, or while the machine was off, runs again.
func TestWhatEndedWithTheMachineIsStartedAgain(t *testing.T) {
	w := crashing(t, "no")
	before := w.named("worker.1")
	w.engine.Exit(before.ID, 0)
	w.eventually("it has ended", func() bool { return !w.named("worker.1").Running })

	w.boot()
	w.must(w.RestoreAll(t.Context()))

	w.wantProcesses("blog", "web.1 v1", "worker.1 v1")
	if now := w.named("worker.1"); now.ID == before.ID {
		t.Error("it was not started again")
	}
}

func TestPolicyHoldsForWhatRunsAlready(t *testing.T) {
	w := crashing(t, "")

	w.must(w.SetRestartPolicy(t.Context(), "blog", "on-failure:5"))

	for _, name := range []string{"web.1", "worker.1"} {
		if got := w.named(name).Kept; got != appliance.OnFailure {
			t.Errorf("%s is kept %q, want on failure", name, got)
		}
	}
	for _, wrong := range []string{"sometimes", "no:3", "always:0", "on-failure:", "on-failure:x", ""} {
		if _, err := pipeline.ParseRestartPolicy(wrong); err == nil || appliance.HintOf(err) == "" {
			t.Errorf("policy %q: %v, want an error with a hint", wrong, err)
		}
	}
}
