package pipeline_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/logs"
)

// asked is how often the worker of blog has been asked whether it is alive.
func (w *world) asked() int {
	return strings.Count(strings.Join(w.engine.Calls(), "\n"), "Exec blog.worker.1 v1")
}

// isAsked waits until the worker has been asked so many times more.
func (w *world) isAsked(times int) {
	w.t.Helper()
	before := w.asked()
	w.eventually("it is asked", func() bool { return w.asked() >= before+times })
}

func TestAProcessThatFailsItsLivenessIsStartedAnew(t *testing.T) {
	w := newWorld(t)
	archive := &logs.Archive{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	w.Logs = archive
	w.watch()
	w.attend()
	// Nothing restarts it but what is tried.
	w.must(w.SetRestartPolicy(t.Context(), "blog", "no"))
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"worker": 1}))
	w.deployed("blog", serves().and("Procfile", "web: serve\nworker: serve\n").and("app.json", `{"healthchecks": {"worker": [
		{"type": "liveness", "command": ["`+enginetest.Program+`", "write", "/alive", "yes"], "attempts": 2, "wait": 0, "timeout": 5}]}}`))
	p := w.named("worker.1")
	w.isAsked(2) // so that it has passed once

	dead := func(call string) error {
		if call == "Exec" {
			return errors.New("it is\nstuck")
		}
		return nil
	}
	w.failing(dead)

	w.eventually("it was started anew", func() bool { return w.named("worker.1").Started.After(p.Started) })
	w.failing(func(string) error { return nil })
	now := w.named("worker.1")
	if now.ID != p.ID || !now.Running {
		t.Errorf("process = %+v, want the same, running", now)
	}
	if c := w.crash(p.ID); c.Over || c.Row != 1 || !strings.HasPrefix(c.Ending, "failed its liveness check ") {
		t.Errorf("crash = %+v, want the check named", c)
	}
	w.eventually("the audit trail has it", func() bool {
		return strings.Contains(strings.Join(w.lifecycle(), "\n"), "liveness worker.1: failed its liveness check ")
	})
	var kept []string
	w.must(archive.Read(t.Context(), logs.Query{App: appliance.AppName(w.Service("blog")), Crashes: true}, func(l appliance.LogLine) error {
		kept = append(kept, l.Process+": "+l.Text)
		return nil
	}))
	if len(kept) != 1 || !strings.HasPrefix(kept[0], "worker.1: Process failed its liveness check ") ||
		!strings.HasSuffix(kept[0], ": it is stuck, and is started again") {
		t.Errorf("what is kept of the crash = %q, want why it was started anew", kept)
	}

	// It is not started anew again and again, however often it fails.
	w.isAsked(2)
	w.failing(dead)
	w.isAsked(6)

	if again := w.named("worker.1"); !again.Started.Equal(now.Started) || !again.Running {
		t.Errorf("process = %+v, want it left alone for a while, as it was started anew at %s", again, now.Started)
	}
	if c := w.crash(p.ID); c.Row != 1 {
		t.Errorf("crash = %+v, want still the one", c)
	}
}
