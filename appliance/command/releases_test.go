package command_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

// threeReleases deploys blog, changes its config, and deploys it again.
func threeReleases(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.ok("config:set", "--no-restart", "blog", "SECRET=hunter2", "OLD=1")
	w.deploy("blog", "")
	w.ok("config:set", "blog", "SECRET=hunter3", "NEW=hunter4")
	w.ok("config:unset", "--no-restart", "blog", "OLD")
	w.deploy("blog", "web: serve\nworker: serve again\n")
	w.Wait()
	return w
}

func TestReleasesTellWhoDidWhatAndHowItWent(t *testing.T) {
	w := threeReleases(t)

	list := w.ok("releases", "blog")

	lines := strings.Split(list, "\n")
	if len(lines) != 6 || lines[0] != "=====> blog releases" || !strings.HasPrefix(lines[1], "Release  Status ") ||
		!strings.HasPrefix(lines[2], "v3       live       push ") || !strings.HasPrefix(lines[3], "v2       succeeded  config:set NEW SECRET") {
		t.Errorf("releases:\n%s", list)
	}
	if again := w.ok("releases:list", "blog"); again != list {
		t.Errorf("releases:list:\n%s", again)
	}
	var rows []struct {
		Version int
		Live    bool
		Status  string
	}
	w.must(json.Unmarshal([]byte(w.ok("releases", "blog", "--format", "json")), &rows))
	if len(rows) != 3 || !rows[0].Live || rows[0].Version != 3 || rows[2].Status != "succeeded" {
		t.Errorf("rows = %+v", rows)
	}
}

func TestReleaseInfoHasKeysAndNoValues(t *testing.T) {
	w := threeReleases(t)

	now, first := w.ok("releases:info", "blog"), w.ok("releases:info", "blog", "1")

	for _, want := range []string{
		"=====> Release v3 of blog\n", "       Status:                        live\n", "Processes:                     web worker\n",
		"Formation:                     web=1 worker=0\n", "Config keys:                   GIT_REV NEW SECRET\n", "Image state:                   here\n",
	} {
		if !strings.Contains(now, want) {
			t.Errorf("info lacks %q:\n%s", want, now)
		}
	}
	if !strings.Contains(first, "GIT_REV OLD SECRET\n") || strings.Contains(now+first, "hunter") {
		t.Errorf("info:\n%s%s", now, first)
	}
}

// Attack: who may view an app, but not its config, reads it out of what has
// changed.
func TestReleaseDiffHasKeysAndNoValues(t *testing.T) {
	w := threeReleases(t)

	diff := w.ok("releases:diff", "blog", "v1", "v3")

	for _, want := range []string{
		"=====> blog from v1 to v3\n", "     ~ image: berth-test/blog:", "     + config NEW\n", "     - config OLD\n", "     ~ config SECRET\n",
		"     + process worker: serve again\n", "     + formation worker: 0\n",
	} {
		if !strings.Contains(diff, want) {
			t.Errorf("diff lacks %q:\n%s", want, diff)
		}
	}
	all := diff + w.ok("releases:diff", "blog", "v1", "v3", "--format", "json")
	if strings.Contains(all, "hunter") {
		t.Errorf("diff has a value:\n%s", all)
	}
	if since := w.ok("releases:diff", "blog", "v1"); since != diff {
		t.Errorf("diff to the live one:\n%s", since)
	}
	if last := w.ok("releases:diff", "blog"); !strings.HasPrefix(last, "=====> blog from v2 to v3\n") {
		t.Errorf("diff of the last:\n%s", last)
	}
	if same := w.ok("releases:diff", "blog", "v2", "v2", "--quiet"); same != "       nothing differs\n" {
		t.Errorf("diff of the same:\n%s", same)
	}
}

func TestRollbackByCommand(t *testing.T) {
	w := threeReleases(t)
	if out := w.ok("rollback", "blog"); !strings.Contains(out, "back from v3 to v2") {
		t.Errorf("rollback:\n%s", out)
	}
	if out := w.ok("releases:rollback", "blog", "1"); !strings.Contains(out, "back from v4 to v1") || strings.Contains(out, "hunter") {
		t.Errorf("rollback:\n%s", out)
	}

	if config := w.ok("config:get", "blog", "SECRET"); config != "hunter2\n" {
		t.Errorf("SECRET = %q, want that of v1", config)
	}
	if e := w.last(); e.Action != "releases:rollback" || e.App != "blog" || e.Error != "" {
		t.Errorf("event = %+v", e)
	}
	for _, bad := range []string{"v0", "-1", "last", "v99999999999999"} {
		if r := w.run(ada, "rollback", "blog", "--", bad); !errors.Is(r.err, appliance.ErrInvalid) || !strings.Contains(appliance.HintOf(r.err), "releases blog") {
			t.Errorf("rollback to %s: %v (%s)", bad, r.err, appliance.HintOf(r.err))
		}
	}
	report := w.ok("releases:report", "blog")
	if !strings.Contains(report, "Live:                          v5\n") || !strings.Contains(report, "Count:                         5\n") {
		t.Errorf("report:\n%s", report)
	}
}

func TestHowManyReleasesAreKeptCanBeSet(t *testing.T) {
	w := threeReleases(t)
	w.ok("releases:set", "--global", "keep", "5")
	w.ok("releases:set", "blog", "keep", "2")
	if keep := w.ok("releases:report", "blog", "--computed-keep"); keep != "2\n" {
		t.Errorf("keep = %q", keep)
	}

	out := w.ok("releases:prune", "blog")

	list := w.ok("releases", "blog", "--quiet")
	if strings.Count(list, "\n") != 2 || !strings.HasPrefix(list, "v3") || !strings.Contains(out, "       1 release forgotten\n") {
		t.Errorf("releases:\n%s%s", list, out)
	}
	w.ok("releases:set", "blog", "keep")
	if keep := w.ok("releases:report", "blog", "--computed-keep"); keep != "5\n" {
		t.Errorf("keep = %q", keep)
	}
	for _, line := range [][]string{{"keep", "1"}, {"keep", "201"}, {"keep", "x"}, {"kept", "5"}} {
		if r := w.run(ada, append([]string{"releases:set", "blog"}, line...)...); r.err == nil {
			t.Errorf("releases:set %q went through", line)
		}
	}
	if r := w.run(ada, "releases", "api"); r.err != nil || r.stdout != "" || !strings.Contains(r.stderr, "git push") {
		t.Errorf("releases of nothing: %+v", r)
	}
	if images, err := w.engine.Images(t.Context(), "blog"); err != nil || len(slices.Compact(images)) != 2 {
		t.Errorf("images = %v, %v", images, err)
	}
}
