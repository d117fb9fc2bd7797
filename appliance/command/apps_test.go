package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

func TestAppIsRenamed(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n")

	out := w.ok("apps:rename", "blog", "site")

	if !strings.Contains(out, "-----> Renaming blog to site...") || !strings.Contains(out, "https://site.localhost") {
		t.Errorf("out = %q", out)
	}
	if r := w.run(bob, "ps", "site"); r.err != nil || !strings.Contains(r.stdout, "web.1") {
		t.Errorf("ps by who had access: %v, %q", r.err, r.stdout)
	}
	if r := w.run(ada, "ps", "blog"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("ps of the old name: %v", r.err)
	}
	for _, to := range []string{"api", "site"} {
		if r := w.run(ada, "apps:rename", "site", to); !errors.Is(r.err, appliance.ErrExists) {
			t.Errorf("onto %s: %v, want ErrExists", to, r.err)
		}
	}
	// Attack: the new name is to become a path, an option, another's label.
	for _, to := range []string{"../x", "--upload-pack=x", "a/b", "Site", "xn--a", "site_2", ""} {
		if r := w.run(ada, "apps:rename", "--", "site", to); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("to %q: %v, want ErrInvalid", to, r.err)
		}
		if r := w.run(ada, "apps:clone", "--", "site", to); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("clone to %q: %v, want ErrInvalid", to, r.err)
		}
	}
	if out := w.ok("apps:list", "--quiet"); out != "api\nsite\n" {
		t.Errorf("apps = %q", out)
	}
	if out := w.ok("router:metrics"); !strings.Contains(out, `app="site"`) || strings.Contains(out, `app="blog"`) {
		t.Error("the metrics do not have the new name")
	}
}

func TestAppIsCloned(t *testing.T) {
	w := newWorld(t)
	w.ok("config:set", "--no-restart", "blog", "A=1")

	w.ok("apps:clone", "--skip-deploy", "blog", "copy")

	if out := w.ok("config:get", "copy", "A"); out != "1\n" {
		t.Errorf("A = %q", out)
	}
	if r := w.run(ada, "apps:clone", "blog", "copy"); !errors.Is(r.err, appliance.ErrExists) {
		t.Errorf("again: %v", r.err)
	}
	if out := w.ok("apps:clone", "--ignore-existing", "blog", "copy"); !strings.Contains(out, "already exists") {
		t.Errorf("again, which is meant: %q", out)
	}
}

func TestLockIsSetSeenAndTakenBack(t *testing.T) {
	w := newWorld(t)
	if r := w.run(bob, "apps:locked", "blog"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("before: %v", r.err)
	}
	if r := w.run(bob, "apps:lock", "blog"); r.err != nil || r.stdout != "-----> Deploy lock created\n" {
		t.Errorf("lock: %v, %q", r.err, r.stdout)
	}
	if r := w.run(bob, "apps:locked", "blog"); r.err != nil || !strings.Contains(r.stdout, "by bob") {
		t.Errorf("locked: %v, %q", r.err, r.stdout)
	}
	if out := w.ok("apps:report", "blog", "--app-locked"); out != "true\n" {
		t.Errorf("report: %q", out)
	}
	w.ok("apps:unlock", "blog")
	w.ok("apps:unlock", "blog") // it is not there: no error, as in Dokku
	if out := w.ok("apps:report", "--app-locked", "blog"); out != "false\n" {
		t.Errorf("report: %q", out)
	}
}

func TestReportIsOfOneValueOrOfEveryApp(t *testing.T) {
	w := newWorld(t)

	if out := w.ok("apps:report"); !strings.Contains(out, "=====> api app information") || !strings.Contains(out, "=====> blog app information") {
		t.Errorf("of every app: %q", out)
	}
	if r := w.run(bob, "apps:report"); r.err != nil || strings.Contains(r.stdout, "api") || !strings.Contains(r.stdout, "blog") {
		t.Errorf("by a member of blog: %v, %q", r.err, r.stdout)
	}
	if r := w.run(eve, "apps:report"); r.err != nil || r.stdout != "" {
		t.Errorf("by a stranger: %v, %q", r.err, r.stdout)
	}
	if r := w.run(nobody, "apps:report"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("by nobody: %v", r.err)
	}
	if r := w.run(ada, "apps:report", "blog", "--nope"); !errors.Is(r.err, command.ErrUsage) || !strings.Contains(appliance.HintOf(r.err), "--app-locked") {
		t.Errorf("of what is not there: %v", r.err)
	}
	if r := w.run(ada, "domains:report", "blog", "--nope"); !errors.Is(r.err, command.ErrUsage) {
		t.Errorf("of a listing: %v", r.err)
	}
}

func TestPushMakesNoAppWhenThatIsOff(t *testing.T) {
	w := newWorld(t)
	w.ok("apps:set", "--global", "disable-autocreation", "true")

	if err := w.MayAutocreate(t.Context()); !errors.Is(err, appliance.ErrDenied) {
		t.Errorf("MayAutocreate = %v", err)
	}
	w.ok("apps:create", "site")
	w.ok("apps:set", "--global", "disable-autocreation")
	if err := w.MayAutocreate(t.Context()); err != nil {
		t.Errorf("taken back: %v", err)
	}
	for line, want := range map[string]error{
		"blog disable-autocreation true": appliance.ErrInvalid, "--global disable-autocreation yes": appliance.ErrInvalid, "--global nope 1": appliance.ErrNotFound,
	} {
		if r := w.run(ada, append([]string{"apps:set"}, strings.Fields(line)...)...); !errors.Is(r.err, want) {
			t.Errorf("apps:set %s: %v, want %v", line, r.err, want)
		}
	}
}
