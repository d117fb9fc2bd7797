package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/pipeline"
)

func TestNginxCommandsAreAboutTheRouter(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n")
	w.ok("nginx:set", "blog", "client-max-body-size", "50m")
	w.ok("redirects:set", "blog", "/old", "/new")

	config := w.ok("nginx:show-config", "blog")
	for _, want := range []string{"=====> blog router configuration\n", "Targets:  ", "Client max body size:  ", "50m\n", "Redirects:  ", "Maintenance:  "} {
		if !strings.Contains(config, want) {
			t.Errorf("show-config has not %q:\n%s", want, config)
		}
	}
	if addr := w.Router.Targets(w.Service("blog")); len(addr) != 1 || !strings.Contains(config, addr[0]) {
		t.Errorf("targets = %q, and show-config\n%s", addr, config)
	}
	if out := w.ok("nginx:validate-config"); !strings.Contains(out, "of the machine are valid\n") || !strings.Contains(out, "of blog are valid\n") || !strings.Contains(out, "of api are valid\n") {
		t.Errorf("validate-config = %q", out)
	}
	// As if a later version had kept it.
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.DoorSetting, `{"hsts": "perhaps", "colour": "red"}`))
	for _, line := range [][]string{{"nginx:validate-config"}, {"nginx:validate-config", "blog", "--clean"}} {
		if r := w.run(ada, line...); !errors.Is(r.err, appliance.ErrInvalid) || !strings.Contains(r.err.Error(), `blog: colour: there is no such property`) || !strings.Contains(r.err.Error(), `hsts "perhaps"`) || strings.Contains(r.stdout, "blog") {
			t.Errorf("%q: %v\n%s", line, r.err, r.stdout)
		}
	}
	if r := w.run(val, "nginx:validate-config"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("of all apps, as a viewer of one: %v", r.err)
	}
}

func TestEventsCannotBeTurnedOff(t *testing.T) {
	w := newWorld(t)
	w.ok("events:on")
	r := w.run(ada, "events:off")

	if e := w.last(); r.err == nil || !strings.Contains(appliance.HintOf(r.err), "events:set keep") || e.Action != "events:off" || e.Actor != "ada" {
		t.Errorf("%v, last event %+v, want it refused, and kept that somebody wanted it", r.err, e)
	}
}

func TestBuildpacksPropertyIsTheStack(t *testing.T) {
	w := newWorld(t)
	w.ok("buildpacks:set-property", "blog", "stack", "heroku-24")
	w.ok("buildpacks:set-property", "--global", "stack", "debian-12")

	if out := w.ok("buildpacks:report", "blog", "--buildpacks-computed-stack"); out != "heroku-24\n" {
		t.Errorf("computed = %q", out)
	}
	if out := w.ok("buildpacks:report", "api", "--buildpacks-global-stack"); out != "debian-12\n" {
		t.Errorf("global = %q", out)
	}
	if out := w.ok("stack", "blog"); !strings.Contains(out, "heroku/heroku:24") {
		t.Errorf("stack = %q", out)
	}
	if r := w.run(bob, "buildpacks:set-property", "blog", "colour", "red"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("unknown property: %v", r.err)
	}
	w.ok("buildpacks:set-property", "blog", "stack")
	if out := w.ok("buildpacks:report", "blog", "--buildpacks-stack"); out != "\n" {
		t.Errorf("taken back, it is %q", out)
	}
}

func TestDetectNeedsSomethingToLookAt(t *testing.T) {
	w := newWorld(t)
	if r := w.run(val, "buildpacks:detect", "blog"); r.err != nil || !strings.Contains(r.stdout, "Nothing has been pushed to blog yet") {
		t.Errorf("nothing pushed: %q, %v", r.stdout, r.err)
	}
	w.deploy("blog", "")
	if r := w.run(val, "buildpacks:detect", "blog", "--branch", "gone"); !errors.Is(r.err, appliance.ErrNotFound) || !strings.Contains(r.err.Error(), "branch gone of blog") {
		t.Errorf("no such branch: %v", r.err)
	}
}

func TestNginxLogsAreOfTheRouter(t *testing.T) {
	w := newWorld(t)
	w.visit("/early") // there is no process yet
	w.visit("/earlier")
	w.deploy("blog", "")
	for range 25 {
		w.visit("/fine")
	}

	if got := w.ok("nginx:access-logs", "blog"); strings.Count(got, "\n") != 20 || strings.Contains(got, "/early") || !strings.Contains(got, `path="/fine"`) {
		t.Errorf("access logs =\n%s\nwant the last 20", got)
	}
	if got := w.ok("nginx:error-logs", "blog"); strings.Count(got, "\n") != 2 || !strings.Contains(got, `code=H14 desc="No web process" method=GET path="/early"`) {
		t.Errorf("error logs =\n%s\nwant those of the two visits", got)
	}
	// The last of those, not those of the last.
	if got := w.ok("nginx:error-logs", "blog", "-n", "1", "--format", "json"); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"/earlier"`) {
		t.Errorf("last error = %q", got)
	}
	if r := w.run(bob, "nginx:error-logs", "blog", "-n", "-1"); !errors.Is(r.err, command.ErrUsage) {
		t.Errorf("-n -1: %v", r.err)
	}
}

func TestNginxErrorLogsAreFollowed(t *testing.T) {
	w := newWorld(t)
	lines, hangUp := w.followRequests("nginx:error-logs", "blog", "-t")
	w.visit("/one")
	if !lines.Scan() || !strings.Contains(lines.Text(), `path="/one"`) {
		t.Fatalf("line = %q, %v", lines.Text(), lines.Err())
	}
	w.deploy("blog", "")
	w.visit("/fine")
	w.ok("ps:scale", "blog", "web=0")
	w.visit("/two")

	if !lines.Scan() || !strings.Contains(lines.Text(), `path="/two"`) {
		t.Errorf("line = %q, %v, want that of the next error", lines.Text(), lines.Err())
	}
	hangUp()
}
