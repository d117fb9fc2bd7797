package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

func TestUnknownCommandSaysWhatCouldHaveBeenMeant(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		actor    appliance.Actor
		typed    string
		want     string
		wantsNot string
	}{
		{ada, "apps:lits", "did you mean apps:list?", ""},
		{ada, "confg:set", "did you mean config:set?", ""},
		{ada, "app:crate", "did you mean apps:create?", ""},
		{ada, "xyzzy", "", "did you mean"},
		{ada, "--quite", "did you mean --quiet?", ""},
		{ada, "--forec", "did you mean --force?", ""},
		{ada, strings.Repeat("x", 100<<10), "", "did you mean"},
		// What one may not use is not what one meant.
		{val, "apps:crate", "", "apps:create"},
		{eve, "config:st", "", "config:set"},
		{nobody, "apps:lits", "", "config:set"},
	} {
		r := w.run(tt.actor, tt.typed)

		hint := appliance.HintOf(r.err)
		if !errors.Is(r.err, command.ErrUsage) || !strings.Contains(hint, tt.want) || tt.wantsNot != "" && strings.Contains(hint, tt.wantsNot) || !strings.Contains(hint, "`help` lists") {
			t.Errorf("%.40q as %s: %v, hint %q, want %q and not %q", tt.typed, tt.actor.Name, r.err, hint, tt.want, tt.wantsNot)
		}
	}
	if r := w.run(ada, "config", "blgo"); appliance.HintOf(r.err) != "did you mean blog?\napps:list shows the apps there are" {
		t.Errorf("config blgo: %v, hint %q", r.err, appliance.HintOf(r.err))
	}
}

func TestWrongArgumentsAreAnsweredWithUsageAndAnExample(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ line, err, hint string }{
		{"config:set blog", "usage: config:set <app> <key[=value]>...", "for example: config:set blog "},
		{"config:set blog A=1 --nope", "usage: config:set <app> <key[=value]>...: unknown flag: --nope", "`help config:set` says more"},
		{"config:set", "Please specify an app to run the command on", "usage: config:set <app> <key[=value]>..."},
		{"config:set KEY=value", "Please specify an app to run the command on", "for example: config:set blog "},
		{"config:set --app blog", "usage: config:set <app> <key[=value]>...", "for example"},
		{"apps:list --app blog", "usage: apps:list: unknown flag: --app", ""},
	} {
		r := w.run(ada, strings.Fields(tt.line)...)

		if !errors.Is(r.err, command.ErrUsage) || r.err.Error() != tt.err || !strings.Contains(appliance.HintOf(r.err), tt.hint) {
			t.Errorf("%s: %v, hint %q, want %q, %q", tt.line, r.err, appliance.HintOf(r.err), tt.err, tt.hint)
		}
		if missing := strings.HasPrefix(tt.err, "Please"); errors.Is(r.err, command.ErrNoApp) != missing {
			t.Errorf("%s: %v, want ErrNoApp: %v", tt.line, r.err, missing)
		}
	}
}

func TestAppIsNamedByAFlagAsWell(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{
		"config:set --app blog A=1 --no-restart", "config:set --no-restart A=1 --app=blog", "--app blog config:set --no-restart A=1", "--app=blog --quiet config:set A=1 --no-restart",
		"--app blog config:set blog A=1 --no-restart", "--trace --force config:set blog A=1 --no-restart --trace",
	} {
		w.ok("config:set", "blog", "--no-restart", "A=0")
		w.ok(strings.Fields(line)...)

		if got := w.ok("config:get", "blog", "A"); got != "1\n" {
			t.Errorf("%s: A = %q, want 1", line, got)
		}
		if e := w.last(); e.App != "blog" || strings.Contains(e.Detail, "blog") || !strings.Contains(e.Detail, "A") {
			t.Errorf("%s: event = %+v, want its app", line, e)
		}
	}
	// Whoever asks, the app of the flag is the one that the gate looks at.
	for _, line := range []string{"--app api ps", "ps --app api", "ps --app=api", "--app=api ps", "--app blog ps --app api"} {
		if r := w.run(bob, strings.Fields(line)...); !errors.Is(r.err, appliance.ErrDenied) {
			t.Errorf("%s of a deployer of blog: %v, want ErrDenied", line, r.err)
		}
	}
	if got := w.ok("--app", "blog", "apps:list", "--quiet"); got != "api\nblog\n" {
		t.Errorf("apps:list of one app = %q, want it to mean nothing, as in Dokku", got)
	}
	if r := w.run(ada, "http-auth:add-user", "--app", "blog", "vera", "hunter2"); !errors.Is(r.err, command.ErrUsage) || strings.Contains(w.last().Detail, "hunter2") {
		t.Errorf("a password too many: %v, event = %+v, want it not to be in there", r.err, w.last())
	}
}

func TestQuietLeavesHeadingsAway(t *testing.T) {
	w := newWorld(t)
	if got := w.ok("--quiet", "apps:list"); got != "api\nblog\n" {
		t.Errorf("--quiet apps:list = %q", got)
	}
	if got := w.ok("access:grant", "blog", "eve", "view", "--quiet"); got != "" {
		t.Errorf("access:grant --quiet = %q, want nothing", got)
	}
	w.ok("config:set", "blog", "--no-restart", "A=-----> not a heading")
	if got := w.ok("--quiet", "config:get", "blog", "A"); got != "-----> not a heading\n" {
		t.Errorf("--quiet config:get = %q, want the value", got)
	}
}

func TestDokkusOtherNamesForGroupsAreKnown(t *testing.T) {
	w := newWorld(t)

	w.ok("dockerfile:set", "blog", "dockerfile-path", "a/Dockerfile")

	if got := w.ok("builder-dockerfile:report", "blog"); !strings.Contains(got, "a/Dockerfile") {
		t.Errorf("builder-dockerfile:report = %s", got)
	}
	if e := w.last(); e.Action != "builder-dockerfile:set" {
		t.Errorf("event = %+v, want the command's own name", e)
	}
	if r := w.run(val, "dockerfile:set", "blog", "dockerfile-path", "b"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("as a viewer: %v, want ErrDenied", r.err)
	}
}
