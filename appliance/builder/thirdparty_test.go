package builder_test

import (
	"bytes"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/progress"
)

// buildWith builds dir with buildpacks that the app's settings name.
func (w *world) buildWith(dir string, env map[string]string, names ...string) (builder.Result, string, error) {
	w.Helper()
	s, err := stack()
	if err != nil {
		w.Fatal(err)
	}
	var out bytes.Buffer
	p := progress.New(&out)
	w.builds++
	result, err := builder.Buildpacks{}.Build(w.Context(), w.engine, builder.Request{
		App: w.app, Tag: w.tag(), Source: dir, Commit: "c0ffee", Env: env, Stack: s, Out: p, Step: p.Step,
		Settings: builder.Settings{Buildpacks: names},
	})
	return result, out.String(), err
}

func (w *world) mustBuildWith(dir string, env map[string]string, names ...string) (builder.Result, string) {
	w.Helper()
	result, out, err := w.buildWith(dir, env, names...)
	if err != nil {
		w.Fatalf("build: %v\nhint: %s\n%s", err, appliance.HintOf(err), out)
	}
	return result, out
}

// buildpack is one that only says that it was there.
func buildpack(name string, more ...map[string]string) map[string]string {
	files := map[string]string{
		"bin/detect":  "#!/bin/sh\necho " + name + "\n",
		"bin/compile": "#!/bin/sh\necho compiled by " + name + "\necho " + name + " >> $1/compiled\n",
		"bin/release": "#!/bin/sh\nprintf -- '---\\ndefault_process_types:\\n  web: cat compiled\\n'\n",
	}
	for _, m := range more {
		maps.Copy(files, m)
	}
	return files
}

func TestBuildpacksOfOthersGetWhatHerokuGivesThem(t *testing.T) {
	w, f := newWorld(t), newForge(t)
	first := f.commit("git/first", buildpack("First", map[string]string{
		"bin/compile": `#!/bin/bash
set -eu
[[ $1 == "$PWD" && -d $2 && -w $2 && $HOME == /app && $STACK && $SOURCE_VERSION == c0ffee && ${#REQUEST_ID} == 36 ]]
[[ $(id -u) != 0 && ! -v TOKEN && $(<"$3/TOKEN") == "it's hunter2" && $(ls "$3") == TOKEN ]]
here=$(cd "$(dirname "$0")/.." && pwd)
cat > "$here/export" <<END
export PATH="$1/tools:\$PATH" FROM_FIRST="a b" build=/nowhere cache=/nowhere
export LD_LIBRARY_PATH=$1/lib
cd /
echo noise
false
END
mkdir -p "$1/tools" "$1/.profile.d"
printf '#!/bin/sh\necho tool of first' > "$1/tools/the-tool"
chmod +x "$1/tools/the-tool"
echo 'export PROFILE=of-first' > "$1/.profile.d/first.sh"
echo kept >> "$2/kept"
`,
		"bin/release": "#!/bin/sh\ncat <<END\n---\nconfig_vars:\n  FIRST_URL: \"http://example.org/?a=b#c\"\n  LANG: en_US.UTF-8 # as always\n  1BAD: x\naddons:\n  - heroku-postgresql\ndefault_process_types:\n  web: no\n  old: no\nEND\n",
		// No deploy runs these: whoever does finds it said in the app.
		"bin/test":         "#!/bin/sh\ntouch \"${1:-.}/was-tested\"\nexit 1\n",
		"bin/test-compile": "#!/bin/sh\ntouch \"${1:-.}/was-compiled-for-tests\"\nexit 1\n",
	}))
	f.commit("git/second", buildpack("Second", map[string]string{
		"bin/detect":  "#!/bin/sh\n[ -x $1/tools/the-tool ] && echo Second # only after the first\n",
		"bin/compile": "#!/bin/sh\nset -eu\nthe-tool\necho FROM_FIRST is $FROM_FIRST in $PWD\necho 'worker: echo \"$PROFILE\" $FROM_PROFILE' > $1/Procfile\n",
		"bin/release": "#!/bin/sh\necho '---'\necho 'default_process_types:'\necho '  web: echo from second'\n",
	}))
	last := f.pack("last.tgz", buildpack("Last", map[string]string{"bin/release": "#!/bin/sh\necho '--- {}'\n"}))

	r, out := w.mustBuildWith(source(t, map[string]string{".profile": "export FROM_PROFILE=yes\n"}), map[string]string{"TOKEN": "it's hunter2"},
		f.URL+"/git/first", f.URL+"/git/second", last)
	worker := w.run(r, "/start", "worker")
	web := w.run(r, "/exec", "bash", "-c", "echo $PROFILE; cat compiled; find /app -name 'was-*'")

	for _, want := range []string{
		"-----> First app, buildpack " + f.URL + "/git/first at " + first[:7] + " (buildpacks:set)\n",
		"-----> Second app, buildpack ", "       tool of first\n       FROM_FIRST is a b in /tmp/build\n",
		"-----> Last app, buildpack " + last + " (buildpacks:set)\n", "-----> Process types: web, worker\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in:\n%s", want, out)
		}
	}
	if worker != "of-first yes\n" || web != "of-first\nLast\n" {
		t.Errorf("worker says %q, exec %q", worker, web)
	}
	if !maps.Equal(r.Procfile, appliance.Procfile{"web": "echo from second", "worker": `echo "$PROFILE" $FROM_PROFILE`}) {
		t.Errorf("process types = %q", r.Procfile)
	}
	if !maps.Equal(r.Config, map[string]string{"FIRST_URL": "http://example.org/?a=b#c", "LANG": "en_US.UTF-8"}) {
		t.Errorf("config = %q", r.Config)
	}
	if left := w.run(r, "find", "/tmp", "/cache", "/build/env", "-mindepth", "1", "-user", "1000"); left != "/tmp/build\n" {
		t.Errorf("the image has %q", left)
	}
}

func TestVersionOfABuildpackIsABranchATagOrACommit(t *testing.T) {
	w, f := newWorld(t), newForge(t)
	old := f.commit("git/pack", buildpack("Old"))
	dir := f.dir + "/git/pack"
	f.git(dir, "tag", "-am", "x", "v1")
	f.git(dir, "checkout", "-qb", "feature/x")
	f.commit("git/pack", buildpack("Feature"))
	f.git(dir, "checkout", "-q", "main")
	f.commit("git/pack", buildpack("New"))
	empty := source(t, map[string]string{"x": "y"})

	for ref, want := range map[string]string{"": "New", "#main": "New", "#v1": "Old", "#feature/x": "Feature", "#" + old: "Old", "#" + old[:9]: "Old"} {
		r, out := w.mustBuildWith(empty, nil, f.URL+"/git/pack"+ref)

		if said := w.run(r, "/start", "web"); said != want+"\n" {
			t.Errorf("%q: %q, want %q\n%s", ref, said, want, out)
		}
	}
}

func TestBuildpackComesInAnArchiveOfAnyKind(t *testing.T) {
	w, f := newWorld(t), newForge(t)
	inner := map[string]string{}
	for name, text := range buildpack("Packed") {
		inner["buildpack-main/"+name] = text
	}
	for name, files := range map[string]map[string]string{
		"a.tgz": buildpack("Packed"), "b.tar.gz": inner, "c.zip": inner,
		"d.tar": buildpack("Packed"), "e.tar.xz": inner, "f.txz": inner, "g.tar.bz2": inner, "h.tbz2": inner, "i.tbz": inner,
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: "packed"}
			address := f.pack(name, files)

			r, _ := w.mustBuildWith(source(t, map[string]string{"x": "y"}), nil, address)

			if said := w.run(r, "/start", "web"); said != "Packed\n" {
				t.Errorf("it says %q", said)
			}
		})
	}
}

func TestSubmodulesOfABuildpackComeWithIt(t *testing.T) {
	w, f := newWorld(t), newForge(t)
	f.commit("git/lib", map[string]string{"lib.sh": "echo 'from the library'\n"})
	f.commit("git/pack", buildpack("Pack", map[string]string{"bin/compile": "#!/bin/sh\n. $(dirname $0)/../lib/lib.sh\n"}))
	dir := f.dir + "/git/pack"
	f.git(dir, "submodule", "--quiet", "add", f.dir+"/git/lib", "lib")
	f.git(dir, "config", "-f", ".gitmodules", "submodule.lib.url", "../lib")
	f.git(dir, "commit", "-qam", "x")
	empty := source(t, map[string]string{"Procfile": "web: x"})

	_, out := w.mustBuildWith(empty, nil, f.URL+"/git/pack")
	_, again := w.mustBuildWith(empty, nil, f.URL+"/git/pack")

	if !strings.Contains(out, "       from the library\n") || !strings.Contains(again, "       from the library\n") {
		t.Errorf("output:\n%s\n%s", out, again)
	}
}

func TestSecondBuildIsUpToDateAndNeedsNoNetwork(t *testing.T) {
	w, f := newWorld(t), newForge(t)
	f.commit("git/pack", buildpack("One"))
	pinned := f.commit("git/pinned", buildpack("Pinned"))
	names := []string{f.URL + "/git/pack", f.pack("pack.tgz", buildpack("Uno")), f.URL + "/git/pinned#" + pinned}
	empty := source(t, map[string]string{"x": "y"})
	w.mustBuildWith(empty, nil, names...)
	f.commit("git/pack", buildpack("Two"))
	f.pack("pack.tgz", buildpack("Due"))
	f.commit("git/pinned", buildpack("Not wanted"))

	r, out := w.mustBuildWith(empty, nil, names...)
	f.CloseClientConnections()
	f.Close()
	offline, warned := w.mustBuildWith(empty, nil, names...)

	if said := w.run(r, "/start", "web"); said != "Two\nDue\nPinned\n" || strings.Contains(out, " !     ") {
		t.Errorf("the second build is of %q\n%s", said, out)
	}
	if said := w.run(offline, "/start", "web"); said != "Two\nDue\nPinned\n" || strings.Count(warned, " cannot be brought up to date: ") != 2 || !strings.Contains(warned, "Connection refused") && !strings.Contains(warned, "Failed to connect") {
		t.Errorf("the build without a network is of %q\n%s", said, warned)
	}
}

func TestEachOrderOfBuildpacksHasACacheOfItsOwn(t *testing.T) {
	w, f := newWorld(t), newForge(t)
	count := map[string]string{"bin/compile": "#!/bin/sh\necho x >> $2/count\nmkdir -p $2/readonly/x && chmod 555 $2/readonly\necho count $(wc -l < $2/count)\n"}
	f.commit("git/a", buildpack("A", count))
	f.commit("git/b", buildpack("B"))
	a, b := f.URL+"/git/a", f.URL+"/git/b"
	empty := source(t, map[string]string{"x": "y", "Procfile": "web: x"})

	for i, test := range []struct {
		names []string
		want  string
	}{
		{[]string{a}, "count 1\n"}, {[]string{a}, "count 2\n"}, {[]string{a + "#main"}, "count 3\n"},
		{[]string{a, b}, "count 1\n"}, {[]string{b, a}, "count 1\n"}, {[]string{b, a}, "count 2\n"},
		{[]string{a}, "count 1\n"}, // the first was removed
	} {
		if _, out := w.mustBuildWith(empty, nil, test.names...); !strings.Contains(out, test.want) {
			t.Errorf("build %d: want %q in:\n%s", i+1, test.want, out)
		}
	}
	s, err := stack()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := w.engine.Run(t.Context(), appliance.RunSpec{App: w.app, Image: s, Command: []string{"sh", "-c", "ls /cache | wc -l; ls /cache/buildpacks | wc -l"}, Mounts: []appliance.Mount{{Volume: "cache", Path: "/cache"}}, Out: &out}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "2\n1\n" {
		t.Errorf("the cache holds %q, want what the last build needs", out.String())
	}
}

// Whoever sees the log of a build, or has its image, need not be whoever set
// BUILDPACK_URL.
func TestCredentialsOfABuildpackAreUsedAndNowhereElse(t *testing.T) {
	w, f := newWorld(t), newForge(t)
	f.commit("private/pack", buildpack("Private", map[string]string{
		"bin/compile": "#!/bin/sh\nenv; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; grep -rs 'hunter[2]-4711' /cache /tmp /build/env\n",
		"bin/release": "#!/bin/sh\nprintf -- '---\\ndefault_process_types:\\n  web: x\\n'\n",
	}))
	empty := source(t, map[string]string{"x": "y"})
	address := f.with(forgeUser+":"+forgePassword, "private/pack")

	_, out, err := w.buildWith(empty, nil, address)
	_, wrong, failed := w.buildWith(empty, nil, f.with(forgeUser+":wr0ng", "private/pack#main"))

	// The buildpack's grep finds nothing, and says so with its status.
	if err == nil || strings.Contains(out+err.Error(), forgePassword) || !strings.Contains(out, "-----> Private app, buildpack "+f.URL+"/private/pack at ") {
		t.Errorf("error = %v\n%s", err, out)
	}
	if failed == nil || !strings.Contains(failed.Error(), "cannot be fetched: fatal: Authentication failed") || strings.Contains(wrong+failed.Error()+appliance.HintOf(failed), "wr0ng") {
		t.Errorf("error = %v, hint %q\n%s", failed, appliance.HintOf(failed), wrong)
	}
}

func TestBuildpackThatCannotBeUsedIsExplained(t *testing.T) {
	w, f := newWorld(t), newForge(t)
	f.commit("git/good", buildpack("Good"))
	f.commit("git/none", map[string]string{"README.md": "no buildpack"})
	f.commit("git/binary", buildpack("x", map[string]string{"bin/detect": "\x7fELF\x00\x01\x02 of another machine"}))
	f.commit("git/ruby", buildpack("x", map[string]string{"bin/detect": "#!/usr/bin/env nosuchruby\n"}))
	f.commit("git/crlf", buildpack("x", map[string]string{"bin/detect": "#!/bin/bash\r\necho x\r\n"}))
	f.commit("git/picky", buildpack("x", map[string]string{"bin/detect": "#!/bin/sh\nprintf '\\033[1m !     there is no Gemfile\\033[0m\\n\\nmore\\n' >&2\nexit 1\n"}))
	f.commit("git/nocompile", map[string]string{"bin/detect": "#!/bin/sh\necho x\n"})
	f.commit("git/fails", buildpack("x", map[string]string{"bin/compile": "#!/bin/sh\nprintf '\\033[31mno disk\\033[0m\\n\\n'; exit 3\n"}))
	f.commit("git/eleven", buildpack("x", map[string]string{"bin/compile": "#!/bin/sh\nexit 11\n"}))
	f.commit("git/warns", buildpack("x", map[string]string{"bin/compile": "#!/bin/sh\necho ' !     it broke'\necho ' !     mend it'\nexit 1\n"}))
	f.commit("git/badrelease", buildpack("x", map[string]string{"bin/release": "#!/bin/sh\nexit 4\n"}))
	f.commit("git/json", buildpack("x", map[string]string{"bin/release": "#!/bin/sh\necho '{\"default_process_types\": {'\n"}))
	f.commit("git/procfile", buildpack("x", map[string]string{"bin/compile": "#!/bin/sh\necho nonsense > $1/Procfile\n"}))
	f.archives["page.tgz"] = []byte("<!DOCTYPE html><html>sign in</html>")
	closed := newForge(t)
	closed.Close()
	for name, test := range map[string]struct {
		address      string
		what, advice string
	}{
		"a branch that is not there":         {f.URL + "/git/good#v9", `no branch, tag or commit "v9"`, "correct what follows the #"},
		"a commit that is not there":         {f.URL + "/git/good#0123456", `no branch, tag or commit "0123456"`, "correct what follows the #"},
		"a repository that is not there":     {f.URL + "/git/nosuch", "/git/nosuch cannot be fetched: fatal: repository '" + f.URL + "/git/nosuch/' not found", "whether it is right"},
		"an archive that is not there":       {f.URL + "/archive/nosuch.tgz", "cannot be fetched: curl: (22) The requested URL returned error: 404", "whether it is right"},
		"a page in place of an archive":      {f.URL + "/archive/page.tgz", "is no archive that can be unpacked: it is HTML document", ".tgz"},
		"a server that is not there":         {closed.URL + "/git/x", "cannot be fetched: fatal: unable to access", "reaches that address"},
		"a git server that never answers":    {f.URL + "/silent/x", "cannot be fetched: ", "reaches that address"},
		"a file server that never answers":   {f.URL + "/silent/x.tgz", "cannot be fetched: ", "reaches that address"},
		"what is no buildpack":               {f.URL + "/git/none", "has no bin/detect; it has: README.md", "the address of a buildpack"},
		"a program of another machine":       {f.URL + "/git/binary", "bin/detect of buildpack " + f.URL + "/git/binary cannot be run: ", "it is: ELF"},
		"an interpreter that is not there":   {f.URL + "/git/ruby", "cannot be run: /usr/bin/env: ", "begin with #!"},
		"line ends of Windows":               {f.URL + "/git/crlf", "cannot be run: ", "CRLF"},
		"one that does not want the source":  {f.URL + "/git/picky", "/git/picky (buildpacks:set) does not want this source: there is no Gemfile", "correct buildpacks:set"},
		"a built-in one that does not":       {"nodejs", "buildpack nodejs (buildpacks:set) does not want this source", "correct buildpacks:set"},
		"one without bin/compile":            {f.URL + "/git/nocompile", "has no bin/compile", "the address of a buildpack"},
		"a compile that ends with 3":         {f.URL + "/git/fails", "bin/compile of buildpack " + f.URL + "/git/fails ended with status 3: no disk", "the lines above"},
		"a compile that ends with 11":        {f.URL + "/git/eleven", "bin/compile of buildpack " + f.URL + "/git/eleven ended with status 11", "the lines above"},
		"a compile that says why":            {f.URL + "/git/warns", "it broke", "mend it"},
		"a release that fails":               {f.URL + "/git/badrelease", "bin/release of buildpack " + f.URL + "/git/badrelease ended with status 4", "the lines above"},
		"a release that makes no sense":      {f.URL + "/git/json", "says what is no YAML", "who make it"},
		"a Procfile of its that makes none":  {f.URL + "/git/procfile", "Procfile, line 1 makes no sense: nonsense", "web: node server.js"},
		"the name of one that is not there":  {"nosuch", "invalid buildpack \"nosuch\"", "built in are: "},
		"an account where none is asked for": {f.with("a:b", "git/nosuch"), "not found", "BUILDPACK_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: "bad"}
			begun := time.Now()

			_, out, err := w.buildWith(source(t, map[string]string{"x": "y"}), map[string]string{"CURL_TIMEOUT": "3", "CURL_CONNECT_TIMEOUT": "a[$(touch /app/x)]"}, test.address)

			if err == nil || !strings.Contains(err.Error(), test.what) || !strings.Contains(appliance.HintOf(err), test.advice) {
				t.Errorf("error = %v, hint %q\n%s", err, appliance.HintOf(err), out)
			}
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestReleaseIsReadInEveryFormThatBuildpacksWrite(t *testing.T) {
	w := newWorld(t)
	s, err := stack()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ yaml, want string }{
		"none":           {"--- {}\n", ""},
		"plain":          {"---\ndefault_process_types:\n  web: bin/x -p $PORT # a comment\nother:\n  no: no\n", "web bin/x -p $PORT\n"},
		"CRLF and tabs":  {"---\r\ndefault_process_types:\r\n\tweb: a b\r\n", "web a b\n"},
		"quotes":         {"default_process_types:\n  web: \"say \\\"a\\\\b\\\" # c\"\n  'w-2': 'it''s'\n", "web say \"a\\b\" # c\nw-2 it's\n"},
		"folded":         {"default_process_types:\n  web: bundle exec puma -t\n    5:5 -p $PORT\n  worker: >-\n    a\n    b\naddons:\n- x\n", "web bundle exec puma -t 5:5 -p $PORT\nworker a b\n"},
		"flow":           {"addons: []\ndefault_process_types: {}\n", ""},
		"JSON":           {"{\"default_process_types\": {\"web\": \"a \\\"b\\\"\", \"n\": 1}}", "web a \"b\"\nn 1\n"},
		"JSON, document": {"--- {\"default_process_types\": {\"web\": \"a\"}}\n", "web a\n"},
	} {
		said := w.run(builder.Result{Image: s}, "bash", "-c", `set -euo pipefail; source /build/lib.sh; source /build/release.sh; mapping default_process_types "$1"`, "-", test.yaml)
		if said != test.want {
			t.Errorf("%s: %q, want %q", name, said, test.want)
		}
	}
}

func TestExplainSaysWhatABuildWouldDo(t *testing.T) {
	w := newWorld(t)
	s, err := stack()
	if err != nil {
		t.Fatal(err)
	}
	explain := func(files map[string]string, names ...string) ([]string, error) {
		return builder.Buildpacks{}.Explain(t.Context(), w.engine, builder.Request{
			App: w.app, Source: source(t, files), Commit: "c0ffee", Stack: s, Settings: builder.Settings{Buildpacks: names}})
	}

	detected, err := explain(map[string]string{"package.json": "{}", "go.mod": "module x", "index.html": "", "Procfile": "worker: x\nweb: y"})
	if want := "buildpack: nodejs (built in), because of package.json\nnot used: go (built in), for which there is Go app (go.mod)\nprocess types: web, worker (Procfile)\nstack: " + string(s); err != nil || strings.Join(detected, "\n") != want {
		t.Errorf("detected = %q, %v, want %q", detected, err, want)
	}
	named, err := explain(map[string]string{"x": ""}, "https://user:hunter2@example.org/a#v1", "go")
	if want := "buildpack 1 of 2: https://example.org/a#v1 (fetched for the build), because of buildpacks:set\nbuildpack 2 of 2: go (built in), because of buildpacks:set\nprocess types: what the buildpacks say: there is no Procfile\nstack: " + string(s); err != nil || strings.Join(named, "\n") != want {
		t.Errorf("named = %q, %v, want %q", named, err, want)
	}
	if nothing, err := explain(map[string]string{"x": ""}); err == nil || !strings.Contains(err.Error(), "nothing here that can be built") {
		t.Errorf("nothing = %q, %v", nothing, err)
	}
	if images, _ := exec.Command("docker", "images", "-q", string(w.tag())).Output(); len(images) > 0 {
		t.Errorf("there is an image: %s", images)
	}
}

func TestOtherLanguagesOfTheSourceAreToldOf(t *testing.T) {
	w := newWorld(t)

	_, out := w.mustBuild(source(t, map[string]string{"package.json": `{"scripts": {"start": "x"}}`, "go.mod": "module x", "index.html": ""}), nil)

	if !strings.Contains(out, "Not built: Go app (go.mod). To choose: buildpacks:set blog go\n") || strings.Contains(out, "Static") {
		t.Errorf("output:\n%s", out)
	}
}
