package builder_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

func TestNothingToBuildIsExplained(t *testing.T) {
	w := newWorld(t)

	w.mustFail(source(t, map[string]string{"README": "hello"}), "nothing here that can be built", "docs/buildpacks.md")
}

func TestEmptySourceIsExplained(t *testing.T) {
	_, _, err := builder.For(os.DirFS(t.TempDir()), builder.Settings{}, builder.Buildpacks{})

	if err == nil || !strings.Contains(err.Error(), "the source is empty") || appliance.HintOf(err) == "" {
		t.Errorf("error = %v, hint %q", err, appliance.HintOf(err))
	}
}

func TestSourceThatCannotBeBuiltIsExplained(t *testing.T) {
	w := newWorld(t)
	const start = `"scripts": {"start": "node x"}`
	for name, test := range map[string]struct {
		files        map[string]string
		what, advice string
	}{
		"broken package.json": {
			map[string]string{"package.json": `{"name": "blog",, }`},
			"package.json is not valid JSON: parse error: ", "correct it"},
		"package.json that is a list": {
			map[string]string{"package.json": `[]`},
			"package.json is not valid JSON", "correct it"},
		"no start script": {
			map[string]string{"package.json": `{"main": "app.js"}`},
			"nothing starts this app", `"start": "node app.js"`},
		"engines that nothing satisfies": {
			map[string]string{"package.json": `{"engines": {"node": "3.99.x"}, ` + start + `}`},
			`there is no Node.js for engines.node "3.99.x"`, "22.x"},
		"engines that are no range": {
			map[string]string{"package.json": `{"engines": {"node": "$(touch /tmp/x) latest"}, ` + start + `}`},
			"is no range of versions", "24.x"},
		"lock file of another package.json": {
			map[string]string{"package.json": `{"dependencies": {"ms": "2.1.3"}, ` + start + `}`, "package-lock.json": `{"lockfileVersion": 3, "packages": {}}`},
			"npm ci ended with status 1", "commit package-lock.json"},
		"build script that fails": {
			map[string]string{"package.json": `{"scripts": {"start": "node x", "build": "echo no disk; exit 3"}}`},
			`the script "build" of package.json ended with status 3`, "npm run build"},
		"broken go.mod": {
			map[string]string{"go.mod": "modul x\n"},
			"go.mod cannot be read", "go mod tidy"},
		"Go of a version that there is not": {
			map[string]string{"go.mod": "module x\n\ngo 1.999.0\n", "x.go": "package main\n"},
			"there is no Go as go.mod asks for: go 1.999.0", "go and toolchain lines"},
		"Go without main": {
			map[string]string{"go.mod": "module x\n\ngo 1.24\n", "x.go": "package x\n"},
			"module x has no main package", "cmd/web"},
		"Go that does not compile": {
			map[string]string{"go.mod": "module x\n\ngo 1.24\n", "x.go": "package main\n\nfunc main() { undefined() }\n"},
			"does not compile", "go build ./..."},
		"Go with several programs": {
			map[string]string{"go.mod": "module x\n\ngo 1.24\n", "cmd/a/a.go": "package main\n\nfunc main() {}\n", "cmd/b/b.go": "package main\n\nfunc main() {}\n"},
			"none is the web process: a b", "web: bin/a"},
		"static.json that leads out": {
			map[string]string{"static.json": `{"root": "../../etc"}`, "index.html": "x"},
			"there is no such directory", `set "root"`},
		"static.json through a link that leads out": {
			map[string]string{"static.json": `{"root": "out"}`, "out": "-> /etc"},
			"there is no such directory", `set "root"`},
		"broken static.json": {
			map[string]string{"static.json": `{`},
			"static.json is not valid", "correct it"},
		"Procfile in disorder": {
			map[string]string{"Procfile": "web node x\n"},
			`invalid Procfile, line 1: "web node x"`, "web: node server.js"},
		"Procfile of nothing": {
			map[string]string{"Procfile": "# later\n"},
			"nothing says how to start it", "add a Procfile"},
		"Procfile that is a directory": {
			map[string]string{"Procfile/x": "", "package.json": "{}"},
			"not an ordinary file", "ordinary file"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: w.app}
			out := w.mustFail(source(t, test.files), test.what, test.advice)

			if strings.Contains(out, " !     ") {
				t.Errorf("the error is told twice:\n%s", out)
			}
		})
	}
}

func TestFailedBuildLeavesNoImage(t *testing.T) {
	w := newWorld(t)
	w.mustBuild(source(t, map[string]string{"Procfile": "web: true\n"}), nil)
	before := w.run(builder.Result{Image: w.tag()}, "cat", "/app/Procfile")

	w.builds-- // the same tag again
	w.mustFail(source(t, map[string]string{"package.json": `{"scripts": {"start": "x", "build": "exit 3"}}`}), "status 3", "")
	after := w.run(builder.Result{Image: w.tag()}, "cat", "/app/Procfile")

	if before != after {
		t.Errorf("image = %q, want still %q", after, before)
	}
}

// A link may point at the files of the machine that builds, and a build that
// followed it would put them into an image.
func TestLinkOutOfTheSourceIsNotFollowed(t *testing.T) {
	w := newWorld(t)
	secret := source(t, map[string]string{"secret": "SECRET", "Procfile": "web: cat SECRET", "Dockerfile": "FROM x"})
	r, out := w.mustBuild(source(t, map[string]string{
		"Procfile":   "web: true",
		"up":         "-> ../../../../../../../etc/shadow",
		"absolute":   "-> " + secret + "/secret",
		"Dockerfile": "-> " + secret + "/Dockerfile",
		"in/ok":      "-> ../Procfile",
	}), nil)

	found := w.run(r, "/exec", "bash", "-c", "cat absolute up in/ok 2>&1; true")

	if strings.Contains(found, "SECRET") || !strings.Contains(found, "web: true") {
		t.Errorf("found %q", found)
	}
	if !strings.Contains(out, `left out the link "up"`) {
		t.Errorf("nothing is said of the link:\n%s", out)
	}
}

func TestProcfileIsNotReadThroughALink(t *testing.T) {
	secret := source(t, map[string]string{"Procfile": "SECRET"})
	dir := source(t, map[string]string{"Procfile": "-> " + secret + "/Procfile"})

	_, err := builder.Buildpacks{}.Build(t.Context(), nil, builder.Request{Source: dir})

	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("error = %v, want one that does not quote the file", err)
	}
}

// A config key becomes the name of a file.
func TestConfigKeyThatIsAPathIsRefused(t *testing.T) {
	dir := source(t, map[string]string{"Procfile": "web: true"})

	for _, key := range []string{"../x", "/x", "", "a b", "a\x00"} {
		_, err := builder.Buildpacks{}.Build(t.Context(), nil, builder.Request{Source: dir, Env: map[string]string{key: "secret"}})

		if !errors.Is(err, appliance.ErrInvalid) || strings.Contains(err.Error(), "secret") {
			t.Errorf("key %q: error = %v, want ErrInvalid without the value", key, err)
		}
	}
}
