package gateway_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// state is all that a command could have changed: apps, their config, releases,
// formation and processes, and keys.
func (w *world) state() string {
	w.t.Helper()
	var b strings.Builder
	apps, err := w.Store.Apps(w.t.Context())
	w.must(err)
	for _, app := range apps {
		env, err := w.Store.Config(w.t.Context(), app.Name)
		w.must(err)
		releases, err := w.Store.Releases(w.t.Context(), app.Name, 100)
		w.must(err)
		processes, err := w.engine.Processes(w.t.Context(), app.Name)
		w.must(err)
		formation, err := w.Store.Formation(w.t.Context(), app.Name)
		w.must(err)
		_, err = os.Stat(w.Pipeline.Repos.Path(app.Name))
		fmt.Fprintf(&b, "%s v%d of %d, formation %v, config %q, repository %v\n", app.Name, app.LiveRelease, len(releases), formation, env, err)
		for _, p := range processes {
			fmt.Fprintf(&b, "  %s %s.%d v%d\n", p.ID, p.Type, p.Index, p.Release)
		}
	}
	keys, err := w.Store.Keys(w.t.Context())
	w.must(err)
	for _, key := range keys {
		fmt.Fprintln(&b, key.Name, key.Fingerprint, key.Admin)
	}
	repos, err := os.ReadDir(w.path("git"))
	w.must(err)
	fmt.Fprintln(&b, len(repos), "repositories")
	return b.String()
}

// What is wrong is said, with its status, by both doors, and nothing of it is
// done.
func TestBadInputIsRefusedAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	if r := w.ssh("ada", "config:set", "blog", "KEPT=1"); r.status != 0 {
		t.Fatalf("%+v", r)
	}
	if r := w.ssh("ada", "apps:create", "shop"); r.status != 0 {
		t.Fatalf("%+v", r)
	}
	private := string(w.key("private"))
	big := strings.Repeat("hunter2.", 128<<10)
	before := w.state()

	for _, tt := range []struct {
		stdin  string
		args   []string
		status int
		says   string
	}{
		{"", []string{"config:set", "gone", "A=1"}, command.ExitNoApp, "App gone does not exist"},
		{"", []string{"ps:scale", "gone", "web=2"}, command.ExitNoApp, "App gone does not exist"},
		{"", []string{"apps:destroy", "gone", "--force"}, command.ExitNoApp, "App gone does not exist"},
		{"", []string{"apps:rename", "gone", "new"}, command.ExitNoApp, "App gone does not exist"},
		{"", []string{"run", "gone", "ls"}, command.ExitNoApp, "App gone does not exist"},
		{"", []string{"confg:set", "blog", "A=1"}, command.ExitUsage, "`confg:set` is not a berth command"},
		{"", []string{"config:sett", "blog", "A=1"}, command.ExitUsage, "did you mean config:set?"},
		{"", []string{"apps:list", "blog"}, command.ExitUsage, "usage: apps:list"},
		{"", []string{"apps:rename", "blog"}, command.ExitUsage, "usage: apps:rename <app> <new-app>"},
		{"", []string{"apps:rename", "blog", "new", "other"}, command.ExitUsage, "usage: apps:rename <app> <new-app>"},
		{"", []string{"config:set", "blog"}, command.ExitUsage, "usage: config:set <app> <key[=value]>..."},
		{"", []string{"config:set"}, command.ExitFailed, "Please specify an app"},
		{"", []string{"apps:destroy", "blog", "shop", "--force"}, command.ExitUsage, "usage: apps:destroy"},
		{private, []string{"ssh-keys:add", "zoe"}, command.ExitFailed, "this is a private key"},
		{"", []string{"config:set", "blog", "A=1", "1BAD=hunter2"}, command.ExitFailed, "invalid config key"},
		{"", []string{"config:set", "blog", "A=1", "hunter2"}, command.ExitFailed, "invalid config"},
		{"", []string{"config:set", "blog", "A=1", "=hunter2"}, command.ExitFailed, "invalid config"},
		{"", []string{"config:set", "blog", "A-B=hunter2"}, command.ExitFailed, "invalid config key"},
		{"", []string{"config:set", "blog", "A"}, command.ExitFailed, "no value on stdin"},
		{"", []string{"config:set", "--encoded", "blog", "A=hunter2-"}, command.ExitFailed, "it is not base64"},
		{"hunter2\x00hunter2", []string{"config:set", "blog", "A"}, command.ExitFailed, "it has a NUL byte"},
		{big, []string{"config:set", "blog", "A"}, command.ExitFailed, "1048576 bytes, of at most 122880"},
		{"A=1\nnot a pair hunter2\n", []string{"config:import", "blog"}, command.ExitFailed, "line 2"},
		{"", []string{"ps:scale", "blog", "web=many"}, command.ExitFailed, "web=many"},
		{"", []string{"config:set", "blog", "A=1", "B=\xffhunter2"}, command.ExitUsage, "the command line is not UTF-8"},
		{"", []string{"ps:scale", "blog", "web=2", "nothing=1"}, command.ExitNotFound, "nothing"},
		{"", []string{"apps:rename", "blog", "shop"}, command.ExitFailed, "app shop already exists"},
		{"", []string{"apps:rename", "blog", "blog"}, command.ExitFailed, "app blog already exists"},
		{"", []string{"apps:clone", "blog", "shop"}, command.ExitFailed, "app shop already exists"},
		{"", []string{"apps:create", "shop"}, command.ExitFailed, "app shop already exists"},
		{"", []string{"apps:create", "a/b"}, command.ExitFailed, "invalid app name"},
		{"no", []string{"apps:destroy", "blog"}, command.ExitFailed, "not confirmed"},
		{"", []string{"rollback", "blog", "v99"}, command.ExitNotFound, "v99"},
		{"", []string{"rollback", "blog", "newest"}, command.ExitFailed, "newest"},
	} {
		cmd := w.sshCommand("ada", nil, tt.args...)
		cmd.Stdin = strings.NewReader(tt.stdin)
		local := w.localWith(tt.stdin, tt.args...)
		for door, r := range map[string]result{"ssh": run(t, cmd), "local": local} {
			if r.status != tt.status || !strings.Contains(r.stderr, tt.says) || !strings.Contains(r.stderr, " !     ") {
				t.Errorf("%s by %s: status %d, %q, want %d and %q", tt.args, door, r.status, r.stderr, tt.status, tt.says)
			}
			// Not more than what was begun, such as "-----> Creating shop...".
			if strings.Contains(r.stdout, "\n ") || strings.Count(r.stdout, "\n") > 1 || strings.Contains(r.stdout+r.stderr, "hunter2") || strings.Contains(r.stderr, "BEGIN") || len(r.stderr) > 2000 {
				t.Errorf("%s by %s: %.200q, %.500q, want nothing that was typed", tt.args, door, r.stdout, r.stderr)
			}
		}
		if after := w.state(); after != before {
			t.Fatalf("%s has changed something:\n%s\nbefore it was\n%s", tt.args, after, before)
		}
	}
	events, err := w.Store.Events(t.Context(), "", 1000)
	w.must(err)
	if text := fmt.Sprint(events); strings.Contains(text, "hunter2") {
		t.Errorf("a value is in the audit trail:\n%s", text)
	}
}

// Any value that a process can have comes through both doors as it was.
func TestValuesComeThroughAsTheyWere(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	for name, value := range map[string]string{
		"newlines": "one\ntwo\n\nfour", "quotes": `'single' "double" '"'"'`, "a shell's": "$HOME `id` $(id) \\ # ; | & > <", "spaces": "  a  b\t ", "utf-8": "ü ☃", "no text": "\x01\x1b",
		"large": strings.Repeat("x", 100<<10),
	} {
		pair := "KEY=" + value
		quoted := "'" + strings.ReplaceAll(pair, "'", `'\''`) + "'"
		cmd := w.sshCommand("ada", nil, "config:set", "--no-restart", "blog", "KEY")
		cmd.Stdin = strings.NewReader(value + "\n")
		for way, set := range map[string]func() result{
			"ssh":           func() result { return w.ssh("ada", "config:set", "--no-restart", "blog", quoted) },
			"local":         func() result { return w.local("config:set", "--no-restart", "blog", pair) },
			"stdin by ssh":  func() result { return run(t, cmd) },
			"stdin locally": func() result { return w.localWith(value+"\n", "config:set", "--no-restart", "blog", "KEY") },
		} {
			w.must(w.Store.ReplaceConfig(t.Context(), "blog", nil))
			if r := set(); r.status != 0 || r.stdout != "-----> Setting KEY\n" {
				t.Errorf("%s by %s: %+v", name, way, r)
			}
			if r := w.ssh("ada", "config:get", "blog", "KEY"); r.stdout != value+"\n" {
				t.Errorf("%s by %s: %.100q, want %.100q", name, way, r.stdout, value)
			}
		}
	}
}

// What is too long to be sent is not called an appliance that is not reached.
func TestCommandLineThatIsTooLongIsRefused(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	before := w.state()

	r := w.local("config:set", "blog", "A="+strings.Repeat("x", 100<<10), "B="+strings.Repeat("x", 100<<10), "C="+strings.Repeat("x", 100<<10))

	if r.status != command.ExitFailed || !strings.Contains(r.stderr, "the command line is longer than") || !strings.Contains(r.stderr, "stdin") {
		t.Errorf("%+v", r)
	}
	if after := w.state(); after != before {
		t.Errorf("something was done:\n%s", after)
	}
}

// together runs commands by SSH at the same time, and returns what came of each.
func (w *world) together(lines ...[]string) []result {
	w.t.Helper()
	results := make([]result, len(lines))
	var all sync.WaitGroup
	for i, line := range lines {
		all.Go(func() { results[i] = w.ssh("ada", line...) })
	}
	all.Wait()
	return results
}

// one checks that exactly one of those who wanted the same got it, and that
// the others were told why not.
func (w *world) one(results []result, says ...string) {
	w.t.Helper()
	got := 0
	for _, r := range results {
		switch {
		case r.status == 0:
			got++
		case r.status != command.ExitFailed, !slices.ContainsFunc(says, func(text string) bool { return strings.Contains(r.stderr, text) }):
			w.t.Errorf("%+v, want %q", r, says)
		}
	}
	if got != 1 {
		w.t.Errorf("%d got it, want 1: %+v", got, results)
	}
}

// runsWhole checks that the processes of an app are those of its live release, as
// many as its formation has.
func (w *world) runsWhole(app appliance.AppName) (live, web int) {
	w.t.Helper()
	now, err := w.Store.App(w.t.Context(), app)
	w.must(err)
	formation, err := w.Store.Formation(w.t.Context(), app)
	w.must(err)
	want, scaled := formation["web"]
	if !scaled {
		want = 1
	}
	w.eventually("what was replaced has ended", func() bool {
		processes, err := w.engine.Processes(w.t.Context(), app)
		w.must(err)
		web = 0
		for _, p := range processes {
			if p.Release != now.LiveRelease {
				return false
			}
			web++
		}
		return web == want
	})
	return now.LiveRelease, web
}

func TestTwoPeopleAtOnceLeaveAnAppWhole(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")

	for _, r := range w.together([]string{"config:set", "blog", "A=1"}, []string{"config:set", "blog", "B=2"}) {
		if r.status != 0 {
			t.Errorf("config:set: %+v", r)
		}
	}
	live, _ := w.runsWhole("blog")
	release, err := w.Store.Release(t.Context(), "blog", live)
	w.must(err)
	if live != 3 || release.Env["A"] != "1" || release.Env["B"] != "2" {
		t.Errorf("v%d has %q, want both in v3", live, release.Env)
	}

	for _, r := range w.together([]string{"ps:scale", "blog", "web=2"}, []string{"ps:scale", "blog", "web=3"}) {
		if r.status != 0 {
			t.Errorf("ps:scale: %+v", r)
		}
	}
	if _, web := w.runsWhole("blog"); web != 2 && web != 3 {
		t.Errorf("%d processes, want what either wanted", web)
	}

	for _, r := range w.together([]string{"rollback", "blog", "v1"}, []string{"rollback", "blog", "v2"}) {
		if r.status != 0 {
			t.Errorf("rollback: %+v", r)
		}
	}
	live, _ = w.runsWhole("blog")
	release, err = w.Store.Release(t.Context(), "blog", live)
	w.must(err)
	if _, a := release.Env["A"]; a && release.Env["B"] != "" {
		t.Errorf("v%d has %q, want that of v1 or v2", live, release.Env)
	}

	w.one(w.together([]string{"apps:create", "shop"}, []string{"apps:create", "shop"}, []string{"apps:create", "shop"}), "app shop already exists")
	w.one(w.together([]string{"apps:rename", "blog", "site"}, []string{"apps:rename", "shop", "site"}), "app site already exists", "busy: an app was renamed from or to site meanwhile")
	apps, err := w.Store.Apps(t.Context())
	w.must(err)
	if len(apps) != 2 || !slices.ContainsFunc(apps, func(app appliance.App) bool { return app.Name == "site" }) {
		t.Errorf("apps = %v", apps)
	}
	for _, app := range apps {
		if _, err := os.Stat(w.Pipeline.Repos.Path(app.Name)); err != nil {
			t.Error(err)
		}
	}
}

// Whoever pushes is told who destroyed the app, and nothing of it is left.
func TestDestroyWhileDeploying(t *testing.T) {
	w := newWorld(t)
	w.commit(app)
	reached, release := w.hold("Start")
	push := w.beginPush("ada", "blog")
	<-reached

	destroy := w.begin(w.sshCommand("ada", nil, "apps:destroy", "blog", "--force"))
	destroy.says("Destroying blog")
	release()

	if err := push.cmd.Wait(); push.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(push.out.String(), "canceled by ada") {
		t.Errorf("push: %v\n%s", err, push.out)
	}
	if err := destroy.cmd.Wait(); err != nil {
		t.Errorf("destroy: %v\n%s", err, destroy.out)
	}
	w.Pipeline.Wait()
	w.nothing("blog")
}
