package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

func TestResourcesOfBuildsAreLimitedForAnAppAndForAll(t *testing.T) {
	w := newWorld(t)

	// As Dokku's users write it: the app may come last.
	said := w.ok("resource:limit", "--memory", "2g", "--cpu", "1.5", "--process-type", "build", "blog")
	w.ok("resource:limit", "--global", "--process-type", "build", "--time", "1h", "--memory", "512m")

	if want := "=====> Setting resource limits for blog (build)\n       memory: 2g\n       cpu: 1.5\n"; said != want {
		t.Errorf("resource:limit:\n%s\nwant:\n%s", said, want)
	}
	if e := w.last(); e.App != "" || e.Detail != "--global --process-type build --time 1h --memory 512m" {
		t.Errorf("event = %+v", e)
	}
	got := strings.Join(strings.Fields(w.ok("resource:report", "blog")), " ")
	for _, want := range []string{
		"Build limit memory: 2g Build limit cpu: 1.5 Build limit pids: Build limit disk free: Build limit time:",
		"Global build limit memory: 512m Global build limit cpu: Global build limit pids: Global build limit disk free: Global build limit time: 1h",
		"Computed build limit memory: 2g Computed build limit cpu: 1.5 Computed build limit pids: 2048 Computed build limit disk free: 2g Computed build limit time: 1h",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("resource:report:\n%s\nwant:\n%s", got, want)
		}
	}
	w.ok("resource:limit", "blog", "--process-type", "build", "--memory", "clear")
	if got := w.ok("resource:limit", "blog", "--process-type", "build"); got != "=====> resource limits blog information (build)\n       memory:\n       cpu: 1.5\n       pids:\n       disk-free:\n       time:\n" {
		t.Errorf("resource:limit without a limit:\n%s", got)
	}
	w.ok("resource:limit-clear", "blog", "--process-type", "build")
	if f, err := w.Fence(t.Context(), "blog"); err != nil || f.Memory != 512<<20 || f.CPUs != 1.8 {
		t.Errorf("fence = %+v, %v, want the machine's", f, err)
	}
}

func TestLimitThatIsNoneIsRefused(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]error{
		"blog --time 1h":                                        appliance.ErrInvalid,
		"blog --process-type web --disk-free 2g":                appliance.ErrInvalid,
		"blog --process-type web --memory 1k":                   appliance.ErrInvalid,
		"blog --process-type ../x --memory 1g":                  appliance.ErrInvalid,
		"--global --process-type web --memory 1g":               appliance.ErrInvalid,
		"blog --process-type build --memory lots":               appliance.ErrInvalid,
		"blog --process-type build --memory 2":                  appliance.ErrInvalid, // bytes: nothing could be built
		"blog --process-type build --memory 99999999999999t":    appliance.ErrInvalid,
		"blog --process-type build --memory=-1g":                appliance.ErrInvalid,
		"blog --process-type build --memory 1g --cpu 0":         appliance.ErrInvalid,
		"blog --process-type build --cpu NaN":                   appliance.ErrInvalid,
		"blog --process-type build --pids 1":                    appliance.ErrInvalid,
		"blog --process-type build --time 10":                   appliance.ErrInvalid,
		"blog --process-type build --disk-free all":             appliance.ErrInvalid,
		"blog --process-type build --memory-swap 2g":            appliance.ErrInvalid,
		"blog --global --process-type build --memory 2g":        command.ErrUsage,
		"blog api --process-type build --memory 2g":             command.ErrUsage,
		"blog --process-type build --memory 512m --cpu clearly": appliance.ErrInvalid,
	} {
		r := w.run(ada, append([]string{"resource:limit"}, strings.Fields(line)...)...)

		if !errors.Is(r.err, want) {
			t.Errorf("resource:limit %s: %v, want %v", line, r.err, want)
		}
	}
	if got := w.ok("resource:limit", "blog", "--process-type", "build"); strings.ContainsAny(got, "0123456789") {
		t.Errorf("a part of what was refused holds:\n%s", got)
	}
}

// Who may only work on an app must not give its builds what is the others'.
func TestMemberSeesLimitsButDoesNotMoveThem(t *testing.T) {
	w := newWorld(t)

	if r := w.run(bob, "resource:limit", "blog", "--process-type", "build", "--memory", "2g"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("resource:limit of a member: %v", r.err)
	}
	if r := w.run(bob, "resource:report", "blog"); r.err != nil || !strings.Contains(r.stdout, "Computed build limit memory:        2.6g") {
		t.Errorf("resource:report of a member: %v\n%s", r.err, r.stdout)
	}
}

func TestProcessesAreStartedWithinTheirLimits(t *testing.T) {
	w := newWorld(t)
	w.ok("resource:limit", "--global", "--memory", "256m")
	w.ok("resource:limit", "blog", "--memory", "512m", "--cpu", "1.5")
	w.ok("resource:limit", "blog", "--process-type", "worker", "--memory", "1g", "--pids", "100")
	w.ok("resource:reserve", "blog", "--process-type", "worker", "--memory", "128m")
	w.ok("ps:scale", "blog", "worker=1")

	w.deploy("blog", "web: serve\nworker: serve\n")
	w.deploy("api", "web: serve\n")

	want := map[string]appliance.Fence{
		"blog.web": {Memory: 512 << 20, CPUs: 1.5}, "blog.worker": {Memory: 1 << 30, CPUs: 1.5, Pids: 100}, "api.web": {Memory: 256 << 20},
	}
	for _, spec := range w.engine.Started() {
		of := string(spec.App) + "." + spec.Type
		if spec.Fence != want[of] {
			t.Errorf("%s has %+v, want %+v", of, spec.Fence, want[of])
		}
		if reserved := spec.Options.ReservedMemory; (reserved == 128<<20) != (of == "blog.worker") {
			t.Errorf("%s has %d bytes reserved", of, reserved)
		}
	}
	if n := len(w.engine.Started()); n != 3 {
		t.Errorf("%d were started, want 3", n)
	}
	if out := w.ok("resource:report", "blog", "--resource-worker-limit-memory"); out != "1g\n" {
		t.Errorf("report = %q", out)
	}
	w.ok("resource:limit-clear", "blog", "--process-type", "worker")
	if out := w.ok("resource:limit", "blog", "--process-type", "worker"); strings.ContainsAny(out, "0123456789") {
		t.Errorf("after it was cleared: %q", out)
	}
}

// Who may only deploy an app must not have it take more than an admin allows.
func TestDockerOptionsDoNotRaiseLimits(t *testing.T) {
	w := newWorld(t)
	w.ok("resource:limit", "blog", "--memory", "512m", "--pids", "100")
	if r := w.run(bob, "docker-options:add", "blog", "deploy", "--memory 2g --pids-limit 4096 --cpus 1"); r.err != nil {
		t.Fatal(r.err)
	}
	w.deploy("blog", "web: serve\n")
	if f := w.engine.Started()[0].Fence; f.Memory != 512<<20 || f.Pids != 100 || f.CPUs != 1 {
		t.Errorf("fence = %+v", f)
	}
	w.ok("docker-options:add", "blog", "deploy", "--memory", "128m")
	w.ok("ps:restart", "blog")
	started := w.engine.Started()
	if f := started[len(started)-1].Fence; f.Memory != 128<<20 {
		t.Errorf("fence = %+v, want it lowered", f)
	}
}
