package builder_test

import (
	"maps"
	"regexp"
	"strings"
	"testing"
)

const goMain = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"it runs\") }\n"

func TestGoProgramsBecomeProcessTypes(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		files    map[string]string
		web      string
		programs string
	}{
		"the root's is named after the module, less its version": {
			map[string]string{"go.mod": "module example.com/shop/v2\n\ngo 1.24\n", "main.go": goMain},
			"bin/shop", "shop\n"},
		"web among several below cmd": {
			map[string]string{"go.mod": "module example.com/shop\n\ngo 1.24\n", "cmd/web/main.go": goMain, "cmd/job/main.go": goMain, "tool/main.go": goMain},
			"bin/web", "job\nweb\n"},
		"what go.mod says": {
			map[string]string{"go.mod": "module example.com/shop\n\n// +heroku install ./tool\n\ngo 1.24\n", "main.go": goMain, "tool/main.go": goMain},
			"bin/tool", "tool\n"},
		"the Procfile's beside what is in bin": {
			map[string]string{"go.mod": "module example.com/shop\n\ngo 1.24\n", "a/main.go": goMain, "b/main.go": goMain, "Procfile": "web: b", "bin/setup": "#!/bin/sh\n"},
			"b", "a\nb\nsetup\n"},
		"the vendor directory": {
			map[string]string{"go.mod": "module example.com/shop\n\ngo 1.24\n\nrequire example.com/v v1.0.0\n",
				"vendor/modules.txt":          "# example.com/v v1.0.0\n## explicit; go 1.24\nexample.com/v\n",
				"vendor/example.com/v/v.go":   "package v\n\nconst S = \"it runs\"\n",
				"main.go":                     "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/v\"\n)\n\nfunc main() { fmt.Println(v.S) }\n",
				"vendor/example.com/v/go.mod": "module example.com/v\n"},
			"bin/shop", "shop\n"},
		"those of a workspace": {
			map[string]string{"go.work": "go 1.24\n\nuse (\n\t./web\n\t./greet\n)\n",
				"web/go.mod":     "module example.com/web\n\ngo 1.24\n",
				"web/main.go":    "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/greet\"\n)\n\nfunc main() { fmt.Println(greet.S) }\n",
				"greet/go.mod":   "module example.com/greet\n\ngo 1.24\n",
				"greet/greet.go": "package greet\n\nconst S = \"it runs\"\n"},
			"bin/web", "web\n"},
		"with C, as cgo has it": {
			map[string]string{"go.mod": "module example.com/shop\n\ngo 1.24\n",
				"main.go": "package main\n\n// static const char *s(void) { return \"it runs\"; }\nimport \"C\"\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(C.GoString(C.s())) }\n"},
			"bin/shop", "shop\n"},
		"between the hooks of Heroku's buildpack": {
			map[string]string{"go.mod": "module example.com/shop\n\ngo 1.24\n",
				"bin/go-pre-compile":  "#!/bin/bash\nprintf 'package main\\n\\nimport \"fmt\"\\n\\nfunc main() { fmt.Println(S) }\\n' > main.go\n",
				"s.go":                "package main\n\nconst S = \"it runs\"\n",
				"bin/go-post-compile": "#!/bin/bash\nset -e\n[[ $(bin/shop) == 'it runs' ]]\nrm bin/go-*-compile\n"},
			"bin/shop", "shop\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: w.app}
			r, out := w.mustBuild(source(t, test.files), nil)
			programs := w.run(r, "ls", "/app/bin")
			said := w.run(r, "/start", "web")

			if r.Procfile["web"] != test.web || programs != test.programs || said != "it runs\n" {
				t.Errorf("web = %q, programs %q, says %q\n%s", r.Procfile["web"], programs, said, out)
			}
		})
	}
}

func TestGoFetchesTheToolchainThatGoModAsksFor(t *testing.T) {
	w := newWorld(t)
	app := func(lines string) string {
		return source(t, map[string]string{
			"go.mod":  "module example.com/shop\n\n" + lines,
			"main.go": "package main\n\nimport (\n\t\"fmt\"\n\t\"runtime\"\n)\n\nfunc main() { fmt.Println(runtime.Version()) }\n",
		})
	}
	dir := app("go 1.27.0\n")

	r, first := w.mustBuild(dir, nil)
	_, second := w.mustBuild(dir, offline)
	byLine, third := w.mustBuild(app("go 1.24\n\ntoolchain go1.27.0\n"), offline)
	back, fourth := w.mustBuild(app("go 1.24\n"), offline)

	if said := w.run(back, "/start", "web"); said == "go1.27.0\n" || !strings.Contains(fourth, "(go.mod says go 1.24)") {
		t.Errorf("back to an older Go, it was built with %q\n%s", said, fourth)
	}
	if said := w.run(byLine, "/start", "web"); said != "go1.27.0\n" || !strings.Contains(third, "Using go1.27.0 (go.mod says go 1.24, toolchain go1.27.0)") {
		t.Errorf("with a toolchain line it was built with %q\n%s", said, third)
	}
	if said := w.run(r, "/start", "web"); said != "go1.27.0\n" {
		t.Errorf("it was built with %q\n%s", said, first)
	}
	if strings.Contains(second, "downloading") {
		t.Errorf("the second build downloads again:\n%s", second)
	}
}

func TestGoProgramsBesideTheWebProcessAreProcessTypesToo(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(source(t, map[string]string{
		"go.mod":             "module example.com/shop\n\ngo 1.24\n",
		"cmd/web/main.go":    goMain,
		"cmd/worker/main.go": strings.Replace(goMain, "it runs", "it works", 1),
	}), nil)

	if said := w.run(r, "/start", "worker"); said != "it works\n" || len(r.Procfile) != 2 {
		t.Errorf("worker says %q, process types %q\n%s", said, r.Procfile, out)
	}
}

func TestGoVersionOfTheConfigGoesBeforeThatOfGoMod(t *testing.T) {
	w := newWorld(t)
	dir := source(t, map[string]string{
		"go.mod":  "module example.com/shop\n\n// +heroku goVersion go1.25.1\n\ngo 1.24\n",
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\t\"runtime\"\n)\n\nvar commit string\n\nfunc main() { fmt.Println(runtime.Version(), commit) }\n",
	})
	env := map[string]string{"GOVERSION": "1.24", "GO_LINKER_SYMBOL": "main.commit"}

	r, first := w.mustBuild(dir, env)
	maps.Copy(env, offline)
	_, second := w.mustBuild(dir, env)

	if said := w.run(r, "/start", "web"); !regexp.MustCompile(`^go1\.24\.\d+ c0ffee\n$`).MatchString(said) {
		t.Errorf("it says %q, want the last go1.24 and the commit\n%s", said, first)
	}
	if strings.Contains(second, "downloading") || !strings.Contains(second, "(GOVERSION says 1.24)") {
		t.Errorf("the second build says:\n%s", second)
	}
}

func TestGoWorkspaceWithoutAProgramIsExplained(t *testing.T) {
	newWorld(t).mustFail(source(t, map[string]string{
		"go.work": "go 1.24\n\nuse ./x\n", "x/go.mod": "module x\n\ngo 1.24\n", "x/x.go": "package x\n",
	}), "no module that go.work uses has a main package", "cmd/web")
}

func TestGoVersionThatThereIsNotIsExplained(t *testing.T) {
	w := newWorld(t)
	for version, what := range map[string]string{
		"go1.999.0":            "there is no Go as go.mod asks for: +heroku goVersion go1.999.0",
		"go1.999":              "there is no Go as go.mod asks for: +heroku goVersion go1.999",
		"$(touch${IFS}/tmp/x)": "which is no version of Go",
	} {
		t.Run(version, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: w.app}
			w.mustFail(source(t, map[string]string{"go.mod": "module x\n\n// +heroku goVersion " + version + "\n\ngo 1.24\n", "main.go": goMain}), what, "go")
		})
	}
}

// Modules of a private repository are fetched by git, which asks for the
// credentials that config has.
func TestPrivateGoModulesAreFetchedWithTheCredentialsOfTheConfig(t *testing.T) {
	w := newWorld(t)
	dir := source(t, map[string]string{
		"go.mod":             "module example.com/shop\n\ngo 1.24\n",
		"main.go":            goMain,
		"bin/go-pre-compile": "#!/bin/bash\nprintf 'protocol=https\\nhost=git.example.com\\n\\n' | git credential fill | sed 's/S3CRET/hidden/'\nrm bin/go-pre-compile\n",
	})

	r, out := w.mustBuild(dir, map[string]string{"GO_GIT_CRED__HTTPS__GIT__EXAMPLE__COM": "me:S3CRET"})
	found := w.run(r, "bash", "-c", "grep -r S3CRET /app; true")

	if !strings.Contains(out, "username=me\n") || !strings.Contains(out, "password=hidden\n") || strings.Contains(out+found, "S3CRET") {
		t.Errorf("git is told otherwise, or the image has it (%q):\n%s", found, out)
	}
}
