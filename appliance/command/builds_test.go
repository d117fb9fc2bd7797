package command_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/pipeline"
)

// changing is what differs from one build to the next.
var changing = regexp.MustCompile(`[0-9a-f]{40}|\b[0-9a-f]{7}\b|\d{4}-\d\d-\d\dT[0-9:.]+Z|\b[0-9.]+(ms|s)\b|berth-test/\S+`)

func TestBuildsAreListedNewestFirst(t *testing.T) {
	w := newWorld(t)
	if got := w.ok("builds:list", "blog"); got != "No builds recorded for this app\n" {
		t.Errorf("before the first: %q", got)
	}
	w.deploy("blog", "web: serve\n")
	w.ok("config:set", "blog", "A=1")

	got := changing.ReplaceAllString(w.ok("builds:list", "blog"), "#")

	want := `=====> blog builds
Build ID  Kind    Status     Source        Commit   Actor  Started               Duration
2         deploy  succeeded  config:set A  #  ada    #  #
1         build   succeeded  git push      #  ada    #  #
`
	if got != want {
		t.Errorf("builds:list:\n%s\nwant:\n%s", got, want)
	}
	if got := w.ok("builds:list", "blog", "--kind", "build", "--quiet"); strings.Contains(got, "config:set") || !strings.Contains(got, "git push") {
		t.Errorf("--kind build:\n%s", got)
	}
	if got := w.ok("builds:list", "blog", "--status", "failed"); got != "No builds recorded for this app\n" {
		t.Errorf("--status failed: %q", got)
	}
	if got := w.ok("builds:list", "--global"); got != "No builds currently running\n" {
		t.Errorf("--global: %q", got)
	}
	for _, flag := range []string{"--status=no", "--kind=no"} {
		if r := w.run(ada, "builds:list", "blog", flag); !errors.Is(r.err, command.ErrUsage) {
			t.Errorf("%s: %v", flag, r.err)
		}
	}
}

func TestBuildIsShownWithAllThatIsKnownOfIt(t *testing.T) {
	w := newWorld(t)
	if got := w.ok("builds:info", "blog"); got != "No builds recorded for this app\n" {
		t.Errorf("before the first: %q", got)
	}
	w.deploy("blog", "web: serve\n")

	got := changing.ReplaceAllString(w.ok("builds:info", "blog", "1"), "#")

	want := `=====> Build 1 of blog
       Build ID:   1
       App:        blog
       Kind:       build
       Status:     succeeded
       Source:     git push
       Commit:     #
       Branch:     main
       Builder:    dockerfile
       Actor:      ada
       Started:    #
       Finished:   #
       Duration:   #
       Release:    v1
       Image:      #
`
	if got != want {
		t.Errorf("builds:info:\n%s\nwant:\n%s", got, want)
	}
	var row map[string]any
	if err := json.Unmarshal([]byte(w.ok("builds:info", "blog", "--format", "json")), &row); err != nil || row["id"] != 1.0 || row["status"] != "succeeded" || row["release"] != 1.0 {
		t.Errorf("as JSON: %v, %v", row, err)
	}
	for arg, want := range map[string]error{"2": appliance.ErrNotFound, "0": appliance.ErrInvalid, "-1": command.ErrUsage, "x": appliance.ErrInvalid} {
		if r := w.run(ada, "builds:info", "blog", arg); !errors.Is(r.err, want) {
			t.Errorf("builds:info blog %s: %v, want %v", arg, r.err, want)
		}
	}
}

func TestOutputOfABuildIsShownAgain(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n")
	w.ok("ps:restart", "blog")

	for _, line := range [][]string{{"builds:output", "blog", "1"}, {"builds:output", "blog", "1", "-t"}} {
		if got := w.ok(line...); !strings.HasPrefix(got, "-----> Receiving blog (") || !strings.HasSuffix(got, "       https://blog.localhost\n") {
			t.Errorf("%q:\n%s", line, got)
		}
	}
	if got := w.ok("builds:output", "blog"); !strings.HasPrefix(got, "-----> Deploying blog v1\n") {
		t.Errorf("the last:\n%s", got)
	}
	if r := w.run(ada, "builds:output", "api"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("of an app without builds: %v", r.err)
	}
}

func TestCancelingWhatDoesNotRunIsNoFailure(t *testing.T) {
	w := newWorld(t)
	if got := w.ok("builds:cancel", "blog"); got != "-----> App not currently deploying\n" {
		t.Errorf("builds:cancel: %q", got)
	}
	w.deploy("blog", "web: serve\n")
	if got := w.ok("builds:cancel", "blog", "1"); got != "-----> Build 1 is no longer running (status=succeeded)\n" {
		t.Errorf("builds:cancel: %q", got)
	}
	if r := w.run(ada, "builds:cancel", "blog", "7"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("builds:cancel of none: %v", r.err)
	}
}

func TestOldBuildsAreForgottenAsSet(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n")
	for range 3 {
		w.ok("ps:restart", "blog")
	}
	w.ok("builds:set", "blog", "retention", "3")
	w.ok("builds:set", "--global", "retention", "2")

	if got := w.ok("builds:prune", "blog"); got != "-----> Pruned 1 builds of blog, kept the last 3\n" {
		t.Errorf("builds:prune: %q", got)
	}
	w.ok("builds:set", "blog", "retention")
	if got := w.ok("builds:prune", "--global"); got != "-----> Pruned 0 builds of api, kept the last 2\n-----> Pruned 1 builds of blog, kept the last 2\n" {
		t.Errorf("builds:prune --global: %q", got)
	}
	got := changing.ReplaceAllString(w.ok("builds:report", "blog"), "#")
	want := `=====> blog builds information
       Build id:                      4
       Build kind:                    deploy
       Build status:                  succeeded
       Build source:                  restart
       Build started at:              #
       Build finished at:             #
       Retention:
       Global retention:              2
       Computed retention:            2
`
	if got != want {
		t.Errorf("builds:report:\n%s\nwant:\n%s", got, want)
	}
}

func TestHowManyAreBuiltAtOnceIsSetForTheMachine(t *testing.T) {
	w := newWorld(t)

	w.ok("builds:set", "--global", "parallel", "3")

	if got := w.ok("builds:report", "--global", "--format", "json"); got != `{"builds-global-retention":"","builds-parallel":"3","global-retention":"","parallel":"3"}`+"\n" {
		t.Errorf("builds:report --global: %s", got)
	}
	for _, line := range []string{"blog parallel 2", "--global parallel 0", "--global parallel many", "--global parallel 65", "blog retention 0", "blog retention 201"} {
		if r := w.run(ada, append([]string{"builds:set"}, strings.Fields(line)...)...); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("builds:set %s: %v", line, r.err)
		}
	}
	if r := w.run(ada, "builds:set", "blog", "size", "1"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("builds:set of an unknown property: %v", r.err)
	}
	w.ok("builds:set", "--global", "parallel")
	if n, err := w.Parallel(t.Context()); n != 1 || err != nil {
		t.Errorf("when it is taken back: %d, %v", n, err)
	}
}

func TestBuildIsExplainedWithoutBuilding(t *testing.T) {
	w := newWorld(t)
	if got := w.ok("builds:explain", "blog"); got != "Nothing has been pushed to blog yet\n" {
		t.Errorf("before the first push: %q", got)
	}
	w.deploy("blog", "web: serve\n")
	built := len(w.engine.Built())

	got := changing.ReplaceAllString(w.ok("builds:explain", "blog"), "#")

	want := `=====> What a build of blog would do (# on main)
-----> dockerfile (Dockerfile found)
       file: Dockerfile
-----> It may take, as resource:limit says
       memory:    2.6g
       cpu:       1.8
       pids:      2048
       disk-free: 2g
       time:      30m
`
	if got != want {
		t.Errorf("builds:explain:\n%s\nwant:\n%s", got, want)
	}
	if n := len(w.engine.Built()); n != built {
		t.Errorf("it built %d images", n-built)
	}
	if builds, err := w.Store.Builds(t.Context(), "blog"); err != nil || len(builds) != 1 {
		t.Errorf("builds = %v, %v, want no record of it", builds, err)
	}
	if left, err := os.ReadDir(w.Temp); err != nil || len(left) != 0 {
		t.Errorf("left of the source: %v, %v", left, err)
	}
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.BuilderSetting, "nix"))
	if r := w.run(ada, "builds:explain", "blog"); r.err == nil {
		t.Errorf("with a builder that is not there:\n%s", r.stdout)
	}
}
