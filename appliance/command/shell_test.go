package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestShellRunsOneCommandAfterAnother(t *testing.T) {
	w := newWorld(t)
	s := w.sit(bob, "shell")
	s.sees("berth> ")

	s.types("config:set --no-restart blog 'GREETING=two  words'\r")
	s.sees("-----> Setting GREETING")
	s.types("config:get blog GREETING\r")
	s.sees("two  words\n")
	s.types("apps:create mine\r")
	s.sees(" !     apps:create: ")
	s.types("apps:lits\r")
	s.sees("did you mean apps:list?")
	s.types("config:get blog 'GREETING\r")
	s.sees(" !     usage: ")
	s.types("shell\r")
	s.sees(" !     usage: this is the shell already")
	s.types("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\r") // the fifth line back
	w.eventually("the value is shown again", func() bool { return strings.Count(s.screen.String(), "two  words\n") == 2 })
	s.types("config:get blog GREETINGS\r")
	s.sees(`"GREETINGS" of blog not found`)
	s.types("\x04")

	if status := s.status(); status != command.ExitNotFound {
		t.Errorf("status = %d, want that of the last command", status)
	}
	var seen []string
	events, err := w.Store.Events(t.Context(), "", 10)
	w.must(err)
	for _, e := range events {
		seen = append(seen, e.Actor+" "+e.Action)
	}
	if got, want := strings.Join(seen, ", "), "bob config:set, bob apps:create"; got != want {
		t.Errorf("events = %s, want %s", got, want)
	}
}

func TestShellCompletesWhatOneMayUse(t *testing.T) {
	w := newWorld(t)
	w.ok("config:set", "--no-restart", "blog", "A=1")
	s := w.sit(val, "shell")
	s.sees("berth> ")

	s.types("config:k\t")
	s.sees("config:keys")
	s.types("bl\t")
	s.sees("config:keys blog")
	s.types("\r")
	s.sees("\nA\n")
	s.types("apps:lo\t")
	s.sees("apps:locked")
	s.types("\x15releases\t")
	s.sees("releases:list")
	s.types("\x15apps:cre\tx\r")
	s.sees("`apps:crex` is not a berth command") // it is for admins
	s.types("\x04")

	if status := s.status(); status != command.ExitUsage {
		t.Errorf("status = %d", status)
	}
}

func TestShellGivesCommandsTheTerminal(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	s := w.sit(bob, "shell")
	s.sizes <- appliance.Size{Rows: 20, Columns: 70}
	s.sees("berth> ")

	s.types("run blog " + enginetest.Program + " terminal\r")
	s.sees("vt220 20 rows 70 columns")
	s.sizes <- appliance.Size{Rows: 30, Columns: 99}
	s.sees("vt220 30 rows 99 columns")
	s.types("\x03 is a key\n")
	s.sees("typed \x03 is a key")
	s.types("\x04\n")
	s.sees("end of input")
	s.types("config:set --no-restart blog ASKED\r")
	s.sees("Value of ASKED: ")
	s.types("hunter2\r")
	s.sees("-----> Setting ASKED")
	s.types("ssh-keys:list\rurl blog\rexit\r") // what is typed ahead is not lost
	s.sees(".localhost")

	if status := s.status(); status != 0 {
		t.Errorf("status = %d\n%s", status, s.screen)
	}
	if env, err := w.Store.Config(t.Context(), "blog"); err != nil || env["ASKED"] != "hunter2" {
		t.Errorf("ASKED = %q, %v", env["ASKED"], err)
	}
	if strings.Contains(s.screen.String(), "hunter2") {
		t.Errorf("the secret is on the screen:\n%s", s.screen)
	}
}

// Ctrl-C gives up the line, or what runs, and never the shell.
func TestShellGoesOnAfterCtrlC(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	s := w.sit(bob, "shell")
	s.sees("berth> ")

	s.types("apps:destroy blog --force\x03url blog\r")
	s.sees("url blog\r\n")
	s.types("logs blog -t\r")
	s.sees("web.1]")
	s.types("\x03")
	s.types("config:set --no-restart blog ASKED\r")
	s.sees("Value of ASKED: ")
	s.types("hunter2\x03")
	s.sees(" !     interrupted")
	s.types("top --interval 60\r")
	s.sees("restarts")
	s.types("q")
	s.types("config:keys blog\r\x04")

	if status := s.status(); status != 0 {
		t.Errorf("status = %d\n%s", status, s.screen)
	}
	if env, err := w.Store.Config(t.Context(), "blog"); err != nil || len(env) > 0 {
		t.Errorf("config = %q, %v", env, err)
	}
}

// What is no key does not keep the shell busy, and what is too long is not cut.
func TestShellRefusesWhatNobodyTypes(t *testing.T) {
	w := newWorld(t)
	s := w.sit(bob, "shell")
	s.sees("berth> ")
	s.types(strings.Repeat("\xff\xc3", 1000) + "url blog\r")
	s.sees(".localhost")
	s.types("config:set --no-restart blog LONG=" + strings.Repeat("x", 5000) + "\r")
	s.sees("more than can be typed in one")
	if env, err := w.Store.Config(t.Context(), "blog"); err != nil || len(env) > 0 {
		t.Errorf("%d keys were set, %v", len(env), err)
	}

	s.types("\x1b[" + strings.Repeat("1", 1000))

	if err := <-s.ended; err == nil {
		t.Errorf("it ended well\n%s", s.screen)
	}
}

func TestShellTakesLinesFromStdin(t *testing.T) {
	w := newWorld(t)
	r := w.runWith("config:set --no-restart blog A=1\n\n# what follows is not there\nconfig:get blog B\nconfig:import blog\nconfig:get blog A\nexit\nconfig:set blog A=2\n", bob, "shell")
	if r.err != nil || !strings.HasSuffix(r.stdout, "\n1\n") || !strings.Contains(r.stderr, `"B" of blog not found`) {
		t.Errorf("%+v", r)
	}
	if env, err := w.Store.Config(t.Context(), "blog"); err != nil || env["A"] != "1" {
		t.Errorf("A = %q, %v", env["A"], err)
	}

	for line, want := range map[string]int{"config:get blog B": 3, "apps:create mine": 4, "apps:lits": 2, "shell": 2, "url blog": 0, `url "blog`: 2, "config:set blog A=\xff": 2} {
		if r := w.runWith(line, bob, "shell"); command.ExitStatus(r.err) != want {
			t.Errorf("%s: %v, want status %d", line, r.err, want)
		}
	}
	if r := w.runWith("ps gone\n", ada, "shell"); command.ExitStatus(r.err) != command.ExitNoApp {
		t.Errorf("ps gone: %v", r.err)
	}
	r = w.runWith("config:get blog B\n", bob, "--as=dokku", "shell")
	if command.ExitStatus(r.err) != 1 {
		t.Errorf("as dokku: %v, want the status that Dokku has", r.err)
	}
	r = w.runWith(strings.Repeat("x", 3<<20), bob, "shell")
	if !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("3 MB: %v", r.err)
	}
}
