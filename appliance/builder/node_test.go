package builder_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance/builder"
)

const nodeServer = `require("http").createServer((q, r) => r.end(require("ms")("2 days") + " " + process.version + " " + process.env.NODE_ENV)).listen(process.env.PORT)`

// nodeApp makes an app with a dependency, and a lock file as npm writes it.
func nodeApp(t *testing.T, more string) string {
	t.Helper()
	dir := source(t, map[string]string{
		"package.json": `{"name": "blog", "version": "1.0.0", ` + more + ` "scripts": {"start": "node web.js"}, "dependencies": {"ms": "2.1.3"}}`,
		"package-lock.json": `{"name": "blog", "version": "1.0.0", "lockfileVersion": 3, "packages": {
			"": {"name": "blog", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}},
			"node_modules/ms": {"version": "2.1.3", "integrity": "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="}}}`,
		"web.js": nodeServer,
	})
	return dir
}

func TestNodeAppWithADependencyAnswers(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(nodeApp(t, ""), nil)
	_, body := w.get(w.start(r, "web"), "/")

	if !strings.HasPrefix(body, "172800000 v24.") || !strings.HasSuffix(body, " production") {
		t.Errorf("answer = %q", body)
	}
	if !strings.HasPrefix(out, "-----> Node.js app (package.json), buildpack nodejs (built in)\n") {
		t.Errorf("output starts otherwise:\n%s", out)
	}
	if strings.Contains(out, "       ----->") || strings.Contains(out, "              a") || !strings.Contains(out, "\n       added 1 package") {
		t.Errorf("output is not indented once:\n%s", out)
	}
}

// Without a network a download cannot hide.
func TestSecondBuildWithTheSameLockFileDownloadsNothing(t *testing.T) {
	w := newWorld(t)
	dir := nodeApp(t, `"engines": {"node": "22.x"},`)
	_, first := w.mustBuild(dir, nil)

	r, second := w.mustBuild(dir, offline)

	if !strings.Contains(first, "-----> Installing Node.js 22.") || !strings.Contains(second, "-----> Using Node.js 22.") {
		t.Errorf("output of the builds:\n%s\n%s", first, second)
	}
	if said := w.run(r, "/exec", "node", "-p", `require("ms")("1s") + process.version`); !strings.HasPrefix(said, "1000v22.") {
		t.Errorf("the app says %q", said)
	}
	if npm := w.run(r, "/exec", "bash", "-c", "command -v npm && npm --version"); !strings.HasPrefix(npm, "/app/.heroku/node/bin/npm\n") {
		t.Errorf("npm = %q", npm)
	}
}

// offline is config that cuts npm and Go off from the world: there is no proxy
// at that address.
var offline = map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "npm_config_fetch_retries": "0"}

func TestOfflineIsOffline(t *testing.T) {
	w := newWorld(t)
	dir := source(t, goApp)

	_, out, err := w.build(dir, offline)

	if err == nil {
		t.Errorf("a first build without a network succeeds:\n%s", out)
	}
}

func TestStacksNodeIsUsedWhenItWillDo(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(nodeApp(t, `"engines": {"node": ">=20 <26"},`), nil)
	where := w.run(r, "/exec", "bash", "-c", "command -v node; find /app -name node")

	if !strings.Contains(out, "of the stack (engines.node is >=20 <26)") || !strings.HasPrefix(where, "/usr/local/bin/node\n") || strings.Contains(where, "/app") {
		t.Errorf("node is at %q\n%s", where, out)
	}
}

// npm, which knows what was released, is asked for what the stack's Node.js is
// no answer to. Here it knows four versions.
func TestRangesOfEnginesAreReadAsNpmReadsThem(t *testing.T) {
	w := newWorld(t)
	s, err := stack()
	if err != nil {
		t.Fatal(err)
	}
	const theirs, none = "of the stack", "there is no Node.js"
	ranges := []struct{ is, want string }{
		{"^24", theirs}, {"^24.0.0", theirs}, {"^20.1.0 || ^24.0.0", theirs}, {">=20", theirs}, {">= 20.0.0 <25", theirs},
		{"x", theirs}, {"*", theirs}, {"24.x", theirs}, {"20 - 24", theirs}, {"~24", theirs},
		{"^22", "22.11.2"}, {"^22.2.0", "22.11.2"}, {"~22.2.0", "22.2.9"}, {"~22.2", "22.2.9"}, {"22.x.x", "22.11.2"}, {"22.2.x", "22.2.9"},
		{"^20 || ~22.2", "22.2.9"}, {"20.x||21.x", "20.9.0"}, {">=18 <22", "20.9.0"}, {"<=20.9", "20.9.0"}, {"=22.2.9", "22.2.9"}, {"v22.2.1", "22.2.1"},
		{"^22.12", none}, {"~22.3", none}, {">=99", none}, {"^0.10 || ^19", none},
	}
	script := `source /build/lib.sh; source /build/buildpacks/nodejs/tool.sh; source /build/buildpacks/nodejs/node.sh
		cache=/tmp/cache build=/tmp/app released='20.9.0 22.2.1 22.2.9 22.11.2'
		npm() {
			[[ "$1 $2 $4" == "view --json version" ]] || return 1
			semver=$semver node -p 'const {satisfies} = require(process.env.semver), [range, ...all] = process.argv.slice(1);
				JSON.stringify(all.filter(v => satisfies(v, range)))' "${3#*@}" $released
		}
		install_node() { mkdir -p "$cache/node/bin" "$cache/node/lib"; }
		for range; do (use_node "$range") 2>&1 | head -n 1; rm -rf /tmp/cache /tmp/app; done`
	command := []string{"bash", "-c", script, "-"}
	for _, r := range ranges {
		command = append(command, r.is)
	}

	said := strings.Split(w.run(builder.Result{Image: s}, command...), "\n")

	for i, r := range ranges {
		if i >= len(said) || !strings.Contains(said[i], r.want) || !strings.Contains(said[i], r.is) {
			t.Errorf("%q: want %q in %q", r.is, r.want, said[min(i, len(said)-1)])
		}
	}
}

func TestDevelopmentDependenciesBuildTheAppAndThenGo(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(source(t, map[string]string{
		"package.json": `{"dependencies": {"ms": "2.1.3"}, "devDependencies": {"is-odd": "3.0.1"}, "scripts": {
			"start": "node x", "heroku-prebuild": "echo first, [ ! -e node_modules ]", "build": "node -p 'require(\"is-odd\")(3)' > built", "heroku-postbuild": "npm run build; echo last"}}`,
	}), nil)
	found := w.run(r, "/exec", "bash", "-c", "cat built; ls node_modules")

	if found != "true\nms\n" {
		t.Errorf("found %q\n%s", found, out)
	}
	if strings.Index(out, "npm run heroku-prebuild") > strings.Index(out, "Installing dependencies") || strings.Count(out, "-----> npm run build") != 0 {
		t.Errorf("steps:\n%s", out)
	}
}

func TestServerJSStartsAnAppWithoutAStartScript(t *testing.T) {
	w := newWorld(t)

	r, _ := w.mustBuild(source(t, map[string]string{
		"package.json": `{}`,
		"server.js":    `require("http").createServer((q, r) => r.end("hello")).listen(process.env.PORT)`,
	}), nil)

	if _, body := w.get(w.start(r, "web"), "/"); body != "hello" || r.Procfile["web"] != "node server.js" {
		t.Errorf("answer = %q, process types %q", body, r.Procfile)
	}
}

func TestModuleWithNativeCodeCompiles(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(source(t, map[string]string{
		"package.json": `{"scripts": {"start": "node x"}, "gypfile": true}`,
		"binding.gyp":  `{"targets": [{"target_name": "hello", "sources": ["hello.c"]}]}`,
		"hello.c": `#include <node_api.h>
static napi_value init(napi_env env, napi_value exports) { napi_value s; napi_create_string_utf8(env, "native", 6, &s); return s; }
NAPI_MODULE(hello, init)
`,
	}), nil)

	if said := w.run(r, "/exec", "node", "-p", `require("./build/Release/hello.node")`); said != "native\n" {
		t.Errorf("it says %q\n%s", said, out)
	}
}

func TestScriptsOfTheStackPassShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("shellcheck is not installed here")
	}
	var scripts []string
	err := filepath.WalkDir("stack", func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Dir(name) != "stack" && filepath.Ext(name) != ".py" {
			scripts = append(scripts, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	// SC1091: what they source is where it will be in the image.
	out, err := exec.Command("shellcheck", append([]string{"-e", "SC1091"}, scripts...)...).CombinedOutput()

	if err != nil || len(scripts) < 20 {
		t.Errorf("%d scripts: %v\n%s", len(scripts), err, out)
	}
}
