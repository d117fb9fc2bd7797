package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

func TestAccessIsGivenAndTakenBack(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		level    string
		may, not []string
	}{
		{"view", []string{"ps", "blog"}, []string{"config", "blog"}},
		{"admin", []string{"access:grant", "blog", "eve", "admin"}, []string{"apps:create", "mine"}},
		{"deploy", []string{"config", "blog"}, []string{"access:grant", "blog", "eve", "admin"}},
	} {
		w.ok("access:grant", "blog", "eve", tt.level)

		if r := w.run(eve, tt.may...); r.err != nil {
			t.Errorf("%s: %q: %v", tt.level, tt.may, r.err)
		}
		if r := w.run(eve, tt.not...); !errors.Is(r.err, appliance.ErrDenied) {
			t.Errorf("%s: %q: %v, want ErrDenied", tt.level, tt.not, r.err)
		}
	}
	if list := w.ok("access:list", "blog", "--quiet"); !strings.Contains(list, "\neve                      deploy\n") {
		t.Errorf("access:list:\n%s", list)
	}
	if got, want := w.ok("access:list", "api", "--format", "json"), `[{"app":"api","who":"carol","level":"admin"}]`+"\n"; got != want {
		t.Errorf("access:list api = %q, want %q", got, want)
	}
	w.ok("access:revoke", "blog", "eve")
	if r := w.run(eve, "ps", "blog"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("revoked: %v, want ErrDenied", r.err)
	}
	if r := w.run(ada, "access:grant", "blog", "eve", "root"); !errors.Is(r.err, appliance.ErrInvalid) || !strings.Contains(appliance.HintOf(r.err), "view, deploy, admin") {
		t.Errorf("a level that is none: %v, want the levels there are", r.err)
	}
	for _, who := range []string{"gone", "@gone", "@", ""} {
		if r := w.run(ada, "access:grant", "blog", who, "view"); !errors.Is(r.err, appliance.ErrNotFound) {
			t.Errorf("access:grant to %q: %v, want ErrNotFound", who, r.err)
		}
		if r := w.run(ada, "access:revoke", "blog", who); !errors.Is(r.err, appliance.ErrNotFound) {
			t.Errorf("access:revoke from %q: %v, want ErrNotFound", who, r.err)
		}
	}
}

// A refusal says what is missing, whether or not the app is there.
func TestRefusalSaysWhichAccessIsMissing(t *testing.T) {
	w := newWorld(t)
	for _, app := range []string{"blog", "gone"} {
		r := w.run(eve, "config", app)

		if want := "an admin can let you in: access:grant " + app + " eve deploy"; appliance.HintOf(r.err) != want {
			t.Errorf("config %s: hint %q, want %q", app, appliance.HintOf(r.err), want)
		}
	}
}

func TestTeamIsGrantedAnAppTogether(t *testing.T) {
	w := newWorld(t)
	w.ok("teams:create", "devs")
	w.ok("teams:add", "@devs", "eve", "carol")
	w.ok("access:grant", "blog", "@devs", "view")

	if r := w.run(eve, "ps", "blog"); r.err != nil {
		t.Errorf("ps of a member: %v", r.err)
	}
	if r := w.run(eve, "config", "blog"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("config of a member: %v, want ErrDenied", r.err)
	}
	if r := w.run(carol, "apps:list", "--quiet"); r.stdout != "api\nblog\n" {
		t.Errorf("apps:list = %q, want the team's too", r.stdout)
	}
	if got, want := w.ok("teams:list", "--format", "json"), `[{"name":"devs","keys":["carol","eve"]}]`+"\n"; got != want {
		t.Errorf("teams:list = %q, want %q", got, want)
	}
	w.ok("teams:remove", "devs", "eve")
	if r := w.run(eve, "ps", "blog"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("out of the team: %v, want ErrDenied", r.err)
	}
	w.ok("teams:destroy", "devs", "--force")
	if r := w.run(carol, "ps", "blog"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("without the team: %v, want ErrDenied", r.err)
	}
	for _, line := range []string{"teams:add devs eve", "teams:add gone eve", "teams:destroy devs", "teams:list devs", "teams:remove devs eve"} {
		if r := w.run(ada, strings.Fields(line)...); !errors.Is(r.err, appliance.ErrNotFound) || appliance.HintOf(r.err) == "" {
			t.Errorf("%s: %v, want ErrNotFound and what to do", line, r.err)
		}
	}
	w.ok("teams:create", "ops")
	if r := w.run(ada, "teams:create", "ops"); !errors.Is(r.err, appliance.ErrExists) {
		t.Errorf("a second team of the name: %v, want ErrExists", r.err)
	}
	if r := w.run(ada, "teams:create", "a b"); !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("a name with a space: %v, want ErrInvalid", r.err)
	}
	if r := w.run(ada, "teams:create"); !errors.Is(r.err, command.ErrUsage) {
		t.Errorf("no name: %v, want ErrUsage", r.err)
	}
}
