package command_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// A row is a line of report --format json.
type row struct {
	App, Report, Error string
	Values             json.RawMessage
}

// reports returns what report prints for an actor.
func (w *world) reports(actor appliance.Actor, args ...string) (list []row) {
	w.t.Helper()
	r := w.run(actor, append([]string{"report", "--format", "json"}, args...)...)
	w.must(r.err)
	for line := range strings.Lines(r.stdout) {
		var next row
		w.must(json.Unmarshal([]byte(line), &next))
		if (next.Error == "") != (len(next.Values) > 0) {
			w.t.Errorf("%s has values and an error, or neither", line)
		}
		list = append(list, next)
	}
	return list
}

func names(rows []row) (names []string) {
	for _, r := range rows {
		names = append(names, r.Report)
	}
	return names
}

func TestReportOfAnAppHasAllItsReports(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	var want []string
	for _, c := range w.All() { // by name
		if strings.HasSuffix(c.Name, ":report") && strings.HasPrefix(c.Args, "<app>") && c.Name != "nginx:report" { // it is router:report
			want = append(want, c.Name)
		}
	}

	rows := w.reports(ada, "blog")

	if got := names(rows); !slices.Equal(got, want) || len(got) < 20 {
		t.Errorf("reports = %q, want %q", got, want)
	}
	for _, r := range rows {
		alone := w.ok(r.Report, "blog", "--format", "json")
		if r.App != "blog" || r.Error != "" || r.Report != "logs:report" && string(r.Values) != strings.TrimSpace(alone) {
			t.Errorf("%s of %s: %s (%s), alone it is %s", r.Report, r.App, r.Values, r.Error, alone)
		}
	}
	text := w.ok("report", "blog")
	for _, part := range []string{"=====> blog app information\n", "       App locked:", "=====> blog ps information\n", "=====> blog domains information\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("report blog lacks %q:\n%s", part, text)
		}
	}
	if quiet := w.ok("report", "blog", "--quiet"); strings.Contains(quiet, "=====>") || !strings.Contains(quiet, "App locked:") {
		t.Errorf("report blog --quiet:\n%s", quiet)
	}
}

func TestReportHasWhatOneMayAskFor(t *testing.T) {
	w := newWorld(t)
	levels := levels(t)
	for who, tt := range map[string]struct {
		actor appliance.Actor
		apps  []string
		level command.Level
	}{
		"an admin":   {ada, []string{"api", "blog"}, command.Admin},
		"a deployer": {bob, []string{"blog"}, command.Deployer},
		"a viewer":   {val, []string{"blog"}, command.Viewer},
		"a stranger": {eve, nil, command.Anyone},
	} {
		var apps []string
		for _, r := range w.reports(tt.actor) {
			switch {
			case r.App == "" && r.Report != "report" && tt.level != command.Admin && levels[r.Report] != command.Anyone:
				t.Errorf("%s has %s of the machine", who, r.Report)
			case r.App != "" && levels[r.Report] < tt.level:
				t.Errorf("%s has %s of %s", who, r.Report, r.App)
			case r.App != "" && !slices.Contains(apps, r.App):
				apps = append(apps, r.App)
			}
		}
		if !slices.Equal(apps, tt.apps) {
			t.Errorf("%s has reports of %q, want %q", who, apps, tt.apps)
		}
		if first := w.run(tt.actor, "report"); !strings.HasPrefix(first.stdout, "=====> berth\nversion:      1.2.3\n") {
			t.Errorf("report for %s:\n%s", who, first.stdout)
		}
		for _, r := range w.reports(tt.actor, "--global") {
			if r.App != "" {
				t.Errorf("report --global has %s of %s", r.Report, r.App)
			}
		}
		if help := w.run(tt.actor, "help", "--all"); !strings.Contains(help.stdout, "    report [<app>]") {
			t.Errorf("help for %s lacks report", who)
		}
	}
	if names := names(w.reports(ada, "--global")); !slices.Contains(names, "letsencrypt:report") || !slices.Contains(names, "domains:report") {
		t.Errorf("report --global has %q", names)
	}
	if slices.Contains(names(w.reports(val)), "docker-options:report") || !slices.Contains(names(w.reports(bob)), "docker-options:report") {
		t.Error("a viewer has docker-options:report, or a deployer has not")
	}
	if e := w.last(); errors.Is(w.run(eve, "report", "blog").err, appliance.ErrDenied) == false || w.last() == e || w.last().Action != "report" {
		t.Errorf("a stranger asked for blog: the last event is %+v", w.last())
	}
	if r := w.run(ada, "report", "gone"); command.ExitStatus(r.err) != command.ExitNoApp || r.stdout != "" {
		t.Errorf("report gone: %v, %q", r.err, r.stdout)
	}
	for _, line := range [][]string{{"report", "blog", "--global"}, {"report", "blog", "api"}, {"report", "--format", "xml"}} {
		if r := w.run(ada, line...); !errors.Is(r.err, command.ErrUsage) || r.stdout != "" {
			t.Errorf("%q: %v, %q", line, r.err, r.stdout)
		}
	}
}

// What cannot be told leaves the rest alone.
func TestReportGoesOnAfterOneThatCannotBeMade(t *testing.T) {
	w := newWorld(t)
	w.engine.Refuse(func(call string) error {
		if call == "Processes" {
			return errors.New("engine is away")
		}
		return nil
	})

	text, rows := w.ok("report", "blog"), w.reports(ada, "blog")

	w.engine.Refuse(nil)
	if !strings.Contains(text, "=====> blog ps\n !     engine is away\n") || !strings.Contains(text, "=====> blog storage") {
		t.Errorf("report blog:\n%s", text)
	}
	i := slices.IndexFunc(rows, func(r row) bool { return r.Report == "ps:report" })
	if rows[i].Error != "engine is away" || rows[len(rows)-1].Error != "" {
		t.Errorf("reports = %+v", rows)
	}
}

// Some are made at the same time, and each has its own place all the same.
func TestReportsOfManyAppsAreInTheOrderOfTheirNames(t *testing.T) {
	w := newWorld(t)
	want := []string{"api", "blog"}
	for i := range 40 {
		name := fmt.Sprintf("shop-%02d", i)
		w.must(w.Create(t.Context(), appliance.AppName(name), false))
		want = append(want, name)
	}

	var apps []string
	for _, r := range w.reports(ada) {
		if r.App != "" && !slices.Contains(apps, r.App) {
			apps = append(apps, r.App)
		}
		if r.App != "" && r.App != apps[len(apps)-1] {
			t.Errorf("%s of %s is among those of %s", r.Report, r.App, apps[len(apps)-1])
		}
	}
	var list []row
	w.must(json.Unmarshal([]byte(w.ok("apps:report", "--format", "json")), &list))
	var one []string
	for _, r := range list {
		if one = append(one, r.App); r.Report != "apps:report" || !strings.Contains(string(r.Values), r.App+`.git"`) {
			t.Errorf("apps:report has %+v", r)
		}
	}

	if !slices.Equal(apps, want) || !slices.Equal(one, want) {
		t.Errorf("reports of %q, and %q, want %q", apps, one, want)
	}
	if text := w.ok("apps:report"); strings.Count(text, "app information\n") != len(want) || strings.Index(text, "shop-01") > strings.Index(text, "shop-02") {
		t.Errorf("apps:report:\n%s", text)
	}
}
