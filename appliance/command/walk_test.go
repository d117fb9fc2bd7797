package command_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/enginetest"
)

// for people are the commands that help lists.
func (w *world) forPeople() []command.Command {
	return slices.DeleteFunc(w.All(), func(c command.Command) bool { return c.Hidden })
}

// words splits an example as a shell does, without what is around the command.
func words(t *testing.T, example string) []string {
	t.Helper()
	line := regexp.MustCompile(` [<>] .*`).ReplaceAllString(example, "")
	out, err := exec.Command("sh", "-c", "set -f; printf '%s\\n' "+line).CombinedOutput()
	if err != nil {
		t.Errorf("%q is no command line: %v\n%s", example, err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func TestWalkEveryCommandIsExplainedWithAnExampleThatWorks(t *testing.T) {
	w := newWorld(t)
	doc, err := os.ReadFile("../../docs/commands.md")
	w.must(err)
	for _, c := range w.forPeople() {
		if c.Long == "" || len(c.Examples) == 0 {
			t.Errorf("%s: the manual says %q, with %d examples", c.Name, c.Long, len(c.Examples))
		}
		for _, example := range c.Examples {
			line := words(t, example)
			if _, err := c.Words(line[1:]); err != nil && c.Every == nil && example != "ssh-keys:add ada ada.pub" { // the client reads that file

				t.Errorf("%s: the example %q: %v", c.Name, example, err)
			}
		}
		if !regexp.MustCompile("(^|[`| ])" + regexp.QuoteMeta(c.Name) + "([ `:|\\\\]|$)").Match(doc) {
			t.Errorf("docs/commands.md does not list %s", c.Name)
		}
		page := w.ok("help", "--man", c.Name)
		for _, section := range []string{".SH NAME\n", ".SH USAGE\n", ".SH DESCRIPTION\n", ".SH FOR\n", ".SH EXAMPLES\n", ".SH EXIT STATUS\n"} {
			if !strings.Contains(page, section) {
				t.Errorf("help --man %s lacks %q", c.Name, section)
			}
		}
	}
}

func TestWalkHelpIsThereByEveryName(t *testing.T) {
	w := newWorld(t)
	groups := map[string][]string{}
	for _, c := range w.forPeople() {
		want := w.ok("help", c.Name)
		if !strings.HasPrefix(want, c.Name+": "+c.Short+"\n\nUSAGE\n    "+c.Name) {
			t.Errorf("help %s:\n%s", c.Name, want)
		}
		for _, line := range [][]string{{c.Name, "--help"}, {c.Name, "-h"}, {"--quiet", c.Name, "--help"}, {"--app", "blog", c.Name, "--help"}} {
			if got := w.ok(line...); got != want {
				t.Errorf("%q:\n%s\nwant, as help %s:\n%s", line, got, c.Name, want)
			}
		}
		group, _, _ := strings.Cut(c.Name, ":")
		groups[group] = append(groups[group], c.Name)
	}
	for group, names := range groups {
		for _, line := range [][]string{{group + ":help"}, {"help", group}, {"help", group + ":help"}} {
			got := w.ok(line...)
			for _, name := range names {
				if !strings.Contains(got, name) {
					t.Errorf("%q lacks %s:\n%s", line, name, got)
				}
			}
			if strings.Contains(got, "\n.\n") {
				t.Errorf("%q does not say what the group is about:\n%s", line, got)
			}
		}
	}
}

// reads are the command lines of everything that only shows something, and ends.
func (w *world) reads() (list [][]string) {
	for _, c := range w.forPeople() {
		if !c.Reads || c.Name == "top" || c.Verbatim {
			continue
		}
		list = append(list, args(c))
	}
	return list
}

// changes are the commands that show something else each time.
var changes = map[string]bool{"status": true, "logs:report": true, "router:metrics": true}

func TestWalkQuietIsTakenBeforeAndAfterEveryCommand(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n")
	for _, line := range w.reads() {
		before := w.run(ada, append([]string{"--quiet"}, line...)...)
		after := w.run(ada, append(slices.Clone(line), "--quiet")...)

		if before.stdout != after.stdout && !changes[line[0]] || (before.err == nil) != (after.err == nil) {
			t.Errorf("%q: %q, %v with --quiet before it, %q, %v with it behind", line, before.stdout, before.err, after.stdout, after.err)
		}
		if errors.Is(before.err, command.ErrUsage) {
			t.Errorf("--quiet %q: %v", line, before.err)
		}
		for text := range strings.Lines(before.stdout) {
			if line[0] != "builds:output" && (strings.HasPrefix(text, "=====> ") || strings.HasPrefix(text, "-----> ")) { // what a build has printed is as it was
				t.Errorf("--quiet %q has the heading %q", line, text)
				break
			}
		}
	}
	for _, c := range w.forPeople() {
		line := args(c)[1:]
		after := append(slices.Clone(line), "--quiet")
		if c.Verbatim {
			after = append([]string{"--quiet"}, line...)
		}
		if got, err := c.Words(after); err != nil || !slices.Equal(got, line) {
			t.Errorf("%s %q: %q, %v", c.Name, after, got, err)
		}
	}
}

func TestWalkAppIsTheFirstArgumentOfEveryCommandAboutOne(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n")
	n := 0
	for _, c := range w.forPeople() {
		line := args(c)
		if len(line) < 2 || line[1] != "blog" {
			continue
		}
		n++
		rest := line[2:]
		for _, form := range [][]string{append([]string{"--app", "blog"}, rest...), append([]string{"--app=blog"}, rest...), append(slices.Clone(rest), "--app", "blog")} {
			if c.Verbatim && form[len(form)-1] == "blog" && len(rest) > 0 {
				continue // flags go before somebody else's words
			}
			if got, err := c.Words(form); err != nil || !slices.Equal(got, line[1:]) {
				t.Errorf("%s %q: %q, %v, want %q", c.Name, form, got, err, line[1:])
			}
		}
		if !c.Reads {
			continue
		}
		want := w.run(ada, line...)
		for _, form := range [][]string{append([]string{"--app", "blog", c.Name}, rest...), append([]string{c.Name, "--app", "blog"}, rest...)} {
			if got := w.run(ada, form...); got.stdout != want.stdout && !changes[c.Name] || (got.err == nil) != (want.err == nil) {
				t.Errorf("%q: %q, %v, want %q, %v", form, got.stdout, got.err, want.stdout, want.err)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d commands are about an app: this test shows little", n)
	}
}

// null returns where a JSON value has a null in it, which a script trips over.
func null(v any, at string) string {
	switch v := v.(type) {
	case nil:
		return at
	case []any:
		for _, one := range v {
			if where := null(one, at+"[]"); where != "" {
				return where
			}
		}
	case map[string]any:
		for name, one := range v {
			if where := null(one, at+"."+name); where != "" {
				return where
			}
		}
	}
	return ""
}

func TestWalkJSONIsOneValueWithoutNulls(t *testing.T) {
	for name, prepare := range map[string]func(*world){
		"with no app": func(w *world) { w.ok("apps:destroy", "--force", "blog"); w.ok("apps:destroy", "--force", "api") },
		"empty":       func(*world) {},
		"deployed":    func(w *world) { w.deploy("blog", "web: serve\n") },
	} {
		w := newWorld(t)
		prepare(w)
		w.engine.AddImage("stack", appliance.ImageInfo{})
		w.ok("stack:set", "--global", "stack")
		for _, c := range w.listings() {
			var lines [][]string
			takes, must := c.TakesApp()
			switch {
			case name == "with no app" && must:
			case takes && name != "with no app":
				lines = append(lines, []string{c.Name, "blog", "--format", "json"}, []string{"--app", "blog", c.Name, "--format=json"}, []string{"--quiet", c.Name, "blog", "--format", "json"})
			case !takes:
				lines = append(lines, []string{c.Name, "--format", "json"})
			}
			if c.Global {
				lines = append(lines, []string{c.Name, "--global", "--format", "json"})
			}
			if strings.HasSuffix(c.Name, ":report") && takes {
				lines = append(lines, []string{c.Name, "--format", "json"})
			}
			for _, line := range lines {
				r := w.run(ada, line...)
				if r.err != nil || isList(r.stdout) != nil {
					t.Errorf("%s: %q: %v, %q is no JSON: %v", name, line, r.err, r.stdout, isList(r.stdout))
					continue
				}
				var v any
				w.must(json.Unmarshal([]byte(r.stdout), &v))
				if at := null(v, ""); at != "" {
					t.Errorf("%s: %q: %s is null: %s", name, line, at, r.stdout)
				}
				if list, ok := v.([]any); ok && len(list) == 0 && r.stdout != "[]\n" {
					t.Errorf("%s: %q: %q, want []", name, line, r.stdout)
				}
			}
			line := []string{c.Name, "--format", "yaml"}
			if takes {
				line = append(line, "blog")
			}
			if r := w.run(ada, line...); name == "deployed" && !errors.Is(r.err, command.ErrUsage) && !errors.Is(r.err, appliance.ErrInvalid) {
				t.Errorf("%s --format yaml: %v, %q", c.Name, r.err, r.stdout)
			}
		}
	}
}

// Each property of a report is a flag that has only its value printed, also by
// the name with its group before it, as Dokku has it.
func TestWalkReportsShowEachPropertyAlone(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n")
	w.engine.AddImage("stack", appliance.ImageInfo{})
	w.ok("stack:set", "--global", "stack")
	n := 0
	for _, c := range w.forPeople() {
		takes, _ := c.TakesApp()
		if !strings.HasSuffix(c.Name, ":report") || c.Name == "logs:report" {
			continue
		}
		line := []string{c.Name}
		if takes {
			line = append(line, "blog")
		}
		var values map[string]any
		if text := w.ok(append(slices.Clone(line), "--format", "json")...); strings.HasPrefix(text, "[") {
			continue // it is a list
		} else {
			w.must(json.Unmarshal([]byte(text), &values))
		}
		for name, value := range values {
			text, ok := value.(string)
			if !ok {
				continue // it is more than a value
			}
			n++
			r := w.run(ada, append(slices.Clone(line), "--"+name)...)
			if r.err != nil || r.stdout != text+"\n" {
				t.Errorf("%s --%s: %q, %v, want %q", c.Name, name, r.stdout, r.err, text)
			}
		}
		r := w.run(ada, append(slices.Clone(line), "--no-such-property")...)
		if !errors.Is(r.err, command.ErrUsage) || len(values) > 0 && !strings.Contains(appliance.HintOf(r.err), "there are: --") {
			t.Errorf("%s --no-such-property: %v, hint %q", c.Name, r.err, appliance.HintOf(r.err))
		}
	}
	if n < 100 {
		t.Errorf("only %d properties: this test shows little", n)
	}
}

// Somebody who may only look is to see nothing that was typed as a secret, or
// could have been: not by any command, in any form, nor in what went wrong.
func TestWalkViewersAreShownNoSecrets(t *testing.T) {
	w := newWorld(t)
	w.ok("ps:set", "blog", "start-cmd", enginetest.Program+" --token=hunter2")
	w.deploy("blog", "")
	for _, line := range []string{
		"config:set blog --no-restart SECRET=hunter2", "config:set --global SECRET=hunter2", "docker-options:add blog build --build-arg=SECRET=hunter2",
		"logs:drains:add blog https://ada:hunter2@127.0.0.1:1/hunter2?key=hunter2", "run:detached blog " + enginetest.Program + " --token=hunter2",
		"git:auth git.example.test ada", "letsencrypt:dns hetzner", "http-auth:add-user blog vera",
	} {
		if r := w.runWith("hunter2\n", ada, strings.Fields(line)...); r.err != nil {
			t.Errorf("%s: %v, want it kept: else there is nothing to see here", line, r.err)
		}
	}
	w.ok("ps:set", "blog", "start-cmd", enginetest.Program+" --token=hunter22") // so that two releases differ
	w.deploy("blog", "")
	n := 0
	for _, c := range w.forPeople() {
		if c.For < command.Viewer || !c.Reads || c.Name == "top" || c.Name == "logs:failed" {
			continue
		}
		n++
		line := args(c)
		for _, form := range [][]string{line, append(slices.Clone(line), "--format", "json"), line[:min(2, len(line))], line[:1]} {
			r := w.run(val, form...)
			if strings.Contains(r.stdout+r.stderr, "hunter2") || r.err != nil && strings.Contains(r.err.Error()+appliance.HintOf(r.err), "hunter2") {
				t.Errorf("%q of a viewer: %v\n%s%s", form, r.err, r.stdout, r.stderr)
			}
		}
	}
	if n < 60 {
		t.Errorf("viewers have only %d commands: this test shows little", n)
	}
	for _, line := range []string{"ps:report blog --start-cmd", "config:get blog SECRET", "docker-options:report blog"} {
		if r := w.run(bob, strings.Fields(line)...); !strings.Contains(r.stdout, "hunter2") {
			t.Errorf("%s of a deployer: %q, %v, want what was set", line, r.stdout, r.err)
		}
	}
}

// swapped is a word with two letters in the wrong order.
func swapped(word string) string {
	b := []byte(word)
	for i := len(b) - 1; i > 0; i-- {
		if b[i] != b[i-1] {
			b[i], b[i-1] = b[i-1], b[i]
			break
		}
	}
	return string(b)
}

func TestWalkWhatIsMisspeltIsAnsweredWithWhatWasMeant(t *testing.T) {
	w := newWorld(t)
	w.engine.AddImage("stack", appliance.ImageInfo{})
	w.ok("stack:set", "--global", "stack")
	all := w.forPeople()
	for _, c := range all {
		if typed := swapped(c.Name); !slices.ContainsFunc(all, func(c command.Command) bool { return c.Name == typed }) {
			r := w.run(ada, typed)
			if hint := appliance.HintOf(r.err); command.ExitStatus(r.err) != command.ExitUsage || !regexp.MustCompile(`did you mean .*`+regexp.QuoteMeta(c.Name)).MatchString(hint) {
				t.Errorf("%s: %v, %q, want %s", typed, r.err, hint, c.Name)
			}
		}
		flags := c.FlagSet()
		flags.VisitAll(func(f *pflag.Flag) {
			typed := swapped(f.Name)
			line := append([]string{c.Name, "--" + typed}, args(c)[1:]...)
			r := w.run(ada, line...)
			if hint := appliance.HintOf(r.err); command.ExitStatus(r.err) != command.ExitUsage || !strings.Contains(hint, "did you mean --"+f.Name) {
				t.Errorf("%q: %v, %q, want --%s", line, r.err, hint, f.Name)
			}
		})
		line := args(c)
		if strings.HasPrefix(c.Args, "<app>") && !c.Makes && !c.Past {
			line[1] = "bolg"
			r := w.run(ada, line...)
			if hint := appliance.HintOf(r.err); command.ExitStatus(r.err) != command.ExitNoApp || !strings.Contains(hint, "did you mean blog?") {
				t.Errorf("%q: %v, %q", line, r.err, hint)
			}
		}
	}
}

// What forgets something that nobody can bring back asks for its name, unless
// --force says that nobody is there to ask. Everything takes --force before
// the command, as Dokku does.
func TestWalkWhatDestroysAsks(t *testing.T) {
	w := newWorld(t)
	n := 0
	for _, c := range w.forPeople() {
		if _, err := c.Words(args(c)[1:]); err != nil {
			t.Errorf("%q: %v", args(c), err)
		}
		if !strings.HasSuffix(c.Name, ":destroy") {
			continue
		}
		n++
		w.run(ada, "network:create", "shared")
		w.run(ada, "teams:create", "devs")
		name := args(c)[1]
		for _, answer := range []string{"", "no\n", "yes\n"} {
			r := w.runWith(answer, ada, c.Name, name)
			if r.err == nil || !strings.Contains(r.err.Error(), "nothing was destroyed") || !strings.Contains(r.stderr, `type "`+name+`"`) || !strings.Contains(appliance.HintOf(r.err), "--force") {
				t.Errorf("%s, answered with %q: %v, %q", c.Name, answer, r.err, r.stderr)
			}
		}
		for _, form := range [][]string{{c.Name, name, "--force"}, {c.Name, "--force", name}, {"--force", c.Name, name}} {
			w.run(ada, "apps:create", "blog")
			w.run(ada, "network:create", "shared")
			w.run(ada, "teams:create", "devs")
			if r := w.run(ada, form...); r.err != nil || strings.Contains(r.stderr, "type ") {
				t.Errorf("%q: %v, %q", form, r.err, r.stderr)
			}
		}
	}
	if n < 3 {
		t.Errorf("%d commands destroy: this test shows little", n)
	}
	for _, c := range w.forPeople() {
		if c.Reads && c.Name != "top" {
			if r := w.run(ada, append([]string{"--force"}, args(c)...)...); errors.Is(r.err, command.ErrUsage) {
				t.Errorf("--force %q: %v", args(c), r.err)
			}
		}
	}
}

// Each status that docs/exit-codes.md has, of every command that can end so.
func TestWalkExitStatusesAreTheDocumentedOnes(t *testing.T) {
	w := newWorld(t)
	for _, c := range w.forPeople() {
		line := args(c)
		must := strings.HasPrefix(c.Args, "<app>")
		if _, always := c.TakesApp(); always && command.ExitStatus(w.run(ada, c.Name).err) != command.ExitFailed {
			t.Errorf("%s is said to need an app, and does not", c.Name)
		}
		least := strings.Count(strings.Split(c.Args, "[")[0], "<")
		type try struct {
			line  []string
			actor appliance.Actor
			want  int
		}
		tries := []try{
			{[]string{c.Name, "--no-such-flag"}, ada, command.ExitUsage},
			{line, nobody, command.ExitDenied},
		}
		if c.For != command.Anyone {
			tries = append(tries, try{line, eve, command.ExitDenied})
		}
		if !strings.Contains(c.Args, "...") {
			tries = append(tries, try{append(append(slices.Clone(line), "x"), strings.Fields(strings.Repeat("x ", 5))...), ada, command.ExitUsage})
		}
		report := strings.HasSuffix(c.Name, ":report") // which without an app is about all of them
		if report {
			tries = tries[1:] // flags are properties: TestWalkReportsShowEachPropertyAlone
		}
		report = report || c.Every != nil && c.Every.Alone
		if least > 0 && !must {
			tries = append(tries, try{[]string{c.Name}, ada, command.ExitUsage})
		}
		if must && !report {
			tries = append(tries, try{[]string{c.Name}, ada, command.ExitFailed}) // as in Dokku
		}
		if must && !c.Makes && !c.Past {
			gone := append([]string{c.Name, "gone"}, line[2:]...)
			tries = append(tries, try{gone, ada, command.ExitNoApp}, try{append([]string{"--as=dokku"}, gone...), ada, command.ExitNoApp}, try{[]string{"--as=dokku", c.Name, "--no-such-flag=1"}, ada, command.ExitFailed})
		}
		for _, tt := range tries {
			r := w.run(tt.actor, tt.line...)
			if got := command.ExitStatus(r.err); got != tt.want {
				t.Errorf("%q as %q: status %d (%v), want %d", tt.line, tt.actor.Name, got, r.err, tt.want)
			}
			if r.stdout != "" {
				t.Errorf("%q as %q: %q on stdout, where only what was asked for is", tt.line, tt.actor.Name, r.stdout)
			}
		}
	}
}
