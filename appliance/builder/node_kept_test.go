package builder_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

const nodeLock = `{"name": "blog", "version": "1.0.0", "lockfileVersion": 3, "packages": {
	"": {"name": "blog", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}, "devDependencies": {"is-odd": "3.0.1"}},
	"node_modules/is-number": {"version": "6.0.0", "dev": true, "integrity": "sha512-Wu1VHeILBK8KAWJUAiSZQX94GmOE45Rg6/538fKwiloUu21KncEkYGPqob2oSZ5mUT73vLGrHQjKw3KMPwfDzg=="},
	"node_modules/is-odd": {"version": "3.0.1", "dev": true, "dependencies": {"is-number": "^6.0.0"}, "integrity": "sha512-CQpnWPrDwmP1+SMHXZhtLtJv90yiyVfluGsX5iNCVkrhQtU3TQHsUWPG9wkdk9Lgd5yNpAg9jQEo90CBaXgWMA=="},
	"node_modules/ms": {"version": "2.1.3", "integrity": "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="}}}`

const usesInstalled = "-----> Using the installed dependencies of the same package-lock.json and package.json"

func TestUnchangedLockFileInstallsNothingAgain(t *testing.T) {
	w := newWorld(t)
	dir := source(t, managed("", map[string]string{"package-lock.json": nodeLock}))
	w.mustBuild(dir, nil)

	r, second := w.mustBuild(dir, nil)
	_, body := w.get(w.start(r, "web"), "/")

	if want := "172800000 true is-odd is gone"; body != want {
		t.Errorf("answer = %q, want %q", body, want)
	}
	if !strings.Contains(second, usesInstalled) || strings.Contains(second, "npm ci") {
		t.Errorf("the second build installs again:\n%s", second)
	}
}

// A layer saves the unpacking, and is one for all images that begin with it.
func TestUnchangedLockFileCanBeginWithALayer(t *testing.T) {
	w := newWorld(t)
	app := managed("", map[string]string{"package-lock.json": nodeLock, "built": "as it is"})
	app["package.json"] = strings.Replace(app["package.json"], `"build"`, `"unused"`, 1)
	dir := source(t, app)
	if first, _ := w.mustBuild(dir, nil); first.Keeps != "" {
		t.Errorf("the first build keeps %q, want nothing yet", first.Keeps)
	}
	second, _ := w.mustBuild(dir, nil)
	w.kept = w.tag()
	err := builder.KeepLayer(t.Context(), w.engine, builder.Layer{App: w.app, Tag: w.kept, Stack: second.Stack, Keeps: second.Keeps})
	if err != nil {
		t.Fatal(err)
	}

	third, out := w.mustBuild(dir, nil)
	_, body := w.get(w.start(third, "web"), "/")

	if want := "172800000 as it is is-odd is gone"; body != want {
		t.Errorf("answer = %q, want %q", body, want)
	}
	if !strings.Contains(out, usesInstalled) || third.Keeps != "" || !third.Inherits || second.Inherits || third.Stack != second.Stack {
		t.Errorf("the third build keeps %q, on %s:\n%s", third.Keeps, third.Stack, out)
	}
	if size := w.size(third.Image) - w.size(w.kept); size > 16<<10 {
		t.Errorf("its image has %d bytes more than the layer, want no more than the app's own files", size)
	}

	// What the layer was made for is not what is asked for now.
	fourth, out := w.mustBuild(dir, map[string]string{"npm_config_ignore_scripts": "true"})
	_, body = w.get(w.start(fourth, "web"), "/")

	if want := "172800000 as it is is-odd is gone"; body != want || fourth.Inherits || strings.Contains(out, usesInstalled) {
		t.Errorf("with other settings of npm: answer = %q, want %q; output:\n%s", body, want, out)
	}
}

// size returns how large an image is, with all that it stands on.
func (w *world) size(image appliance.Image) int64 {
	w.Helper()
	info, err := w.engine.Inspect(w.Context(), image)
	if err != nil {
		w.Fatal(err)
	}
	return info.Size
}

func TestALayerOfWhatIsNotKeptIsNotMade(t *testing.T) {
	w := newWorld(t)
	s, err := stack()
	if err != nil {
		t.Fatal(err)
	}
	tag := w.tag()

	err = builder.KeepLayer(t.Context(), w.engine, builder.Layer{App: w.app, Tag: tag, Stack: s, Keeps: strings.Repeat("a", 64)})

	if err == nil {
		t.Error("KeepLayer = nil, want an error")
	}
	if _, err := w.engine.Inspect(t.Context(), tag); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("Inspect = %v, want ErrNotFound", err)
	}
}

// What npm ci would do otherwise than the last time must be done.
func TestDependenciesAreInstalledAgainWhenSomethingThatDecidesChanges(t *testing.T) {
	w := newWorld(t)
	app := managed("", map[string]string{"package-lock.json": nodeLock})
	for name, test := range map[string]struct {
		file, content string
		env           map[string]string
		fails         string
	}{
		"nothing":                {},
		"npm's own settings":     {file: ".npmrc", content: "omit-lockfile-registry-resolved=true\n"},
		"settings in the config": {env: map[string]string{"npm_config_ignore_scripts": "true"}},
		"a package.json that the lock file does not fit": {
			file: "package.json", content: strings.Replace(app["package.json"], `"2.1.3"`, `"2.1.2"`, 1), fails: "npm ci ended with status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: w.app}
			w.mustBuild(source(t, app), nil)
			changed := maps.Clone(app)
			if test.file != "" {
				changed[test.file] = test.content
			}

			if test.fails != "" {
				w.mustFail(source(t, changed), test.fails, "commit package-lock.json")
				return
			}
			_, out := w.mustBuild(source(t, changed), test.env)

			if again := !strings.Contains(out, usesInstalled); again != (name != "nothing") {
				t.Errorf("installs again: %v\n%s", again, out)
			}
		})
	}
}

// A script that npm runs while it installs may read any file of the app, which
// no lock file knows.
func TestScriptsOfAnInstallationRunInEachBuild(t *testing.T) {
	w := newWorld(t)
	lock := `{"name": "blog", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {"name": "blog", "version": "1.0.0", "hasInstallScript": true}}}`
	app := map[string]string{
		"package.json":      `{"name": "blog", "version": "1.0.0", "scripts": {"start": "node x", "postinstall": "cp schema client"}}`,
		"package-lock.json": lock, "schema": "one",
	}
	w.mustBuild(source(t, app), nil)

	app["schema"] = "two"
	r, out := w.mustBuild(source(t, app), nil)

	if client := w.run(r, "cat", "/app/client"); client != "two" {
		t.Errorf("client = %q, want that of the new schema\n%s", client, out)
	}
}

func TestWorkspacesOfAMonorepoAreLinked(t *testing.T) {
	w := newWorld(t)
	app := map[string]string{
		"package.json":                `{"name": "shop", "private": true, "workspaces": ["packages/*"], "scripts": {"start": "npm start --workspace packages/web"}}`,
		"packages/greet/package.json": `{"name": "greet", "version": "1.0.0", "main": "greet.js"}`,
		"packages/greet/greet.js":     `module.exports = "one"`,
		"packages/web/package.json":   `{"name": "web", "version": "1.0.0", "dependencies": {"greet": "1.0.0"}, "scripts": {"start": "node web.js"}}`,
		"packages/web/web.js":         `require("http").createServer((q, r) => r.end(require("greet"))).listen(process.env.PORT)`,
		"package-lock.json": `{"name": "shop", "lockfileVersion": 3, "requires": true, "packages": {
			"": {"name": "shop", "workspaces": ["packages/*"]},
			"node_modules/greet": {"resolved": "packages/greet", "link": true},
			"node_modules/web": {"resolved": "packages/web", "link": true},
			"packages/greet": {"version": "1.0.0"},
			"packages/web": {"version": "1.0.0", "dependencies": {"greet": "1.0.0"}}}}`,
	}
	w.mustBuild(source(t, app), nil)

	app["packages/greet/greet.js"] = `module.exports = "two"`
	r, out := w.mustBuild(source(t, app), nil)

	if _, body := w.get(w.start(r, "web"), "/"); body != "two" {
		t.Errorf("answer = %q, want that of the changed package\n%s", body, out)
	}
}

func TestDirectoriesThatPackageJSONNamesAreKeptBetweenBuilds(t *testing.T) {
	w := newWorld(t)
	dir := source(t, map[string]string{
		"package.json": `{"cacheDirectories": [".next/cache", "../../etc", "/cache", "node_modules/.cache"], "scripts": {"start": "node x",
			"build": "mkdir -p .next/cache node_modules/.cache && echo x >> .next/cache/builds && echo x >> node_modules/.cache/builds",
			"heroku-cleanup": "cat .next/cache/builds node_modules/.cache/builds > builds; rm -r .next"}}`,
	})
	w.mustBuild(dir, nil)

	r, out := w.mustBuild(dir, nil)

	if found := w.run(r, "bash", "-c", "cd /app; cat builds; [ ! -e .next ] && echo gone"); found != "x\nx\nx\nx\ngone\n" {
		t.Errorf("found %q\n%s", found, out)
	}
}

func TestDevelopmentDependenciesStayWhereConfigSaysSo(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"another-environment": {map[string]string{"NODE_ENV": "staging"}, "is-odd is here"},
		"herokus-switch":      {map[string]string{"NPM_CONFIG_PRODUCTION": "false"}, "is-odd is here"},
		"not-even-installed":  {map[string]string{"NPM_CONFIG_PRODUCTION": "true"}, "is-odd is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: appliance.AppName(name)}
			files := managed("", map[string]string{"package-lock.json": nodeLock, "built": "x"})
			files["package.json"] = strings.Replace(files["package.json"], `"build"`, `"not-build"`, 1)

			r, out := w.mustBuild(source(t, files), test.env)

			if _, body := w.get(w.start(r, "web"), "/"); !strings.HasSuffix(body, test.want) {
				t.Errorf("answer = %q, want %q\n%s", body, test.want, out)
			}
		})
	}
}

func TestCommittedModulesNeedNoRegistry(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(source(t, map[string]string{
		"package.json":                    `{"dependencies": {"greet": "1.0.0"}}`,
		"server.js":                       `require("http").createServer((q, r) => r.end(require("greet"))).listen(process.env.PORT)`,
		"node_modules/greet/package.json": `{"name": "greet", "version": "1.0.0", "main": "greet.js"}`,
		"node_modules/greet/greet.js":     `module.exports = "from the repository"`,
	}), offline)

	if _, body := w.get(w.start(r, "web"), "/"); body != "from the repository" {
		t.Errorf("answer = %q\n%s", body, out)
	}
}
