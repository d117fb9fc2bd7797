package gateway_test

import (
	"strings"
	"testing"
)

func TestExitStatusTellsWhatWentWrong(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	for _, tt := range []struct {
		key    string
		args   []string
		status int
		error  string // the first line
		hint   string // the beginning of the second
	}{
		{"ada", []string{"apps:list"}, 0, "", ""},
		{"ada", []string{"apps:exists", "blog"}, 0, "", ""},
		{"ada", []string{"apps:create", "blog"}, 1, " !     app blog already exists", "       apps:list shows"},
		{"ada", []string{"apps:create", "Blog"}, 1, ` !     invalid app name "Blog"`, "       use 1 to 63"},
		{"ada", []string{"apps:destroy", "blog"}, 1, " !     WARNING", ""},
		{"ada", []string{"test:bug"}, 1, " !     something is broken inside Berth", "       the machine's log says more"},
		{"ada", []string{"apps:create"}, 1, " !     Please specify an app to run the command on", "       usage: apps:create <app>"},
		{"ada", []string{"config:get", "blog"}, 2, " !     usage: config:get <app> <key>", ""},
		{"ada", []string{"apps:list", "--no-such-flag"}, 2, " !     usage: apps:list", ""},
		{"ada", []string{"apps:lits"}, 2, " !     `apps:lits` is not a berth command", "       did you mean apps:list?"},
		{"ada", []string{"''"}, 2, " !     usage: the command line is empty", ""},
		{"ada", []string{"config:get", "blog", "NOPE"}, 3, ` !     config key "NOPE" of blog not found`, ""},
		{"ada", []string{"ssh-keys:remove", "zoe"}, 3, " !     key zoe not found", ""},
		{"bob", []string{"apps:create", "api"}, 4, " !     apps:create: permission denied", ""},
		{"bob", []string{"config", "blog"}, 4, " !     config blog: permission denied", ""},
		{"ada", []string{"config", "gone"}, 20, " !     App gone does not exist", ""},
		{"ada", []string{"apps:exists", "gone"}, 20, " !     App gone does not exist", ""},
	} {
		r := w.ssh(tt.key, tt.args...)

		first, second, _ := strings.Cut(r.stderr, "\n")
		if r.status != tt.status || !strings.HasPrefix(first, tt.error) || !strings.HasPrefix(second, tt.hint) {
			t.Errorf("%s %q: %d %q, want %d %q %q", tt.key, tt.args, r.status, r.stderr, tt.status, tt.error, tt.hint)
		}
		if tt.key == "ada" && !strings.Contains(strings.Join(tt.args, ""), "'") {
			if local := w.local(tt.args...); local.status != r.status || local.stderr != r.stderr || local.stdout != r.stdout {
				t.Errorf("%q through the socket: %+v, want as over ssh: %+v", tt.args, local, r)
			}
		}
	}
}

func TestArgumentsArriveAsTheyWereGiven(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	value := "a  b\t'c' \"d\" $HOME `id` \\ # ü\nsecond line;x|y&z"

	if r := w.local("config:set", "blog", "--no-restart", "KEY="+value); r.status != 0 {
		t.Fatalf("config:set: %+v", r)
	}

	if r := w.local("config:get", "blog", "KEY"); r.stdout != value+"\n" {
		t.Errorf("config:get = %q, want %q", r.stdout, value)
	}
}

func TestCommandsKnowWhoAskedByWhichDoor(t *testing.T) {
	w := newWorld(t)
	w.ssh("ada", "apps:create", "blog")
	w.local("apps:create", "api")

	events, err := w.Store.Events(t.Context(), "", 2)

	w.must(err)
	if e := events[0]; e.Actor != "ada" || e.Door != "ssh" || !strings.HasPrefix(e.From, "127.0.0.1:") || e.App != "blog" {
		t.Errorf("event = %+v", e)
	}
	if e := events[1]; e.Actor == "" || e.Door != "local" || e.App != "api" {
		t.Errorf("event = %+v", e)
	}
}

func TestBugInOneSessionLeavesTheOthers(t *testing.T) {
	w := newWorld(t)

	broken := w.ssh("bob", "test:bug")
	after := w.ssh("bob", "apps:list")

	if broken.status != 1 || strings.Contains(broken.stderr, "goroutine") || after.status != 0 {
		t.Errorf("broken = %+v, after = %+v", broken, after)
	}
}
