package command_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

func flagsOf(c command.Command) string {
	fs := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
	c.Flags(fs)
	return fs.FlagUsages()
}

// levels returns the level that each command is meant to have. It is written
// down apart from the commands, so that nobody opens one by mistake.
func levels(t *testing.T) map[string]command.Level {
	t.Helper()
	text, err := os.ReadFile("testdata/levels.txt")
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]command.Level{"admin": command.Admin, "manager": command.Manager, "deployer": command.Deployer, "viewer": command.Viewer, "anyone": command.Anyone}
	list := map[string]command.Level{}
	for line := range strings.Lines(string(text)) {
		name, level, _ := strings.Cut(strings.TrimSpace(line), " ")
		l, known := byName[level]
		if _, twice := list[name]; !known || twice {
			t.Errorf("testdata/levels.txt: %q: give each command once, with its level", line)
		}
		list[name] = l
	}
	return list
}

// Every command there is, asked by everybody there is.
func TestGateLetsThroughWhomACommandIsFor(t *testing.T) {
	w := newWorld(t)
	levels := levels(t)
	for _, c := range w.All() {
		level, ok := levels[c.Name]
		if !ok {
			t.Errorf("%s is not in testdata/levels.txt: write down whom it is for", c.Name)
		}
		delete(levels, c.Name)
		takesApp := strings.HasPrefix(c.Args, "<app>") || strings.HasPrefix(c.Args, "[<app>]")
		if level != command.Admin && level != command.Anyone && !takesApp {
			t.Errorf("%s is for those with access to the app in its first argument, and has none", c.Name)
		}
		for _, tt := range []struct {
			who   string
			actor appliance.Actor
			may   bool
		}{
			{"nobody", nobody, false},
			{"nobody who is admin", appliance.Actor{Admin: true}, false},
			{"a stranger", eve, level == command.Anyone},
			{"a manager of another", carol, level == command.Anyone},
			{"a viewer", val, level >= command.Viewer},
			{"a deployer", bob, level >= command.Deployer},
			{"a manager", mia, level >= command.Manager},
			{"an admin", ada, true},
		} {
			w.grant() // the last command may have taken it back

			r := w.run(tt.actor, args(c)...)

			if denied := errors.Is(r.err, appliance.ErrDenied); denied == tt.may {
				t.Errorf("%s as %s: %v, want it let through: %v", c.Name, tt.who, r.err, tt.may)
			}
			if !tt.may && r.stdout+r.stderr != "" {
				t.Errorf("%s as %s printed %q%q", c.Name, tt.who, r.stdout, r.stderr)
			}
		}
	}
	for name := range levels {
		t.Errorf("testdata/levels.txt has %s, which is no command", name)
	}
	if app, err := w.Store.App(t.Context(), "blog"); err != nil || app.Name != "blog" {
		t.Errorf("app = %v, %v, want it to be there still", app, err)
	}
}

// What a command does without the app that it can be about is about the whole
// machine.
func TestGateLetsOnlyAdminsLeaveTheAppAway(t *testing.T) {
	w := newWorld(t)
	for _, c := range w.All() {
		if !strings.HasPrefix(c.Args, "[<app>]") || c.For == command.Anyone {
			continue
		}
		if c.Bare != (c.Name == "report") {
			t.Errorf("%s without an app is for anyone: %v", c.Name, c.Bare)
		}
		if c.Bare {
			continue // TestReportHasWhatOneMayAskFor
		}
		if r := w.run(mia, c.Name); !errors.Is(r.err, appliance.ErrDenied) || r.stdout+r.stderr != "" {
			t.Errorf("%s without an app, as a manager of one: %v, %q", c.Name, r.err, r.stdout)
		}
		if r := w.run(ada, c.Name); errors.Is(r.err, appliance.ErrDenied) {
			t.Errorf("%s without an app, as an admin: %v", c.Name, r.err)
		}
	}
}

// What is about the whole machine is for admins, also of a command that
// members have for their app.
func TestGateLetsOnlyAdminsDoSomethingGlobally(t *testing.T) {
	w := newWorld(t)
	n := 0
	for _, c := range w.All() {
		if !c.Global {
			continue
		}
		n++
		line := append([]string{c.Name, "--global"}, args(c)[2:]...)

		if r := w.run(mia, line...); !errors.Is(r.err, appliance.ErrDenied) || r.stdout+r.stderr != "" {
			t.Errorf("%q as a manager of an app: %v, %q", line, r.err, r.stdout)
		}
		if e := w.last(); e.Action != c.Name || e.App != "" || e.Error == "" {
			t.Errorf("last event = %+v, want the refusal, of no app", e)
		}
		if r := w.run(ada, line...); errors.Is(r.err, appliance.ErrDenied) {
			t.Errorf("%q as an admin: %v", line, r.err)
		}
		if r := w.run(ada, append(line, "blog")...); c.Args == "<app>" && !errors.Is(r.err, command.ErrUsage) {
			t.Errorf("%q with an app too: %v", line, r.err)
		}
	}
	if n == 0 {
		t.Error("no command can be global: this test shows nothing")
	}
}

// A refusal is the same for what is there and what is not.
func TestStrangerIsNotToldWhichAppsThereAre(t *testing.T) {
	w := newWorld(t)
	for _, c := range w.All() {
		if c.For == command.Admin || c.For == command.Anyone {
			continue
		}
		there := args(c)
		gone := append([]string{c.Name, "gone"}, there[2:]...)

		a, b := w.run(eve, there...), w.run(eve, gone...)

		if strings.ReplaceAll(a.err.Error(), "blog", "gone") != b.err.Error() || !errors.Is(b.err, appliance.ErrDenied) {
			t.Errorf("%s: %q for an app that is there, %q for one that is not", c.Name, a.err, b.err)
		}
	}
	if r := w.run(carol, "apps:list", "--quiet"); r.stdout != "api\n" {
		t.Errorf("apps:list of a member of api = %q", r.stdout)
	}
	for _, tt := range []struct {
		actor    appliance.Actor
		can, not string
	}{{eve, "apps:list", "ps:report"}, {val, "ps:report", "config:set"}, {bob, "config:set", "domains:add"}, {mia, "domains:add", "apps:create"}, {ada, "apps:create", "no:such"}} {
		if r := w.run(tt.actor, "help", "--all"); strings.Contains(r.stdout, tt.not) || !strings.Contains(r.stdout, tt.can) {
			t.Errorf("help for %s has %s or has not %s:\n%s", tt.actor.Name, tt.not, tt.can, r.stdout)
		}
	}
}

func TestTrailHasWhatChangesSomethingAndWhatWasRefused(t *testing.T) {
	for _, c := range newWorld(t).All() {
		t.Run(c.Name, func(t *testing.T) {
			w := newWorld(t)

			w.run(ada, args(c)...)
			done := w.last()
			w.run(nobody, args(c)...)
			refused := w.last()

			// A command may do stages besides.
			if got := done.Action == c.Name; got == c.Reads {
				t.Errorf("last event = %+v, want one of the command: %v", done, !c.Reads)
			}
			if refused.Action != c.Name || refused.Error == "" {
				t.Errorf("last event = %+v, want the refusal", refused)
			}
			if !c.Reads && (done.Actor != "ada" || done.Door != appliance.Local) {
				t.Errorf("last event = %+v, want who asked", done)
			}
			if (strings.HasPrefix(c.Args, "<app>") || strings.HasPrefix(c.Args, "[<app>]")) && refused.App != "blog" {
				t.Errorf("last event = %+v, want its app", refused)
			}
			events, err := w.Store.Events(t.Context(), "", -1)
			w.must(err)
			for _, e := range events {
				if strings.Contains(e.Detail+e.Error, "hunter2") {
					t.Errorf("event = %+v has the value", e)
				}
			}
		})
	}
}

// A shell between two people and us takes quotes away: KEY="my secret" arrives
// as KEY=my and secret.
func TestTrailHasNoPieceOfAValue(t *testing.T) {
	w := newWorld(t)
	for _, line := range [][]string{
		{"config:set", "blog", "KEY=hunter2"},
		{"config:set", "blog", "KEY=my", "hunter2"},
		{"config:set", "blog", "hunter2"},
		{"config:set", "blog", "KEY=my", "-hunter2"},
		{"config:set", "blog", "KEY=my", "--hunter2"},
		{"config:set", "blog", "1KEY=hunter2"},
		{"config:set", "hunter2 blog", "KEY=hunter2"},
		{"config:set", "--no-restart", "blog", "KEY=hunter2"},
		{"config:set", "blog", "KEY=" + strings.Repeat("hunter2", 20<<10)},
	} {
		w.run(bob, line...)

		e := w.last()
		if text := e.Detail + e.Error; strings.Contains(text, "hunter2") && line[1] != "hunter2 blog" || e.Action != "config:set" || len(text) > 1000 {
			t.Errorf("%.80q: event = %.400q", line, text)
		}
		if e.Actor != "bob" || e.From != "192.0.2.1:5" {
			t.Errorf("%.80q: event = %+v, want who asked from where", line, e)
		}
	}
	w.run(ada, "config:set", "--no-restart", "blog", "A=1", "B=2")
	if e := w.last(); e.App != "blog" || e.Detail != "--no-restart A B" || e.Error != "" {
		t.Errorf("event = %+v, want which keys", e)
	}
}

// On other machines passwords and tokens are arguments. Here the command is
// refused, and what was typed must not be there for all admins to read.
func TestTrailHasNothingThatACommandDoesNotTake(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{
		"http-auth:add-user blog vera hunter2", "http-auth:add-user blog vera --generate hunter2", "http-auth:add-user blog hunter2x hunter2 hunter2",
		"letsencrypt:dns hetzner hunter2", "letsencrypt:eab KEY-ID hunter2", "letsencrypt:eab --fallback KEY-ID hunter2",
		"certs:add blog -----BEGIN PRIVATE KEY----- hunter2", "certs:add --global hunter2", "maintenance:custom-page blog hunter2",
	} {
		r := w.run(ada, strings.Fields(line)...)

		e := w.last()
		if !errors.Is(r.err, command.ErrUsage) || strings.Contains(strings.ReplaceAll(e.Detail, "hunter2x", "")+e.Error, "hunter2") || e.Action != strings.Fields(line)[0] {
			t.Errorf("%s: %v, event = %+v, want it without the secret", line, r.err, e)
		}
	}
	w.run(ada, "http-auth:add-user", "blog", "vera", "hunter2")
	if e := w.last(); e.App != "blog" || e.Detail != "vera …" {
		t.Errorf("event = %+v, want the rest of it", e)
	}
}

func TestCommandLineThatMakesNoSenseIsAUsageError(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{
		"no:such", "APPS:LIST", "-x", "--nope", "apps:create", "apps:create a b", "apps:list extra", "apps:list --nope", "config:set blog",
		"config:get blog", "config:get blog A B", "domains:add blog", "git:set blog", "ssh-keys:add", "logs blog --num=x", "logs blog --num=-1",
		"apps:list --format=xml", "events --format", "url", "stack:set a b c",
	} {
		if r := w.run(ada, strings.Fields(line)...); !errors.Is(r.err, command.ErrUsage) {
			if line == "logs blog --num=-1" && strings.Contains(r.err.Error(), "has not been deployed") {
				continue
			}
			t.Errorf("%s: %v, want ErrUsage", line, r.err)
		}
	}
	if r := w.run(ada, "apps:create", "../x"); !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("apps:create ../x: %v, want ErrInvalid", r.err)
	}
}

// textOnly are the commands that change nothing and have no --format json, each
// with what they print instead.
var textOnly = map[string]string{
	"run:logs":    "what a command printed",
	"ps:inspect":  "JSON, as Docker has it",
	"apps:exists": "nothing", "network:exists": "a line", "network:rebuild": "nothing is done", "apps:locked": "a line", "git:auth-status": "nothing",
	"url": "an address", "maintenance:custom-page-export": "a page", "version": "a version", "config:get": "a value", "git:public-key": "a key", "certs:root": "PEM", "certs:show": "PEM",
	"builds:output": "what a build printed", "logs:failed": "what a process printed", "config:bundle": "a file of the environment", "router:metrics": "Prometheus's own form", "help": "a page", "completion": "a script", "complete": "words",
	"events:on": "nothing is done", "shell": "what its commands print", "network:rebuildall": "nothing is done", "nginx:validate-config": "lines",
	"proxy:build-config": "nothing is done", "proxy:clear-config": "nothing is done",
}

func TestWhatOnlyShowsSomethingIsJSONForScripts(t *testing.T) {
	for _, c := range newWorld(t).All() {
		_, text := textOnly[c.Name]
		if hasJSON := c.Flags != nil && strings.Contains(flagsOf(c), "--format"); c.Reads && hasJSON == text {
			t.Errorf("%s has --format json: %v, and is in textOnly: %v", c.Name, hasJSON, text)
		}
	}
}

func TestEveryListingIsJSONForScripts(t *testing.T) {
	for name, prepare := range map[string]func(w *world){
		"with nothing":   func(w *world) { w.ok("ssh-keys:remove", "bob") },
		"with something": func(w *world) { w.deploy("blog", "web: serve\n") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			w.engine.AddImage("stack", appliance.ImageInfo{})
			w.ok("stack:set", "--global", "stack")
			list := w.listings()
			if len(list) < 10 {
				t.Fatalf("only %d commands list something: this test shows nothing", len(list))
			}
			for _, c := range list {
				line := []string{c.Name, "--format", "json"}
				if strings.HasPrefix(c.Args, "<app>") {
					line = append(line, "blog")
				}

				r := w.run(ada, line...)

				if r.err != nil {
					t.Errorf("%s: %v", c.Name, r.err)
				} else if err := isList(r.stdout); err != nil {
					t.Errorf("%s printed %q: %v", c.Name, r.stdout, err)
				}
				if plain := w.run(ada, append(line[:1:1], line[3:]...)...); plain.err != nil || isList(plain.stdout) == nil {
					t.Errorf("%s without --format: %v, %q", c.Name, plain.err, plain.stdout)
				}
			}
		})
	}
}
