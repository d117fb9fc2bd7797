package command_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestAppsShareANetworkThatIsOurs(t *testing.T) {
	w := newWorld(t)
	w.ok("network:create", "shared")
	w.ok("network:create", "other")
	if r := w.run(ada, "network:create", "shared"); !errors.Is(r.err, appliance.ErrExists) {
		t.Errorf("again: %v", r.err)
	}
	w.ok("network:set", "blog", "attach-post-create", "shared", "other")
	w.ok("network:set", "api", "initial-network", "shared")
	w.deploy("blog", "web: serve\n")
	w.deploy("api", "web: serve\n")

	for _, spec := range w.engine.Started() {
		a := spec.Options.Networks
		if len(a) == 0 || a[0].Network != "shared" || !slices.Equal(a[0].Aliases, []string{string(spec.App) + ".web", string(spec.App)}) {
			t.Errorf("%s is on %+v", spec.App, a)
		}
	}
	if out := w.ok("network:report", "blog", "--network-attach-post-create"); out != "shared,other\n" {
		t.Errorf("report = %q", out)
	}
	if out := w.ok("network:info", "shared"); !strings.Contains(out, "api blog") {
		t.Errorf("info = %q", out)
	}
	if r := w.run(ada, "network:destroy", "shared", "--force"); !errors.Is(r.err, appliance.ErrBusy) {
		t.Errorf("destroy of what is used: %v", r.err)
	}
	for _, app := range []string{"blog", "api"} {
		w.ok("network:set", app, "attach-post-create")
		w.ok("network:set", app, "initial-network")
		w.ok("ps:restart", app)
	}
	w.Wait()
	if r := w.runWith("no\n", ada, "network:destroy", "shared"); r.err == nil {
		t.Error("it was destroyed without being meant")
	}
	if r := w.runWith("shared\n", ada, "network:destroy", "shared"); r.err != nil {
		t.Errorf("destroy: %v", r.err)
	}
	if r := w.run(ada, "network:exists", "shared"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("exists: %v", r.err)
	}
	if out := w.ok("network:list", "--quiet"); out != "other\n" {
		t.Errorf("list = %q", out)
	}
}

func TestNetworksAreAddedToThoseOfAnAppAndTakenAway(t *testing.T) {
	w := newWorld(t)
	w.ok("network:create", "shared")
	w.ok("network:create", "other")

	w.ok("network:attach", "blog", "shared")
	if out := w.ok("network:attach", "blog", "other", "shared"); out != "-----> blog is on shared, other besides its own from the next deploy or ps:restart on\n" {
		t.Errorf("attach = %q", out)
	}
	w.deploy("blog", "web: serve\n")
	if spec := w.engine.Started()[0]; len(spec.Options.Networks) != 2 || spec.Options.Networks[1].Network != "other" {
		t.Errorf("blog is on %+v", spec.Options.Networks)
	}
	for _, line := range []string{"network:attach blog other gone", "network:detach blog other gone"} {
		if r := w.run(ada, strings.Fields(line)...); !errors.Is(r.err, appliance.ErrNotFound) {
			t.Errorf("%s: %v", line, r.err)
		}
	}
	if out := w.ok("network:report", "blog", "--network-attach-post-create"); out != "shared,other\n" {
		t.Errorf("report = %q, want that nothing was half done", out)
	}
	if out := w.ok("network:detach", "blog", "shared", "other"); out != "-----> blog is on no network but its own from the next deploy or ps:restart on\n" {
		t.Errorf("detach = %q", out)
	}
	w.ok("ps:restart", "blog")
	w.Wait()
	w.ok("network:destroy", "shared", "--force")
}

// Attacks: a network that is not ours, the machine's, another app's own.
func TestAppIsNotPutOnANetworkThatIsNotShared(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"host", "bridge", "none", "container:api", "berth-test.api", "../x", "-x", "api", "default", strings.Repeat("a", 100)} {
		if r := w.run(ada, "network:set", "--", "blog", "attach-post-create", name); r.err == nil {
			t.Errorf("%q was set", name)
		}
	}
	for _, name := range []string{"", "-x", "../x", "A", "a b", "a\n", strings.Repeat("a", 100)} {
		if r := w.run(ada, "network:create", "--", name); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("create %q: %v", name, r.err)
		}
	}
	if r := w.run(ada, "network:set", "blog", "bind-all-interfaces", "true"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("another property: %v", r.err)
	}
}
