package command_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance"
)

func TestHelpTellsOfGroupsAndCommands(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		line string
		want []string
		not  string
	}{
		{"help", []string{"Usage: berth ", "\n    apps                     make, list and remove apps\n", "\n    logs "}, "apps:create"},
		{"", []string{"Usage: berth "}, "apps:create"},
		{"--help", []string{"Usage: berth "}, "apps:create"},
		{"help --all", []string{"\n    apps:create <app> ", "\n    config:set <app> <key[=value]>... "}, "\n    apps  "},
		{"help apps", []string{"Usage: apps[:COMMAND]", "Make, list and remove apps.", "\n    apps:create <app> "}, "config:set"},
		{"apps:help", []string{"Usage: apps[:COMMAND]"}, "config:set"},
		{"apps", []string{"Usage: apps[:COMMAND]"}, "config:set"},
		{"pack:help", []string{"builder-pack:set"}, "config:set"},
		{"help config", []string{"config: show", "USAGE\n    config <app> [options]\n", "MORE:", "config:set"}, "apps:create"},
		{"help config:set", []string{
			"config:set: set values", "USAGE\n    config:set <app> <key[=value]>... [options]\n", "--no-restart", "keys with deploy or admin access", "EXAMPLES\n    config:set blog ", "20  there is no such app",
		}, "--quiet"},
		{"config:set --help", []string{"USAGE\n    config:set <app>"}, ""},
		{"config:set blog A=b -h", []string{"USAGE\n    config:set <app>"}, ""},
		{"docker-options:add --help", []string{"USAGE\n    docker-options:add <app>"}, ""},
		{"help stack:set", []string{"--global", "With --global, for"}, ""},
		{"help git:public-key", []string{"Without an app, for"}, ""},
		{"help logs", []string{"-n, --num <int> ", "(100 if not given)"}, ""},
	} {
		got := w.ok(strings.Fields(tt.line)...)

		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s has not %q:\n%s", tt.line, want, got)
			}
		}
		if tt.not != "" && strings.Contains(got, tt.not) {
			t.Errorf("%s has %q:\n%s", tt.line, tt.not, got)
		}
	}
	if w.ok("config:get", "blog", "A", "--help"); w.last().Action == "config:set" {
		t.Errorf("event = %+v: help has changed something", w.last())
	}
	if r := w.run(ada, "help", "config:st"); !errors.Is(r.err, appliance.ErrNotFound) || !strings.Contains(appliance.HintOf(r.err), "did you mean config:set") {
		t.Errorf("help config:st: %v, hint %q", r.err, appliance.HintOf(r.err))
	}
	// Not what a command does, nor that there is one.
	for _, line := range []string{"help config:set", "config:help", "help letsencrypt"} {
		if r := w.run(val, strings.Fields(line)...); r.err == nil && strings.Contains(r.stdout, "config:set") || strings.Contains(r.stdout, "letsencrypt:") {
			t.Errorf("%s for a viewer: %v\n%s", line, r.err, r.stdout)
		}
	}
}

func TestEveryCommandSaysWhatItIs(t *testing.T) {
	w := newWorld(t)
	for _, c := range w.All() {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || strings.Contains(c.Short, "\n") {
			t.Errorf("%s: Short = %q, want a line without a full stop", c.Name, c.Short)
		}
		if c.Flags != nil {
			fs := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
			c.Flags(fs)
			fs.VisitAll(func(f *pflag.Flag) {
				if f.Usage == "" {
					t.Errorf("%s --%s has no usage", c.Name, f.Name)
				}
			})
		}
		for _, example := range c.Examples {
			if strings.Fields(example)[0] != c.Name {
				t.Errorf("%s: the example %q is of something else", c.Name, example)
			}
		}
		if c.Hidden {
			continue
		}
		if got := w.ok("help", c.Name); !strings.HasPrefix(got, c.Name+": "+c.Short) {
			t.Errorf("help %s:\n%s", c.Name, got)
		}
	}
	for _, line := range strings.Split(w.ok("help"), "\n") {
		if name, ok := strings.CutPrefix(line, "    "); ok && len(strings.Fields(name)) < 2 {
			t.Errorf("%q is a group about which nothing is said: see groups.go", line)
		}
	}
}

func TestHelpIsAManualPage(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{"help --man", "help --man config", "help --man config:set", "help --man docker-options:add"} {
		page := w.ok(strings.Fields(line)...)

		if !strings.HasPrefix(page, ".TH BERTH") || !strings.Contains(page, "\n.SH NAME\nberth") {
			t.Errorf("%s:\n%.300s", line, page)
		}
		if _, err := exec.LookPath("groff"); err != nil {
			continue // it is not everywhere; then the form is what is looked at
		}
		cmd := exec.Command("groff", "-man", "-Tutf8", "-ww", "-z")
		cmd.Stdin = strings.NewReader(page)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: groff: %v\n%s", line, err, out)
		}
	}
}
