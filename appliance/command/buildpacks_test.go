package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/pipeline"
)

// The numbers are Dokku's: an index counts from 1, and one past the end is the
// end.
func TestBuildpacksAreAddedAndReplacedWhereTheIndexSays(t *testing.T) {
	const b, c = "https://github.com/b/heroku-buildpack-b.git", "https://example.org/c.tgz"
	for line, want := range map[string]string{
		"add go":                      "nodejs," + b + ",go",
		"add --index 1 go":            "go,nodejs," + b,
		"add --index 2 " + c:          "nodejs," + c + "," + b,
		"add --index 99 heroku/x#v1":  "nodejs," + b + ",https://github.com/heroku/heroku-buildpack-x.git#v1",
		"set go":                      "go," + b,
		"set --index 2 go":            "nodejs,go",
		"set --index 9 go":            "nodejs," + b + ",go",
		"set --replace " + c + " go":  c + ",go",
		"remove nodejs":               b,
		"remove b/b":                  "nodejs",
		"remove --index 1":            b,
		"remove --index 2":            "nodejs",
		"clear":                       "",
		"add heroku-community/static": "nodejs," + b + ",https://github.com/heroku/heroku-buildpack-static.git",
	} {
		w := newWorld(t)
		w.ok("buildpacks:set", "blog", "--replace", "berth/nodejs", "b/b")

		words := strings.Fields(line)
		w.ok(append([]string{"buildpacks:" + words[0], "blog"}, words[1:]...)...)

		if got := strings.Join(strings.Fields(w.ok("buildpacks:list", "blog", "--quiet")), ","); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestBuildpacksAreShownAsInDokku(t *testing.T) {
	w := newWorld(t)
	none := w.ok("buildpacks:list", "blog")
	noneJSON := w.ok("buildpacks:list", "blog", "--format", "json")
	w.ok("buildpacks:add", "blog", "heroku/ruby")

	said := w.ok("buildpacks:add", "blog", "nodejs")

	if none != "=====> blog buildpack urls\n" || noneJSON != "[]\n" {
		t.Errorf("without any: %q, %q", none, noneJSON)
	}
	if want := "-----> From the next build on, blog is built by\n       1. https://github.com/heroku/heroku-buildpack-ruby.git\n       2. nodejs\n"; said != want {
		t.Errorf("add says %q, want %q", said, want)
	}
	if got, want := w.ok("buildpacks:list", "blog"), "=====> blog buildpack urls\n       https://github.com/heroku/heroku-buildpack-ruby.git\n       nodejs\n"; got != want {
		t.Errorf("list = %q, want %q", got, want)
	}
	if got, want := w.ok("buildpacks:report", "blog"), "=====> blog buildpacks information\n       Buildpacks computed stack:     debian-12\n       Buildpacks global stack:\n       Buildpacks list:               https://github.com/heroku/heroku-buildpack-ruby.git,nodejs\n       Buildpacks stack:\n"; got != want {
		t.Errorf("report = %q, want %q", got, want)
	}
	if said := w.ok("buildpacks:clear", "blog"); said != "-----> The source of blog decides from the next build on\n" {
		t.Errorf("clear says %q", said)
	}
	if text, err := w.Store.AppSetting(t.Context(), "blog", pipeline.BuildpacksSetting); text != "" || err != nil {
		t.Errorf("setting = %q, %v, want none", text, err)
	}
}

func TestBuildpacksThatMakeNoSenseChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.ok("buildpacks:add", "blog", "nodejs")
	for line, want := range map[string]error{
		"add nodejs":                 appliance.ErrExists,
		"add berth/nodejs":           appliance.ErrExists,
		"add nosuch":                 appliance.ErrInvalid,
		"add file:///etc":            appliance.ErrInvalid,
		"add -- --upload-pack=x":     appliance.ErrInvalid,
		"add --index 0 go":           command.ErrUsage,
		"add --index -1 go":          command.ErrUsage,
		"add --index x go":           command.ErrUsage,
		"set go static":              command.ErrUsage,
		"set --replace --index 1 go": command.ErrUsage,
		"set --replace go nosuch":    appliance.ErrInvalid,
		"remove":                     command.ErrUsage,
		"remove nodejs --index 1":    command.ErrUsage,
		"remove go":                  appliance.ErrNotFound,
		"remove --index 2":           appliance.ErrNotFound,
	} {
		words := strings.Fields(line)
		r := w.run(ada, append([]string{"buildpacks:" + words[0], "blog"}, words[1:]...)...)

		if !errors.Is(r.err, want) {
			t.Errorf("%s: %v, want %v", line, r.err, want)
		}
		if list := w.ok("buildpacks:list", "blog", "--quiet"); list != "       nodejs\n" {
			t.Errorf("%s: the list is %q", line, list)
		}
	}
}

// The list is shown to all who may work on the app, and the audit trail to all
// admins.
func TestBuildpackWithCredentialsIsNotKept(t *testing.T) {
	w := newWorld(t)

	r := w.run(ada, "buildpacks:add", "blog", "https://user:hunter2@example.org/a/b#main")

	if !errors.Is(r.err, appliance.ErrInvalid) || !strings.Contains(appliance.HintOf(r.err), "BUILDPACK_URL") {
		t.Errorf("error = %v, hint %q", r.err, appliance.HintOf(r.err))
	}
	event := w.last()
	if strings.Contains(r.err.Error()+r.stdout+r.stderr+event.Detail+event.Error, "hunter2") || event.Action != "buildpacks:add" {
		t.Errorf("error = %v, event = %+v", r.err, event)
	}
}
