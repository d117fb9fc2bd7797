package command_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestCommandLinesAreCompletedByWhatTheActorMayUse(t *testing.T) {
	w := newWorld(t)
	w.ok("teams:create", "devs")
	for _, tt := range []struct {
		actor appliance.Actor
		words []string
		want  string
	}{
		{ada, []string{"config:un"}, "config:unset"},
		{val, []string{"config:un"}, ""},
		{eve, []string{"apps:l"}, "apps:list"},
		{ada, []string{"complet"}, "completion"},
		{ada, []string{"apps:exists", ""}, "api blog"},
		{val, []string{"apps:exists", ""}, "blog"},
		{eve, []string{"apps:exists", ""}, ""},
		{nobody, []string{"apps:exists", ""}, ""},
		{ada, []string{"apps:exists", "b"}, "blog"},
		{ada, []string{"apps:exists", "blog", ""}, ""},
		{ada, []string{"apps:exists", "--app", ""}, "api blog"},
		{val, []string{"--app", ""}, "blog"},
		{ada, []string{"--app", "blog", "access:grant", ""}, "bob carol eve mia val @devs"},
		{ada, []string{"access:grant", "blog", "e"}, "eve"},
		{mia, []string{"access:grant", "blog", "e"}, ""}, // who has keys is for admins to know
		{ada, []string{"access:grant", "blog", "@"}, "@devs"},
		{ada, []string{"access:grant", "blog", "eve", ""}, "admin deploy view"},
		{ada, []string{"teams:add", "d"}, "devs"},
		{ada, []string{"teams:add", "devs", "bob", "e"}, "eve"},
		{ada, []string{"ssh-keys:remove", "e"}, "eve"},
		{ada, []string{"ssh-keys:add", "e"}, ""},
		{ada, []string{"apps:destroy", "blog", "--"}, "--app --force --quiet --help"},
		{ada, []string{"apps:list", "--format", ""}, "json stdout"},
		{ada, []string{"logs", "--num", ""}, ""},
		{ada, []string{"--q"}, "--quiet"},
		{ada, []string{"help", "config:un"}, "config:unset"},
		{ada, []string{"completion", ""}, "bash fish zsh"},
		{ada, []string{"no:such", ""}, ""},
		{ada, []string{"apps:exists", "--nope", ""}, ""},
		{ada, nil, ""},
	} {
		r := w.run(tt.actor, append([]string{"complete", "--"}, tt.words...)...)

		if tt.actor == nobody {
			if !errors.Is(r.err, appliance.ErrDenied) || r.stdout != "" {
				t.Errorf("%q as nobody: %v, %q", tt.words, r.err, r.stdout)
			}
			continue
		}
		if got := strings.Join(strings.Fields(r.stdout), " "); r.err != nil || got != tt.want {
			t.Errorf("%q as %s: %q, %v, want %q", tt.words, tt.actor.Name, got, r.err, tt.want)
		}
	}
}

func TestCompletionScriptsAreWhatTheShellsTake(t *testing.T) {
	w := newWorld(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := w.ok("completion", shell)

		if !strings.Contains(script, " complete -- ") {
			t.Errorf("%s:\n%s", shell, script)
		}
		if _, err := exec.LookPath(shell); err != nil && shell != "bash" {
			continue // it is not everywhere
		}
		cmd := exec.Command(shell, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s -n: %v\n%s", shell, err, out)
		}
	}
	if r := w.run(ada, "completion", "tcsh"); !errors.Is(r.err, appliance.ErrNotFound) || !strings.Contains(appliance.HintOf(r.err), "bash") {
		t.Errorf("completion tcsh: %v", r.err)
	}
}

// Bash itself splits the line, also where there is a colon.
func TestBashCompletes(t *testing.T) {
	script := newWorld(t).ok("completion", "bash")
	// A berth that says what it was asked.
	script += `
berth() { local IFS=,; echo "${*: -1}-$*"; }
ask() { COMP_LINE=$1 COMP_POINT=${#1}; _berth; printf '%s\n' "${COMPREPLY[@]}"; }
`
	for line, want := range map[string]string{
		"berth ":             "-complete,--,",
		"berth ap":           "ap-complete,--,ap",
		"berth apps:cr":      "cr-complete,--,apps:cr",
		"berth ps blog --fo": "--fo-complete,--,ps,blog,--fo",
		"berth --app b":      "b-complete,--,--app,b",
	} {
		out, err := exec.Command("bash", "--norc", "-c", script+`ask "$1"`, "bash", line).CombinedOutput()

		if got := strings.TrimSuffix(string(out), "\n"); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
}
