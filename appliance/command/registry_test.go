package command_test

import (
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestLoginThatTheRegistryRefusesIsNotKeptAndNoPasswordIsTold(t *testing.T) {
	w := newWorld(t)
	w.engine.AddRegistry(appliance.RegistryLogin{Server: "registry.example.test", User: "acme", Password: "hunter2"})

	wrong := w.runWith("hunter3\n", ada, "registry:login", "blog", "registry.example.test", "acme", "--password-stdin")
	before := w.ok("registry:report", "blog")
	out := w.ok("registry:login", "blog", "registry.example.test", "acme", "hunter2")
	after := w.ok("registry:report", "blog")
	logout := w.ok("registry:logout", "blog", "registry.example.test")

	if wrong.err == nil || !strings.Contains(wrong.err.Error(), "unauthorized") || !strings.Contains(appliance.HintOf(wrong.err), "nothing was changed") {
		t.Errorf("with a wrong password: %v (%s)", wrong.err, appliance.HintOf(wrong.err))
	}
	if strings.Contains(before, "acme") || !strings.Contains(after, "acme at registry.example.test") {
		t.Errorf("report before = %q, after = %q, want the login only after", before, after)
	}
	if out != "Login Succeeded\n" || !strings.Contains(logout, "Removing login credentials for registry.example.test") || strings.Contains(w.ok("registry:report", "blog"), "acme at") {
		t.Errorf("login = %q, logout = %q", out, logout)
	}
	if r := w.run(ada, "registry:logout", "blog", "registry.example.test"); r.err == nil {
		t.Error("logout twice: no error")
	}
	events, err := w.Store.Events(t.Context(), "", -1)
	w.must(err)
	for _, e := range events {
		if strings.Contains(e.Detail+e.Error, "hunter") {
			t.Errorf("event = %+v has the password", e)
		}
	}
	for _, text := range []string{wrong.err.Error(), wrong.stderr, wrong.stdout, out, after, logout} {
		if strings.Contains(text, "hunter") {
			t.Errorf("%q has the password", text)
		}
	}
}

// A manager of one app could otherwise push into the place of another's image
// with the machine's login.
func TestWhereImagesArePushedToIsForAdmins(t *testing.T) {
	w := newWorld(t)

	refused := w.run(bob, "registry:set", "blog", "image-repo", "acme/other")
	shared := w.run(ada, "registry:set", "--global", "image-repo", "acme/all")

	if refused.err == nil {
		t.Error("set by somebody else than an admin: no error")
	}
	if shared.err == nil || !strings.Contains(appliance.HintOf(shared.err), "image-repo-template") {
		t.Errorf("one repository for all apps: %v, want the template named", shared.err)
	}
	for _, bad := range []string{"server a/b", "image-repo a:1", "push-on-release perhaps", "push-extra-tags a,,b", "colour red"} {
		if r := w.run(ada, append([]string{"registry:set", "blog"}, strings.Fields(bad)...)...); r.err == nil {
			t.Errorf("registry:set blog %s: no error", bad)
		}
	}
}
