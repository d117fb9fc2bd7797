package command_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestBuilderSettingsTakeWhatMakesSense(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]string{ // what is kept; "!" for a refusal
		"builder:set blog selected dockerfile":                       "dockerfile",
		"builder:set blog selected":                                  "",
		"builder:set blog selected nixpacks":                         "!",
		"builder:set blog selected ../x":                             "!",
		"builder:set blog build-dir services/web/":                   "services/web",
		"builder:set blog build-dir ./web":                           "web",
		"builder:set blog build-dir .":                               "",
		"builder:set blog build-dir /etc":                            "!",
		"builder:set blog build-dir ../other":                        "!",
		"builder:set blog build-dir a/../../b":                       "!",
		"builder:set blog build-dir a\x00b":                          "!",
		"builder:set blog build-dir a\x1b[31mb":                      "!",
		"builder:set blog build-dir " + strings.Repeat("a/", 200):    "!",
		"builder:set blog dockerfile-path deploy/Dockerfile":         "deploy/Dockerfile",
		"builder-dockerfile:set blog dockerfile-path Web.dockerfile": "Web.dockerfile",
		"builder-dockerfile:set blog dockerfile-path ../x":           "!",
		"builder-dockerfile:set blog selected dockerfile":            "!",
		"builder-pack:set blog projecttoml-path p/project.toml":      "p/project.toml",
		"builder-pack:set blog builder-image heroku/builder:24":      "heroku/builder:24",
		"builder:set blog builder-image Heroku Builder":              "!",
		"builder:set blog builder-image $(id)":                       "!",
		"builder:set blog nope x":                                    "!",
	} {
		words := strings.SplitN(line, " ", 4)
		r := w.run(bob, words...)

		if want == "!" {
			if r.err == nil || appliance.HintOf(r.err) == "" || r.stdout != "" {
				t.Errorf("%q: %v, %q, want a refusal with a hint", line, r.err, r.stdout)
			}
			continue
		}
		if r.err != nil {
			t.Errorf("%q: %v", line, r.err)
			continue
		}
		var report map[string]string
		w.must(json.Unmarshal([]byte(w.ok("builder:report", "blog", "--format", "json")), &report))
		if got := report["builder-"+words[2]]; got != want {
			t.Errorf("%q: %s is %q, want %q", line, words[2], got, want)
		}
	}
}

func TestBuilderIsCalledAsDokkusUsersCallIt(t *testing.T) {
	w := newWorld(t)

	r := w.run(ada, "builder:set", "blog", "selected", "herokuish")

	// This world has one builder only.
	if !errors.Is(r.err, appliance.ErrNotFound) || !strings.Contains(r.err.Error(), `"buildpacks"`) || appliance.HintOf(r.err) != "there are: dockerfile" {
		t.Errorf("error = %v, hint %q", r.err, appliance.HintOf(r.err))
	}
}
