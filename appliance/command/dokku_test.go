package command_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// The marks of the tables of docs/dokku.md.
const (
	same    = "same"
	differs = "differs"
	instead = "instead"
)

var dokkuRow = regexp.MustCompile("^\\| (`[^|]*`) \\| (\\w+) \\| (.*) \\|$")

// dokkuTables returns the marks of docs/dokku.md, by what they are of: commands
// and properties. What is there twice is an error.
func dokkuTables(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/dokku.md")
	if err != nil {
		t.Fatal(err)
	}
	marks := map[string]string{}
	for line := range strings.Lines(string(text)) {
		row := dokkuRow.FindStringSubmatch(strings.TrimSpace(line))
		if row == nil {
			if strings.HasPrefix(line, "| `") {
				t.Errorf("docs/dokku.md: %q is no row: give names, a mark and what there is to say", line)
			}
			continue
		}
		if !slices.Contains([]string{same, differs, instead}, row[2]) || row[2] != same && row[3] == "" {
			t.Errorf("docs/dokku.md: %s is marked %q, %q", row[1], row[2], row[3])
		}
		for name := range strings.SplitSeq(row[1], ", ") {
			if name = strings.Trim(name, "`"); marks[name] != "" {
				t.Errorf("docs/dokku.md has %s twice", name)
			}
			marks[name] = row[2]
		}
	}
	return marks
}

// inventory returns the lines of a file about Dokku.
func inventory(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// takeMark takes the mark of a command or a property out of the table: its own,
// or that of all of its group, which stays.
func takeMark(marks map[string]string, name string) string {
	if mark := marks[name]; mark != "" {
		delete(marks, name)
		return mark
	}
	for all := range marks {
		if group, ok := strings.CutSuffix(all, "*"); ok && strings.HasPrefix(name, group) {
			return marks[all]
		}
	}
	return ""
}

// Dokku's commands, as its own help and sources have them, with their flags.
func TestTableOfDokkusCommandsIsTrue(t *testing.T) {
	w := newWorld(t)
	ours := map[string]command.Command{}
	for _, c := range w.All() {
		ours[c.Name] = c
	}
	marks := dokkuTables(t)
	for _, line := range inventory(t, "dokku-0.38.txt") {
		words := strings.Fields(line)
		name, flags := words[0], words[1:]
		mark := takeMark(marks, name)
		c, there := ours[command.FullName(name)]
		switch {
		case mark == "":
			t.Errorf("docs/dokku.md has nothing on %s", name)
		case mark == instead:
			if there {
				t.Errorf("%s is marked instead, and is there", name)
			}
			w.wantInstead(name)
		case !there:
			t.Errorf("%s is marked %s, and is not there", name, mark)
		}
		for _, flag := range flags {
			if there && mark == same && !c.Takes(flag) {
				t.Errorf("%s is marked same, and takes no %s", name, flag)
			}
		}
	}
	for name := range marks {
		if group, all := strings.CutSuffix(name, ":*"); all {
			w.wantInstead(group + ":whatever")
			w.wantInstead(group)
		} else if !strings.Contains(name, " ") {
			t.Errorf("docs/dokku.md has %s, which Dokku has not", name)
		}
	}
}

// wantInstead runs a command that there is not, in all ways to name it.
func (w *world) wantInstead(name string) {
	w.t.Helper()
	for _, line := range [][]string{{name, "blog"}, {name}, {"--as=dokku", name}, {"help", name}} {
		r := w.run(ada, line...)
		if hint := appliance.HintOf(r.err); r.err == nil || !strings.HasPrefix(hint, "instead: ") || strings.Count(hint, "instead") != 1 {
			w.t.Errorf("%q: %v, hint %q, want what there is instead", line, r.err, hint)
		}
		if line[0] == name && !errors.Is(r.err, command.ErrUsage) {
			w.t.Errorf("%q: %v, want ErrUsage", line, r.err)
		}
	}
}

func TestTableOfDokkusPropertiesIsTrue(t *testing.T) {
	w := newWorld(t)
	marks := dokkuTables(t)
	for _, name := range inventory(t, "dokku-0.38-properties.txt") {
		set, property, _ := strings.Cut(name, " ")
		line := []string{set, "blog", property}
		if set == "apps:set" {
			line[1] = "--global"
		}

		r := w.run(ada, line...)

		switch hint, mark := appliance.HintOf(r.err), takeMark(marks, name); {
		case mark == "":
			t.Errorf("docs/dokku.md has nothing on %s", name)
		case mark != instead && r.err != nil:
			t.Errorf("%s is marked %s: %v", name, mark, r.err)
		case mark == instead && (r.err == nil || hint == "" || strings.HasPrefix(hint, "known:")):
			t.Errorf("%s is marked instead: %v, hint %q", name, r.err, hint)
		}
	}
	for name := range marks {
		if strings.Contains(name, " ") {
			t.Errorf("docs/dokku.md has %s, which Dokku has not", name)
		}
	}
}

func TestDokkusOtherNamesOfGroupsWork(t *testing.T) {
	w := newWorld(t)
	for alias, group := range map[string]string{
		"docker-local": "scheduler-docker-local", "dockerfile": "builder-dockerfile", "herokuish": "builder-herokuish", "pack": "builder-pack",
	} {
		if got, want := w.ok(alias+":report", "blog"), w.ok(group+":report", "blog"); got != want {
			t.Errorf("%s:report =\n%s\nwant\n%s", alias, got, want)
		}
		for _, line := range [][]string{{alias}, {alias + ":help"}, {"help", alias}} {
			if out := w.ok(line...); !strings.Contains(out, group+":set") {
				t.Errorf("%q =\n%s\nwant the commands of %s", line, out, group)
			}
		}
	}
	w.ok("redirect:set", "blog", "/old", "/new")
	if out := w.ok("redirect", "blog"); !strings.Contains(out, "/old") {
		t.Errorf("redirect = %q", out)
	}
	for _, alias := range []string{"k3s:initialize", "lambda:set", "nixpacks:set", "railpack:set", "rails:set"} {
		w.wantInstead(alias)
	}
}
