package builder_test

import (
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
	dir := source(t, map[string]string{
		"go.mod":  "module example.com/shop\n\ngo 1.27.0\n",
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\t\"runtime\"\n)\n\nfunc main() { fmt.Println(runtime.Version()) }\n",
	})

	r, first := w.mustBuild(dir, nil)
	_, second := w.mustBuild(dir, offline)

	if said := w.run(r, "/start", "web"); said != "go1.27.0\n" {
		t.Errorf("it was built with %q\n%s", said, first)
	}
	if strings.Contains(second, "downloading") {
		t.Errorf("the second build downloads again:\n%s", second)
	}
}
