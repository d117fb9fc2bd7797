package command_test

import (
	"archive/tar"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// nasty are values that programs take apart, run, or choke on.
var nasty = map[string]string{
	"EMPTY": "", "SPACES": "  two  words ", "LINES": "one\ntwo\n\n", "TABS": "a\tb\r\n", "SINGLE": "it's '' 'quoted'", "DOUBLE": `say "hi"`,
	"DOLLAR": "$HOME ${PATH} $(touch pwned) $$", "BACKTICK": "`touch pwned`", "BACKSLASH": `a\b\\c\n\`, "BANG": "!! !$", "STAR": "* ? [a]",
	"SEMICOLON": "; touch pwned; #", "COMMENT": "a # b", "EQUALS": "a=b==", "UNICODE": "żółć 🚢", "ESC": "\x1b[31m\x07\x01", "DASH": "-n --env=X",
	"BYTES": "\xff\xfe", "export": "a keyword", "TILDE": "~root",
}

// setNasty gives blog the nasty values.
func (w *world) setNasty() {
	w.t.Helper()
	w.must(w.Store.ReplaceConfig(w.t.Context(), "blog", nasty))
}

// environOf returns what a shell's environment has of the nasty values after
// a script, which must not have run any of them.
func environOf(t *testing.T, script string, files map[string]string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/bin/sh", "-euc", script)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Errorf("%s: a value was run", script)
	}
	got := map[string]string{}
	for _, line := range strings.Split(string(out), "\x00") {
		key, value, _ := strings.Cut(strings.TrimPrefix(line, "--env="), "=")
		if _, ok := nasty[key]; ok {
			got[key] = value
		}
	}
	return got
}

// Attack: a value has quotes and commands in it, and runs on the machine of
// whoever evaluates the export.
func TestShellsGetExportedValuesAsTheyAreAndRunNone(t *testing.T) {
	w := newWorld(t)
	w.setNasty()
	export := func(format string) map[string]string {
		return map[string]string{"out": w.ok("config:export", "blog", "--format", format)}
	}

	for format, script := range map[string]string{
		"exports":     `. ./out; env -0`,
		"shell":       `{ printf 'env '; cat out; echo 'env -0'; } >run; . ./run`,
		"docker-args": `eval "set -- $(cat out)"; printf '%s\0' "$@"`,
	} {
		if got := environOf(t, script, export(format)); !maps.Equal(got, nasty) {
			t.Errorf("%s: a shell has %q, want %q", format, got, nasty)
		}
	}
	single := maps.Clone(nasty)
	delete(single, "LINES")
	delete(single, "TABS")
	w.must(w.Store.ReplaceConfig(t.Context(), "blog", single))
	if got := environOf(t, `set -a; . ./out; env -0`, export("envfile")); !maps.Equal(got, single) {
		t.Errorf("envfile: a shell has %q, want %q", got, single)
	}
}

func TestWhatIsExportedIsImportedAsItWas(t *testing.T) {
	w := newWorld(t)
	w.setNasty()
	for from, to := range map[string]string{"exports": "envfile", "envfile": "envfile", "json": "json"} {
		text := w.ok("config:export", "blog", "--format", from)
		want := maps.Clone(nasty)
		if from == "json" { // which is UTF-8
			want["BYTES"] = "��"
		}

		r := w.runWith(text, ada, "config:import", "--replace", "api", "--format", to)

		got, err := w.Store.Config(t.Context(), "api")
		if r.err != nil || err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v: config = %q, want %q", from, r.err, err, got, want)
		}
	}
	var bundled = map[string]string{}
	for archive := tar.NewReader(strings.NewReader(w.ok("config:bundle", "blog"))); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		w.must(err)
		value, err := io.ReadAll(archive)
		w.must(err)
		bundled[h.Name] = string(value)
	}
	if !maps.Equal(bundled, nasty) {
		t.Errorf("bundle = %q, want %q", bundled, nasty)
	}
}

func TestOtherFormatsOfExport(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.ChangeConfig(t.Context(), "", map[string]string{"ALL": "g", "B": "g"}, nil))
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"B": "x y", "LONG_ONE": "1"}, nil))

	for format, want := range map[string]string{
		"exports":          "export B='x y'\nexport LONG_ONE='1'\n",
		"shell":            "B='x y' LONG_ONE='1' ",
		"envfile":          "B=\"x y\"\nLONG_ONE=\"1\"\n",
		"docker-args":      "--env=B='x y' --env=LONG_ONE='1'\n",
		"docker-args-keys": "--env=B --env=LONG_ONE\n",
		"pack-keys":        "--env B --env LONG_ONE\n",
		"json":             `{"B":"x y","LONG_ONE":"1"}` + "\n",
		"json-list":        `[{"name":"B","value":"x y"},{"name":"LONG_ONE","value":"1"}]` + "\n",
		"pretty":           "B:         x y\nLONG_ONE:  1\n",
	} {
		if got := w.ok("config:export", "blog", "--format", format); got != want {
			t.Errorf("%s = %q, want %q", format, got, want)
		}
	}
	for args, want := range map[string]string{
		"config blog --merged":                  "=====> blog env vars\nALL:       g\nB:         x y\nLONG_ONE:  1\n",
		"config:show --global":                  "=====> global env vars\nALL:  g\nB:    g\n",
		"config:keys blog --merged":             "ALL\nB\nLONG_ONE\n",
		"config:keys blog --format json":        `["B","LONG_ONE"]` + "\n",
		"config:keys api":                       "",
		"config:keys api --format json":         "[]\n",
		"config:get --global ALL":               "g\n",
		"config:get blog B --quoted":            "'x y'\n",
		"config:export api":                     "",
		"config:export api --format json-list":  "[]\n",
		"config:export --global --format shell": "ALL='g' B='g' ",
	} {
		if got := w.ok(strings.Fields(args)...); got != want {
			t.Errorf("%s = %q, want %q", args, got, want)
		}
	}
	if r := w.run(ada, "config:export", "blog", "--format", "yaml"); !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("yaml: %v", r.err)
	}
}

func TestValueComesFromStdin(t *testing.T) {
	w := newWorld(t)
	big := strings.Repeat("x", 120<<10)
	for stdin, want := range map[string]string{"s3cret\n": "s3cret", "a\nb\n\n": "a\nb\n", "x=y": "x=y", big: big, "\n": ""} {
		if r := w.runWith(stdin, bob, "config:set", "blog", "KEY"); r.err != nil || strings.Contains(r.stdout, "s3cret") {
			t.Errorf("%.20q: %v, %s", stdin, r.err, r.stdout)
		}
		if env, err := w.Store.Config(t.Context(), "blog"); err != nil || env["KEY"] != want {
			t.Errorf("%.20q: KEY = %.20q, %v, want %.20q", stdin, env["KEY"], err, want)
		}
	}
	terminal := func(typed string) (string, error) {
		var out strings.Builder
		err := w.Execute(t.Context(), &command.Session{Actor: bob, Stdin: strings.NewReader(typed), Stdout: io.Discard, Stderr: &out, TTY: true}, []string{"config:set", "blog", "TYPED"})
		return out.String(), err
	}
	if out, err := terminal("s3crex\x7ft\rmore"); err != nil || out != "Value of TYPED: \n" {
		t.Errorf("at a terminal: %q, %v", out, err)
	}
	if env, err := w.Store.Config(t.Context(), "blog"); err != nil || env["TYPED"] != "s3cret" {
		t.Errorf("TYPED = %q, %v", env["TYPED"], err)
	}
	if _, err := terminal("half\x03"); !errors.Is(err, command.ErrInterrupted) {
		t.Errorf("Ctrl-C: %v", err)
	}
}

func TestEncodedValuesAreDecoded(t *testing.T) {
	w := newWorld(t)

	w.ok("config:set", "--encoded", "blog", "A="+base64.StdEncoding.EncodeToString([]byte("x\n'y'")), "B=")

	if env, err := w.Store.Config(t.Context(), "blog"); err != nil || !maps.Equal(env, map[string]string{"A": "x\n'y'", "B": ""}) {
		t.Errorf("config = %q, %v", env, err)
	}
}

// What cannot be taken changes nothing, and is quoted nowhere: not in the
// error, not in the audit trail.
func TestBadConfigChangesNothingAndIsNeverQuoted(t *testing.T) {
	w := newWorld(t)
	before := map[string]string{"KEEP": "1"}
	w.must(w.Store.ReplaceConfig(t.Context(), "blog", before))
	const secret = "hunter2hunter2"
	huge := strings.Repeat(secret, 1<<20/len(secret))
	for _, tt := range []struct {
		stdin string
		args  []string
	}{
		{"", []string{"config:set", "blog"}},
		{"", []string{"config:set", "blog", secret}},
		{"", []string{"config:set", "blog", "A=1", secret}},
		{"x", []string{"config:set", "blog", "A", "B"}},
		{"", []string{"config:set", "blog", "A=1", "9" + secret + "=="}},
		{"", []string{"config:set", "blog", "A=1", "B=" + secret + "\x00"}},
		{"", []string{"config:set", "blog", "A=1", "B=" + huge}},
		{huge, []string{"config:set", "blog", "A"}},
		{secret + "\x00", []string{"config:set", "blog", "A"}},
		{"", []string{"config:set", "--encoded", "blog", "A=" + secret + "!"}},
		{"", []string{"config:import", "blog"}},
		{"", []string{"config:import", "--replace", "blog"}},
		{"A=1\n" + secret, []string{"config:import", "blog"}},
		{"A=1\n9" + secret + "=\n", []string{"config:import", "--replace", "blog"}},
		{"A=1\nB='" + secret, []string{"config:import", "blog"}},
		{"A=1\nB=" + huge, []string{"config:import", "blog"}},
		{huge + huge + huge, []string{"config:import", "blog"}},
		{`{"A": "1", "B": ["` + secret + `"]}`, []string{"config:import", "--format", "json", "blog"}},
		{`{"A": "1", "A=B": "` + secret + `"}`, []string{"config:import", "--format", "json", "blog"}},
		{`{"A": "1"`, []string{"config:import", "--format", "json", "--replace", "blog"}},
		{"A=1", []string{"config:import", "--format", "toml", "blog"}},
		{"", []string{"config:unset", "blog"}},
		{"", []string{"config:set", "--global", "A=1", "9" + secret + "=="}},
	} {
		r := w.runWith(tt.stdin, ada, tt.args...)

		if r.err == nil || strings.Contains(r.err.Error()+appliance.HintOf(r.err)+r.stdout+r.stderr, secret) {
			t.Errorf("%.60q: %.300v, %q, want an error that quotes nothing", tt.args, r.err, r.stdout)
		}
		for app, want := range map[appliance.AppName]map[string]string{"blog": before, "": {}} {
			if env, err := w.Store.Config(t.Context(), app); err != nil || !maps.Equal(env, want) {
				t.Errorf("%.60q: config of %q = %.80q, %v, want %q", tt.args, app, env, err, want)
			}
		}
	}
	events, err := w.Store.Events(t.Context(), "", -1)
	w.must(err)
	if text, err := json.Marshal(events); err != nil || strings.Contains(string(text), secret) {
		t.Errorf("the audit trail has the secret (%v): %.2000s", err, text)
	}
}

func TestGlobalConfigIsBelowThatOfEachApp(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: ./app\n")
	w.ok("config:set", "blog", "OWN=1", "BOTH=own")
	live := func() map[string]string {
		t.Helper()
		app, err := w.Store.App(t.Context(), "blog")
		w.must(err)
		release, err := w.Store.Release(t.Context(), "blog", app.LiveRelease)
		w.must(err)
		delete(release.Env, "GIT_REV")
		return release.Env
	}
	before := live()

	out := w.ok("config:set", "--global", "ALL=all", "BOTH=global")

	if !strings.Contains(out, "-----> Setting ALL BOTH\n") || !strings.Contains(out, "ps:restart") || !maps.Equal(live(), before) {
		t.Errorf("out = %s, config = %q: want no restart", out, live())
	}
	w.ok("ps:restart", "blog")
	if got, want := live(), map[string]string{"OWN": "1", "BOTH": "own", "ALL": "all"}; !maps.Equal(got, want) {
		t.Errorf("config = %q, want %q", got, want)
	}
	w.ok("config:unset", "blog", "BOTH")
	if got := live()["BOTH"]; got != "global" {
		t.Errorf("BOTH = %q, want the global one", got)
	}
	w.ok("config:clear", "--global")
	w.ok("config:clear", "blog")
	if got := live(); len(got) != 0 {
		t.Errorf("config = %q, want none", got)
	}
	for _, args := range [][]string{{"config:set", "--global", "A=1"}, {"config:show", "--global"}, {"config:keys", "--global"}} {
		if r := w.run(mia, args...); !errors.Is(r.err, appliance.ErrDenied) {
			t.Errorf("%q by who is no admin: %v", args, r.err)
		}
	}
}

func TestChangesOfConfigAtOnceAreAllInEffect(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: ./app\n")
	var all sync.WaitGroup
	for _, key := range []string{"A", "B", "C", "D"} {
		all.Go(func() {
			if r := w.run(bob, "config:set", "blog", key+"=1"); r.err != nil {
				t.Errorf("%s: %v", key, r.err)
			}
		})
	}
	all.Wait()

	app, err := w.Store.App(t.Context(), "blog")
	w.must(err)
	release, err := w.Store.Release(t.Context(), "blog", app.LiveRelease)
	w.must(err)
	if keys := slices.Sorted(maps.Keys(release.Env)); !slices.Equal(keys, []string{"A", "B", "C", "D", "GIT_REV"}) || release.Version != 5 {
		t.Errorf("v%d has %q, want all of v5", release.Version, keys)
	}
}
