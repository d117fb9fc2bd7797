package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// lines returns the audit lines of a command, as "app: error".
func (w *world) lines(action string) map[appliance.AppName]string {
	w.t.Helper()
	events, err := w.Store.Events(w.t.Context(), "", 100)
	w.must(err)
	lines := map[appliance.AppName]string{}
	for _, e := range events {
		if e.Action == action {
			lines[e.App] = e.Error
		}
	}
	return lines
}

// restarts counts the audit lines of ps:restart.
func (w *world) restarts() (n int) {
	events, err := w.Store.Events(context.Background(), "", 100)
	if err != nil {
		w.t.Error(err)
	}
	for _, e := range events {
		if e.Action == "ps:restart" {
			n++
		}
	}
	return n
}

func TestAllIsEachAppThroughTheGate(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "idle", false))
	w.must(w.Create(t.Context(), "new", false))
	for _, app := range []appliance.AppName{"api", "blog", "idle"} {
		w.deploy(app, "")
	}
	w.ok("ps:stop", "idle")

	bobs := w.run(bob, "ps:restart", "--all")
	of := w.lines("ps:restart")
	all := w.run(ada, "ps:restart", "--all", "--parallel", "2")

	if bobs.err != nil || len(of) != 1 || strings.Contains(bobs.stdout+bobs.stderr, "api") {
		t.Errorf("bob's: %v, audit %v, %s%s; want blog alone, which is his", bobs.err, of, bobs.stdout, bobs.stderr)
	}
	for _, want := range []string{"-----> Skipping idle: it is stopped\n", "-----> Skipping new: it has not been deployed\n", "-----> Deploying api v1\n", "-----> Deploying blog v1\n"} {
		if !strings.Contains(all.stdout, want) {
			t.Errorf("output lacks %q:\n%s", want, all.stdout)
		}
	}
	if got := w.lines("ps:restart"); all.err != nil || len(got) != 2 {
		t.Errorf("%v, audit %v, want a line for api and one for blog", all.err, got)
	}
	if r := w.run(val, "ps:restart", "--all"); r.err != nil || r.stdout != "" {
		t.Errorf("val's: %v, %q, want nothing, as she may only look", r.err, r.stdout)
	}
	if r := w.run(nobody, "ps:restart", "--all"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("nobody's: %v, want ErrDenied", r.err)
	}
}

func TestAllGathersWhatFails(t *testing.T) {
	w := newWorld(t)
	w.deploy("api", "")
	w.deploy("blog", "")
	var failed atomic.Bool
	w.engine.Refuse(func(call string) error {
		if call == "Start" && failed.CompareAndSwap(false, true) { // api, the first by name
			return errors.New("engine is away")
		}
		return nil
	})

	r := w.run(ada, "ps:restart", "--all")

	if r.err == nil || r.err.Error() != "ps:restart failed for 1 of 2 apps: api" || !strings.Contains(appliance.HintOf(r.err), "ps:restart api") {
		t.Errorf("error = %v (%s), want api's", r.err, appliance.HintOf(r.err))
	}
	if !strings.Contains(r.stderr, " !     api: ") || !strings.Contains(r.stderr, "engine is away") {
		t.Errorf("stderr = %q, want why", r.stderr)
	}
	if got := w.lines("ps:restart"); !strings.Contains(got["api"], "engine is away") || got["blog"] != "" || len(got) != 2 {
		t.Errorf("audit = %v, want that only api failed", got)
	}
}

func TestAllBeginsNoMoreForWhoeverHasHungUp(t *testing.T) {
	w := newWorld(t)
	w.deploy("api", "")
	w.deploy("blog", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.engine.Refuse(func(call string) error {
		if call == "Start" {
			cancel()
		}
		return nil
	})

	var out bytes.Buffer
	err := w.Execute(ctx, &command.Session{Actor: ada, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out}, []string{"ps:restart", "--all"})

	if err == nil {
		t.Error("no error")
	}
	if got := w.lines("ps:restart"); len(got) != 1 || strings.Contains(out.String(), "blog") {
		t.Errorf("audit = %v, want api alone\n%s", got, &out)
	}
}

func TestParallelIsHowManyAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	for _, app := range []appliance.AppName{"one", "two"} {
		w.must(w.Create(t.Context(), app, false))
	}
	for _, app := range []appliance.AppName{"api", "blog", "one", "two"} {
		w.deploy(app, "")
	}
	for parallel, most := range map[string]int{"1": 1, "2": 2} {
		var mu sync.Mutex
		before, begun, peak := w.restarts(), 0, 0
		both := make(chan struct{})
		w.engine.Refuse(func(call string) error {
			if call != "Start" {
				return nil
			}
			mu.Lock()
			begun++
			peak = max(peak, begun-(w.restarts()-before)) // those without their audit line go on
			if begun == most {
				close(both)
			}
			mu.Unlock()
			<-both // as many as may are here
			return nil
		})
		if r := w.run(ada, "ps:restart", "--all", "--parallel", parallel); r.err != nil || peak != most {
			t.Errorf("--parallel %s: %v, %d at the same time", parallel, r.err, peak)
		}
	}
	w.engine.Refuse(nil)
	if r := w.run(ada, "ps:restart", "--all", "--parallel", "-1"); r.err != nil {
		t.Errorf("as many as there are CPUs: %v", r.err)
	}
	for _, args := range [][]string{
		{"ps:restart", "--all", "--parallel", "0"}, {"ps:restart", "--all", "--parallel", "-2"}, {"ps:restart", "--all", "--parallel", "many"}, {"ps:restart", "blog", "--parallel", "0"},
		{"ps:restart", "blog", "web", "--all"}, {"ps:restart", "blog", "--all"}, {"ps:restart", "--app", "blog", "--all"},
	} {
		if r := w.run(ada, args...); !errors.Is(r.err, command.ErrUsage) {
			t.Errorf("%q: %v, want ErrUsage", args, r.err)
		}
	}
}

func TestRestoreLeavesAloneWhatIsStopped(t *testing.T) {
	w := newWorld(t)
	w.deploy("api", "")
	w.deploy("blog", "")
	w.ok("ps:stop", "blog")
	for _, p := range w.processes("api") {
		w.must(w.engine.Stop(t.Context(), 0, p.ID))
	}

	r := w.run(ada, "ps:restore")
	one := w.run(ada, "ps:restore", "blog")

	if r.err != nil || !strings.Contains(r.stdout, "-----> Restoring api\n") || !strings.Contains(r.stdout, "-----> Skipping blog: it is stopped\n") {
		t.Errorf("restore: %v\n%s", r.err, r.stdout)
	}
	if one.err != nil || !strings.Contains(one.stderr, "ps:start blog starts it") {
		t.Errorf("restore of blog: %v, %q", one.err, one.stderr)
	}
	if a, b := len(w.processes("api")), len(w.processes("blog")); a != 1 || b != 0 {
		t.Errorf("%d processes of api and %d of blog run, want 1 and 0", a, b)
	}
}

// processes returns what the engine has of an app.
func (w *world) processes(app appliance.AppName) []appliance.Process {
	w.t.Helper()
	list, err := w.engine.Processes(w.t.Context(), app)
	w.must(err)
	return list
}

func TestInspectHasNoValues(t *testing.T) {
	w := newWorld(t)
	w.ok("config:set", "blog", "SECRET=hunter2")
	w.deploy("blog", "")

	out := w.ok("ps:inspect", "blog")

	var list []struct {
		ID     string `json:"Id"`
		Config struct{ Env []string }
	}
	w.must(json.Unmarshal([]byte(out), &list))
	if len(list) != 1 || list[0].ID != w.processes("blog")[0].ID || !strings.Contains(out, `"SECRET"`) || strings.Contains(out, "hunter2") {
		t.Errorf("ps:inspect prints %s", out)
	}
	if r := w.run(val, "ps:inspect", "blog"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("val's: %v, want ErrDenied", r.err)
	}
	if got := w.ok("ps:inspect", "api"); got != "[]\n" {
		t.Errorf("of an app without processes: %q", got)
	}
}

func TestStartCommandIsSetShownAndNotInTheAuditTrail(t *testing.T) {
	w := newWorld(t)
	w.ok("ps:set", "blog", "start-cmd", "serve --key hunter2")
	if got := w.last(); got.Detail != "start-cmd …" || got.App != "blog" {
		t.Errorf("audit = %+v", got)
	}
	w.ok("ps:set", "blog", "--process-type", "worker", "dockerfile-start-cmd", "work")
	w.run(ada, "ps:set", "blog", "startcmd", "hunter2") // no such property
	if got := w.last(); strings.Contains(got.Detail+got.Error, "hunter2") {
		t.Errorf("audit = %+v", got)
	}
	w.ok("ps:set", "blog", "procfile-path", "deploy/Procfile")
	if got := w.last(); got.Detail != "procfile-path deploy/Procfile" {
		t.Errorf("audit = %+v", got)
	}
	w.ok("ps:set", "blog", "restart-policy", "on-failure:20")
	if got := w.last(); got.Detail != "restart-policy on-failure:20" {
		t.Errorf("audit = %+v", got)
	}
	w.ok("apps:clone", "--skip-deploy", "blog", "copy")
	for _, app := range []string{"blog", "copy"} {
		for flag, want := range map[string]string{"start-cmd": "serve --key hunter2", "start-cmd-worker": "work", "procfile-path": "deploy/Procfile"} {
			if got := w.ok("ps:report", app, "--ps-"+flag); got != want+"\n" {
				t.Errorf("%s of %s = %q, want %q", flag, app, got, want)
			}
		}
	}
	w.ok("ps:set", "blog", "start-cmd")
	w.ok("ps:set", "blog", "start-cmd", "--process-type", "worker")
	if out := w.ok("ps:report", "blog"); strings.Contains(out, "hunter2") || strings.Contains(out, "worker") {
		t.Errorf("what was taken back is still there:\n%s", out)
	}
	for _, args := range [][]string{
		{"procfile-path", "../Procfile"}, {"procfile-path", "/etc/passwd"}, {"procfile-path", "a\nb"},
		{"start-cmd", "a\nb"}, {"start-cmd", strings.Repeat("a", 4097)}, {"start-cmd", "--process-type", "release", "a"}, {"start-cmd", "--process-type", "a b", "a"},
	} {
		if r := w.run(ada, append([]string{"ps:set", "blog"}, args...)...); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("%.60q: %v, want ErrInvalid", args, r.err)
		}
	}
	if r := w.run(ada, "ps:set", "blog", "restart-policy", "no", "--process-type", "web"); !errors.Is(r.err, command.ErrUsage) {
		t.Errorf("--process-type of a policy: %v, want ErrUsage", r.err)
	}
}

func TestRebuildIsOfTheLiveCommit(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.ok("config:set", "--no-restart", "blog", "A=1")
	before := len(w.engine.Built())

	r := w.run(bob, "ps:rebuild", "blog")

	one, err := w.Store.Release(t.Context(), "blog", 1)
	w.must(err)
	two, err := w.Store.Release(t.Context(), "blog", 2)
	w.must(err)
	if r.err != nil || two.Commit != one.Commit || two.Env["A"] != "1" || two.Reason != "rebuild of v1" || len(w.engine.Built()) != before+1 {
		t.Errorf("%v, release = %+v, want the commit %s built again with the config of now", r.err, two, one.Commit)
	}
	if r := w.run(ada, "ps:rebuild", "api"); r.err == nil || !strings.Contains(appliance.HintOf(r.err), "git push") {
		t.Errorf("of what was not deployed: %v (%s)", r.err, appliance.HintOf(r.err))
	}
}
