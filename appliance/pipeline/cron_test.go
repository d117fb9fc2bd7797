package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/router"
)

// noon is when these tests begin.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// minding has somebody look after what is detached, until the test ends or
// what it returns is called.
func (w *world) minding() (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan struct{})
	p := w.Pipeline
	go func() {
		defer close(ended)
		_ = p.Mind(ctx) // it has no errors
	}()
	stop = func() {
		cancel()
		<-ended
	}
	w.t.Cleanup(stop)
	return stop
}

// scheduled is an app with a cron job that runs the test program.
func scheduled(job string) files {
	return serves().and("app.json", `{"cron": [`+job+`]}`)
}

// The test image has no shell, so what these jobs run ends at once: with the
// simulation's status for a program that it does not know, when it is stopped.
func cronJob(more string) string {
	return fmt.Sprintf(`{"command": "%s", "schedule": "*/5 * * * *"%s}`, "sleep", more)
}

func (w *world) due(at time.Time) {
	w.t.Helper()
	w.must(w.CronDue(w.t.Context(), at))
}

// runs lists the runs of blog's jobs in short.
func (w *world) runs() (list []string) {
	w.t.Helper()
	runs, err := w.CronRuns(w.t.Context(), "blog", "")
	w.must(err)
	for _, r := range runs {
		list = append(list, strings.TrimSpace(r.Due.Format("15:04")+" "+r.Result()))
	}
	return list
}

func (w *world) wantRuns(want ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the runs are %q", want), func() bool { return fmt.Sprint(w.runs()) == fmt.Sprint(want) })
}

func TestCronRunsAJobOnceInTheMinuteThatItIsDue(t *testing.T) {
	w := newWorld(t)
	w.minding()
	w.deployed("blog", scheduled(cronJob("")))

	w.due(noon.Add(-time.Minute))
	w.wantRuns()
	w.due(noon.Add(10 * time.Second))
	w.due(noon.Add(30 * time.Second))
	w.due(noon.Add(4 * time.Minute))

	w.wantRuns("12:00 running")
	ran := w.engine.Ran()
	if got := ran[len(ran)-1]; strings.Join(got.Command, " ") != "/bin/sh -c sleep" || !strings.HasPrefix(got.Name, "cron.") {
		t.Errorf("it runs %+v", got)
	}
}

// A machine that was off for a night must not do all that it has missed.
func TestCronDoesNotCatchUp(t *testing.T) {
	w := newWorld(t)
	w.minding()
	w.deployed("blog", scheduled(cronJob("")))
	w.due(noon.Add(time.Minute))

	w.due(noon.Add(10 * time.Hour).Add(7 * time.Minute))
	w.wantRuns("22:05 running") // two minutes ago: as after an upgrade

	w.due(noon) // the clock was put back
	w.due(noon.Add(10 * time.Hour).Add(9 * time.Minute))
	w.wantRuns("22:05 running", "12:00 running")
}

func TestCronKeepsToThePolicyOfAJob(t *testing.T) {
	for policy, want := range map[string][]string{
		"allow":   {"12:00 running", "12:05 running"},
		"forbid":  {"12:00 running"},
		"replace": {"12:00 stopped by berth", "12:05 running"},
	} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			w.minding()
			w.deployed("blog", scheduled(cronJob(`, "concurrency_policy": "`+policy+`"`)))

			w.due(noon)
			w.due(noon.Add(5 * time.Minute))

			w.wantRuns(want...)
			if failed := strings.Count(w.events("blog"), "cron:failed!"); failed != map[string]int{"allow": 0, "forbid": 1, "replace": 1}[policy] {
				t.Errorf("%d failures in the trail", failed)
			}
		})
	}
}

func TestCronFollowsTheLiveReleaseAndWhatSuspendsIt(t *testing.T) {
	w := newWorld(t)
	w.minding()
	w.deployed("blog", scheduled(cronJob("")))
	jobs, err := w.CronJobs(t.Context(), "blog")
	w.must(err)
	set := func(name, value string) func() error {
		return func() error { return w.Store.SetApp(t.Context(), "blog", name, value) }
	}
	maintenance := func(on bool) func() error {
		return func() error {
			return pipeline.ChangeDoor(t.Context(), w.Pipeline, "blog", pipeline.MaintenanceSetting, func(m *router.Maintenance) error {
				m.On = on
				return nil
			})
		}
	}
	at := noon
	for name, turn := range map[string]struct{ off, on func() error }{
		"stopped":             {set(pipeline.StoppedSetting, "true"), set(pipeline.StoppedSetting, "")},
		"in maintenance":      {maintenance(true), maintenance(false)},
		"cron:set":            {set(pipeline.CronMaintenanceSetting, "true"), set(pipeline.CronMaintenanceSetting, "")},
		"cron:suspend":        {set(pipeline.CronSuspendedSetting, `["`+jobs[0].ID+`"]`), set(pipeline.CronSuspendedSetting, "")},
		"app.json says it":    {func() error { return w.pushJob(cronJob(`, "maintenance": true`)) }, func() error { return w.pushJob(cronJob("")) }},
		"a release without":   {func() error { _, err := w.push("blog", serves()); return err }, func() error { return w.pushJob(cronJob("")) }},
		"with another minute": {func() error { return w.pushJob(`{"command": "sleep", "schedule": "1 * * * *"}`) }, func() error { return w.pushJob(cronJob("")) }},
	} {
		before := len(w.runs())
		w.must(turn.off())
		at = at.Add(time.Hour)
		w.due(at)
		if now := len(w.runs()); now != before {
			t.Errorf("%s: it ran all the same", name)
		}
		w.must(turn.on())
		at = at.Add(5 * time.Minute)
		w.due(at)
		if now := len(w.runs()); now != before+1 {
			t.Errorf("%s: it does not run after that", name)
		}
		at = at.Truncate(time.Hour)
	}
}

func (w *world) pushJob(job string) error {
	_, err := w.push("blog", scheduled(job))
	return err
}

func TestWhatIsDetachedIsRememberedWithWhatItPrinted(t *testing.T) {
	w := newWorld(t)
	w.minding()
	w.deployed("blog", serves())

	o, err := w.Detach(w.as("ada"), pipeline.Wish{App: "blog", Command: []string{enginetest.Program, "say", "3", "one", "two"}, TTL: time.Hour})
	w.must(err)
	o, err = w.AwaitOneOff(t.Context(), o)
	w.must(err)

	var out bytes.Buffer
	w.must(w.OneOffOutput(t.Context(), o, appliance.LogOptions{Tail: 1}, &out))
	if o.Status != 3 || o.Result() != "exited with 3" || o.Actor != "ada" || out.String() != "two\n" {
		t.Errorf("it ended as %+v, and printed %q", o, &out)
	}
	w.eventually("its container is gone", func() bool {
		runs, err := w.engine.Runs(t.Context(), "")
		return err == nil && len(runs) == 0
	})
	if running, err := w.OneOffs(t.Context(), "blog", false); err != nil || len(running) != 0 {
		t.Errorf("running = %v, %v", running, err)
	}
}

func TestWhatIsDetachedEndsWhenItsTimeIsOverOrSomebodyStopsIt(t *testing.T) {
	w := newWorld(t)
	w.minding()
	w.deployed("blog", serves())
	serve := []string{enginetest.Program, "serve"}

	short, err := w.Detach(w.as("ada"), pipeline.Wish{App: "blog", Command: serve, TTL: 50 * time.Millisecond})
	w.must(err)
	long, err := w.Detach(w.as("ada"), pipeline.Wish{App: "blog", Command: serve, TTL: time.Hour})
	w.must(err)
	w.must(w.StopOneOff(w.as("bob"), long))
	short, err = w.AwaitOneOff(t.Context(), short)
	w.must(err)
	long, err = w.AwaitOneOff(t.Context(), long)
	w.must(err)

	if !strings.Contains(short.Result(), "it took longer than") || !short.Failed() {
		t.Errorf("the one with little time: %+v", short)
	}
	if long.Result() != "stopped by bob" {
		t.Errorf("the one that was stopped: %+v", long)
	}
}

// Whoever starts Berth again finds what it had begun, under another name of its
// app too, and nothing that nobody knows.
func TestWhatIsDetachedOutlivesTheAppliance(t *testing.T) {
	w := newWorld(t)
	stop := w.minding()
	w.deployed("blog", serves())
	o, err := w.Detach(w.as("ada"), pipeline.Wish{App: "blog", Command: []string{enginetest.Program, "serve"}, TTL: time.Hour})
	w.must(err)
	gone, err := w.Detach(w.as("ada"), pipeline.Wish{App: "blog", Command: []string{enginetest.Program, "serve"}, TTL: time.Hour})
	w.must(err)
	stop()
	w.must(w.Rename(w.as("ada"), "blog", "news", new(buffer)))
	runs, err := w.engine.Runs(t.Context(), "")
	w.must(err)
	w.must(w.engine.Stop(t.Context(), 0, runs[1].ID))
	_, err = w.engine.Detach(t.Context(), appliance.RunSpec{App: "blog", Name: "run.0", Image: w.engine.Ran()[0].Image, Command: []string{enginetest.Program, "serve"}})
	w.must(err)

	w.boot()
	w.minding()

	w.eventually("only the known one is there", func() bool {
		runs, err := w.engine.Runs(t.Context(), "")
		return err == nil && len(runs) == 1 && runs[0].Name == o.Name
	})
	w.eventually("the other is known to be gone", func() bool {
		gone, _, err = w.Store.OneOff(t.Context(), gone.ID)
		return err == nil && strings.Contains(gone.Error, "it is gone")
	})
	running, err := w.OneOffs(t.Context(), "news", false)
	w.must(err)
	if len(running) != 1 || running[0].ID != o.ID {
		t.Fatalf("running = %+v", running)
	}
	w.must(w.StopOneOff(w.as("ada"), running[0]))
	w.eventually("it has ended", func() bool {
		list, err := w.OneOffs(t.Context(), "news", false)
		return err == nil && len(list) == 0
	})
}
