package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestDomainsAreSetClearedAndReset(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n")
	hosts := func() string { return strings.Join(strings.Fields(w.ok("domains", "blog", "--quiet")), " ") }

	for _, step := range []struct{ line, want string }{
		{"domains:add blog a.test b.test", "a.test b.test blog.localhost"},
		{"domains:set blog b.test c.test", "b.test c.test"},
		{"domains:add blog blog.localhost", "b.test c.test blog.localhost"},
		{"domains:remove blog blog.localhost", "b.test c.test"},
		{"domains:disable blog", ""},
		{"domains:enable blog", "b.test c.test"},
		{"domains:clear blog", ""},
		{"domains:reset blog", "blog.localhost"},
	} {
		w.ok(strings.Fields(step.line)...)

		if got := hosts(); got != step.want {
			t.Errorf("after %s: %q, want %q", step.line, got, step.want)
		}
		for host := range strings.FieldsSeq("a.test b.test c.test blog.localhost") {
			if got, want := w.Pipeline.Router.Serves(host), strings.Contains(" "+step.want+" ", " "+host+" "); got != want {
				t.Errorf("after %s: %s is served: %v, want %v", step.line, host, got, want)
			}
		}
	}
	if out := w.ok("domains:report", "blog", "--domains-app-vhosts"); out != "blog.localhost\n" {
		t.Errorf("report: %q", out)
	}
}

// An app without a domain is deployed and checked all the same.
func TestAppWithoutADomainIsDeployed(t *testing.T) {
	w := newWorld(t)
	w.ok("domains:clear", "blog")

	w.deploy("blog", "web: serve\n")

	if r := w.run(ada, "url", "blog"); !errors.Is(r.err, appliance.ErrNotFound) || !strings.Contains(appliance.HintOf(r.err), "domains:add blog") {
		t.Errorf("url: %v", r.err)
	}
	w.ok("urls", "blog")
	w.ok("certs:report", "blog")
	w.ok("apps:report", "blog")
}

func TestDomainsAreSetAllOrNone(t *testing.T) {
	w := newWorld(t)
	w.ok("domains:add", "api", "api.test")
	w.ok("domains:add", "blog", "a.test")
	for _, line := range []string{"b.test api.test", "b.test http://x", "b.test api.localhost", "b.test 10.0.0.1", "b.test a.test/../x"} {
		if r := w.run(mia, append([]string{"domains:set", "blog"}, strings.Fields(line)...)...); r.err == nil {
			t.Errorf("%s went well", line)
		}
	}
	if out := w.ok("domains", "blog", "--quiet"); out != "a.test\nblog.localhost\n" {
		t.Errorf("domains = %q, want nothing changed", out)
	}
	if err := w.Store.SetDomains(t.Context(), "blog", []string{"b.test", "api.test"}, "x", "y"); !errors.Is(err, appliance.ErrExists) {
		t.Errorf("the store: %v, want ErrExists", err)
	}
	if out := w.ok("domains", "blog", "--quiet"); out != "a.test\nblog.localhost\n" {
		t.Errorf("domains = %q, want nothing changed", out)
	}
}

func TestAppsAreBelowSeveralDomains(t *testing.T) {
	w := newWorld(t)
	w.ok("domains:set-global", "one.test", "two.test")
	w.ok("domains:add-global", "three.test")
	if out := w.ok("domains", "blog", "--quiet"); out != "blog.one.test\nblog.two.test\nblog.three.test\n" {
		t.Errorf("domains = %q", out)
	}
	// Attack: somebody takes the host that another app has below the second.
	if r := w.run(mia, "domains:add", "blog", "api.two.test"); !errors.Is(r.err, appliance.ErrExists) {
		t.Errorf("another's host: %v", r.err)
	}
	if r := w.run(mia, "domains:add", "blog", "*.two.test"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("every name below: %v", r.err)
	}
	w.ok("domains:add", "blog", "new.four.test")
	w.ok("apps:create", "new")
	if r := w.run(ada, "domains:add-global", "four.test"); !errors.Is(r.err, appliance.ErrExists) {
		t.Errorf("where an app has a domain: %v", r.err)
	}
	w.ok("domains:remove-global", "one.test")
	if out := w.ok("domains:report", "--global", "--domains-global-vhosts"); out != "two.test three.test\n" {
		t.Errorf("global = %q", out)
	}
	if r := w.run(ada, "domains:remove-global", "one.test"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("what is not there: %v", r.err)
	}
	w.ok("domains:clear-global")
	if out := w.ok("domains", "api", "--quiet"); out != "api.localhost\n" {
		t.Errorf("domains = %q", out)
	}
}
