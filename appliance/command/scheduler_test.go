package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestPropertyIsOfTheAppBeforeTheMachine(t *testing.T) {
	w := newWorld(t)
	holds := func(app string) string {
		return strings.TrimSpace(w.ok("scheduler-docker-local:report", app, "--scheduler-docker-local-computed-parallel-schedule-count"))
	}

	if got := holds("blog"); got != "all" {
		t.Errorf("holds %q before anything is set", got)
	}
	w.ok("docker-local:set", "--global", "parallel-schedule-count", "4")
	if out := w.ok("scheduler-docker-local:set", "blog", "parallel-schedule-count", "2"); !strings.Contains(out, "=====> Setting parallel-schedule-count of blog to 2\n") {
		t.Errorf("set says %q", out)
	}
	if holds("blog") != "2" || holds("api") != "4" {
		t.Errorf("holds %s for blog and %s for api, want 2 and 4", holds("blog"), holds("api"))
	}
	report := w.ok("scheduler-docker-local:report", "blog")
	for _, want := range []string{
		"=====> blog scheduler-docker-local information\n", "Scheduler docker local computed init process:", "true\n", "Scheduler docker local global parallel schedule count: ",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("report has not %q:\n%s", want, report)
		}
	}
	if out := w.ok("scheduler-docker-local:report", "--global"); !strings.Contains(out, "=====> Global scheduler-docker-local information\n") || !strings.Contains(out, "4\n") || strings.Contains(out, "2\n") {
		t.Errorf("report --global =\n%s", out)
	}
	w.ok("scheduler-docker-local:set", "api", "parallel-schedule-count", "all")
	if got := holds("api"); got != "all" {
		t.Errorf("holds %q for api, want all", got)
	}
	if out := w.ok("scheduler-docker-local:set", "blog", "parallel-schedule-count"); !strings.Contains(out, "=====> Unsetting parallel-schedule-count of blog\n") || holds("blog") != "4" {
		t.Errorf("unset says %q, and then holds %s", out, holds("blog"))
	}
}

func TestPropertyHasOnlyValuesThatMeanSomething(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]error{
		"scheduler:set blog selected docker-local":                             nil,
		"scheduler:set blog selected k3s":                                      appliance.ErrNotFound,
		"scheduler:set blog colour red":                                        appliance.ErrNotFound,
		"scheduler:set blog shell /bin/ash":                                    nil,
		"scheduler:set blog shell bash;reboot":                                 appliance.ErrInvalid,
		"scheduler:set blog shell --version":                                   appliance.ErrInvalid,
		"scheduler:set blog shell " + strings.Repeat("x", 201):                 appliance.ErrInvalid,
		"scheduler-docker-local:set blog init-process false":                   nil,
		"scheduler-docker-local:set blog init-process no":                      appliance.ErrInvalid,
		"scheduler-docker-local:set blog parallel-schedule-count 0":            appliance.ErrInvalid,
		"scheduler-docker-local:set blog parallel-schedule-count 999999999999": appliance.ErrInvalid,
		"app-json:set blog appjson-path deploy/app.json":                       nil,
		"app-json:set blog appjson-path ../app.json":                           appliance.ErrInvalid,
		"app-json:set blog appjson-path .":                                     appliance.ErrInvalid,
		"builder-herokuish:set blog allowed maybe":                             appliance.ErrInvalid,
		"herokuish:set blog allowed false":                                     nil,
	} {
		words := strings.Fields(strings.ReplaceAll(line, "--version", "-- --version"))
		r := w.run(bob, words...)
		if want == nil && r.err != nil || want != nil && !errors.Is(r.err, want) {
			t.Errorf("%.80s: %v, want %v", line, r.err, want)
		}
	}
	if out := w.ok("app-json:report", "blog", "--app-json-computed-appjson-path"); out != "deploy/app.json\n" {
		t.Errorf("appjson-path = %q, want what was set last", out)
	}
}

func TestEnterStartsTheShellThatWasSet(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.ok("scheduler:set", "--global", "shell", enginetest.Program+" say 0 machine")
	if r := w.run(bob, "enter", "blog"); r.err != nil || r.stdout != "machine\n" {
		t.Errorf("the machine's: %q, %v", r.stdout, r.err)
	}
	w.ok("scheduler:set", "blog", "shell", enginetest.Program+" say 3 app")
	r := w.run(bob, "enter", "blog", "web")

	if r.stdout != "app\n" || r.err == nil {
		t.Errorf("the app's: %q, %v, want its output and its status", r.stdout, r.err)
	}
	if r := w.run(bob, "enter", "blog", "web", enginetest.Program, "say", "0", "told"); r.stdout != "told\n" {
		t.Errorf("a command: %q, %v", r.stdout, r.err)
	}
}
