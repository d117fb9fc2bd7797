package command_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anmitsu/go-shlex"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/enginetest"
)

// typed runs what somebody has typed behind ssh's host: SSH makes one line of
// the words that their shell has made of it.
func (w *world) typed(actor appliance.Actor, words ...string) result {
	w.t.Helper()
	line := strings.Join(words, " ")
	args, err := shlex.Split(line, true)
	w.must(err)
	var stdout, stderr bytes.Buffer
	err = w.Execute(w.t.Context(), &command.Session{
		Actor: actor, Line: line, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
	}, args)
	return result{stdout.String(), stderr.String(), err}
}

func endsAtOnce(context.Context, appliance.RunSpec) (appliance.RunResult, error) {
	return appliance.RunResult{}, nil
}

// ran returns what the engine was asked to run last.
func (w *world) ran() appliance.RunSpec {
	w.t.Helper()
	all := w.engine.Ran()
	if len(all) == 0 {
		w.t.Fatal("nothing was run")
	}
	return all[len(all)-1]
}

// A job that is run by hand may be given less time than by the clock.
func TestCronJobIsRunForAsLongAsItMay(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n", `{"cron": [{"command": "`+enginetest.Program+` deaf --token=hunter2", "schedule": "0 3 * * *"}]}`)
	id, _, _ := strings.Cut(w.ok("cron:list", "blog", "--quiet"), " ")
	for _, bad := range []string{"0", "-1", "x", "99999999999"} {
		if r := w.run(ada, "cron:run", "blog", id, "--ttl-seconds", bad); !errors.Is(r.err, command.ErrUsage) {
			t.Errorf("--ttl-seconds %s: %v, want ErrUsage", bad, r.err)
		}
	}

	w.ok("cron:run", "blog", id, "--detach", "--ttl-seconds", "3600")

	runs, err := w.OneOffs(t.Context(), "blog", true)
	if err != nil || len(runs) != 1 || runs[0].Deadline.Sub(runs[0].Started).Round(time.Minute) != time.Hour {
		t.Errorf("runs = %+v, %v, want one that may take an hour", runs, err)
	}
	for _, line := range []string{"cron:list blog", "cron:list blog --format json", "run:list blog", "run:list blog --format json"} {
		if r := w.run(val, strings.Fields(line)...); r.err != nil || strings.Contains(r.stdout, "hunter2") || !strings.Contains(r.stdout, enginetest.Program) {
			t.Errorf("%s of a viewer: %q, %v, want the first word of the command", line, r.stdout, r.err)
		}
		if r := w.run(bob, strings.Fields(line)...); r.err != nil || !strings.Contains(r.stdout, "hunter2") {
			t.Errorf("%s of a deployer: %q, %v, want the command", line, r.stdout, r.err)
		}
	}
}

func TestRunGivesAProgramItsWordsAsTheyWereMeant(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: "+enginetest.Program+"\nworker: "+enginetest.Program+" say 0\n")
	w.engine.Program = endsAtOnce
	for name, tt := range map[string]struct{ typed, want []string }{
		"words":                         {[]string{"run", "blog", "rails", "db:migrate", "--trace"}, []string{"rails", "db:migrate", "--trace"}},
		"flags of the program":          {[]string{"run", "blog", "ls", "-e", "--env", "x", "--", "y"}, []string{"ls", "-e", "--env", "x", "--", "y"}},
		"after a --":                    {[]string{"run", "blog", "--", "ls", "-l"}, []string{"ls", "-l"}},
		"flags before and after":        {[]string{"run", "--no-tty", "blog", "-e", "A=1", "ls"}, []string{"ls"}},
		"a script whose quotes SSH ate": {[]string{"run", "blog", "--", "sh", "-c", `echo "a  b" 'c'`}, []string{"sh", "-c", `echo "a  b" 'c'`}},
		"without --":                    {[]string{"run", "blog", "bash", "-c", "exit 3"}, []string{"bash", "-c", "exit 3"}},
		"one that is quoted twice":      {[]string{"run", "blog", "sh", "-c", `'echo "$1"'`, "name", `"a b"`}, []string{"sh", "-c", `echo "$1"`, "name", "a b"}},
		"quotes of a program":           {[]string{"run", "blog", "psql", "-c", `'select 1'`}, []string{"psql", "-c", "select 1"}},
		"a line for a shell":            {[]string{"run", "blog", `"rails c; echo done"`}, []string{"/bin/sh", "-c", "rails c; echo done"}},
		"a process type":                {[]string{"run", "blog", "worker"}, []string{"/bin/sh", "-c", enginetest.Program + " say 0"}},
		"a process type, with words":    {[]string{"run", "blog", "worker", "fast"}, []string{"worker", "fast"}},
	} {
		if r := w.typed(ada, tt.typed...); r.err != nil {
			t.Errorf("%s: %v", name, r.err)
		} else if got := w.ran().Command; !slices.Equal(got, tt.want) {
			t.Errorf("%s: it runs %q, want %q", name, got, tt.want)
		}
	}
}

func TestRunHasTheAppsEnvironmentAndWhatWasAdded(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.ok("config:set", "blog", "COLOUR=grey", "SHADE=light")

	out := w.ok("run", "-e", "SHADE=dark = black", "blog", "-e", "EXTRA=1", enginetest.Program, "env")

	for _, want := range []string{"COLOUR=grey", "SHADE=dark = black", "EXTRA=1", "DYNO=run."} {
		if !strings.Contains("\n"+out, "\n"+want) {
			t.Errorf("environment = %q, want %s in it", out, want)
		}
	}
	if strings.Contains(out, "SHADE=light") {
		t.Errorf("environment = %q, which has SHADE twice", out)
	}
}

func TestRunEndsAsItsProgramDoes(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")

	r := w.run(ada, "run", "blog", enginetest.Program, "say", "3", "to stdout", "to stderr")

	if exit, ok := errors.AsType[command.ExitError](r.err); !ok || exit != 3 || r.stdout != "to stdout\n" || r.stderr != "to stderr\n" {
		t.Errorf("run = %+v, want status 3 and both streams apart", r)
	}
	if e := w.last(); e.Action != "run" || e.App != "blog" || e.Detail != enginetest.Program+" …" || e.Error != "exited with status 3" {
		t.Errorf("event = %+v", e)
	}
}

func TestRunSaysHowMuchMemoryThereWasOfTooLittle(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.ok("resource:limit", "blog", "--memory", "64m")

	r := w.run(ada, "run", "blog", enginetest.Program, "eat")

	if exit, ok := errors.AsType[command.ExitError](r.err); !ok || exit != 137 || r.stderr != " !     it was killed: out of memory (limit 64 MB, peak 64 MB)\n" {
		t.Errorf("run = %v, %q, want status 137, and the limit and the peak", r.err, r.stderr)
	}
}

func TestRunIsEndedWhenItsTimeIsOver(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")

	r := w.run(ada, "run", "--ttl-seconds", "1", "blog", enginetest.Program, "deaf")

	if r.err == nil || !strings.Contains(r.err.Error(), "it took longer than 1s") {
		t.Errorf("run = %v, want that it took too long", r.err)
	}
}

func TestRunRefusesWhatMakesNoSense(t *testing.T) {
	w := newWorld(t)
	if r := w.run(ada, "run", "blog", "env"); r.err == nil || !strings.Contains(r.err.Error(), "has not been deployed") {
		t.Errorf("before a deploy: %v", r.err)
	}
	w.deploy("blog", "")
	w.engine.Program = endsAtOnce
	before := len(w.engine.Ran())
	for name, args := range map[string][]string{
		"no command":           {"run", "blog"},
		"flags only":           {"run", "blog", "-e", "A=1"},
		"a lone --":            {"run", "blog", "--"},
		"an unknown flag":      {"run", "blog", "--rm", "ls"},
		"no pair":              {"run", "-e", "A", "blog", "ls"},
		"a NUL":                {"run", "blog", "ls", "a\x00b"},
		"both ways":            {"run", "--no-tty", "--force-tty", "blog", "ls"},
		"no time":              {"run", "--ttl-seconds", "0", "blog", "ls"},
		"longer than anything": {"run", "--ttl-seconds", "99999999999", "blog", "ls"},
	} {
		if r := w.run(ada, args...); r.err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if now := len(w.engine.Ran()); now != before {
		t.Errorf("%d of them ran", now-before)
	}
}

// What people type behind run holds passwords, and the trail is for everybody
// who may see the app.
func TestTheAuditTrailHasNothingOfARunThatMayBeASecret(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.engine.Program = endsAtOnce
	for _, args := range [][]string{
		{"run", "-e", "TOKEN=hunter2", "blog", "curl", "-u", "ada:hunter2"},
		{"run", "blog", "--env=TOKEN=hunter2", "mysql", "-phunter2"},
		{"run", "blog", "--", "psql", "postgres://ada:hunter2@db/blog"},
		{"run", "blog", "PASSWORD=hunter2 rails c"},
		{"run", "blog", "postgres://ada:hunter2@db/blog"},
		{"run", "blog", "--no-such-flag", "hunter2"},
		{"run", "--nothing=hunter2", "blog", "hunter2"},
		{"run", "--env", "hunter2", "blog", "ls", "hunter2"},
	} {
		w.run(ada, args...)

		if e := w.last(); e.Action != "run" || strings.Contains(e.Detail+e.Error, "hunter2") {
			t.Errorf("%q left %+v", args, e)
		}
	}
}

func TestOnlyWhatRunsAProgramTakesTheTerminalOver(t *testing.T) {
	for line, want := range map[string]bool{
		"run blog bash": true, "run blog ls --no-tty": true, "enter blog web": true, "run -e A=1 blog bash": true,
		"run --no-tty blog bash": false, "run blog --no-tty bash": false, "apps:destroy blog": false, "": false, "run:detached blog ls": false,
	} {
		if got := command.TakesTerminal(strings.Fields(line)); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}
