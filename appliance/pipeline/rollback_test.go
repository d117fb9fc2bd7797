package pipeline_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

// greets is an app that says which version it is.
func greets(name string) files {
	return files{"Dockerfile": "FROM scratch\nENV GREETING=" + name + "\nCMD [\"" + enginetest.Program + "\"]\n"}
}

func (w *world) config(pairs ...string) {
	w.t.Helper()
	set := map[string]string{}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		set[key] = value
	}
	w.must(w.Store.ChangeConfig(w.t.Context(), "blog", set, nil))
}

// back goes back to a version of blog, which must succeed.
func (w *world) back(version int) string {
	w.t.Helper()
	var out buffer
	if err := w.Rollback(w.as("ada"), "blog", version, &out); err != nil {
		w.t.Fatalf("rollback: %v\n%s", err, out.String())
	}
	w.Wait()
	return out.String()
}

// builds counts the builds so far.
func (w *world) builds() int { return len(w.engine.Built()) }

func TestRollbackServesWhatServedBeforeWithoutABuild(t *testing.T) {
	w := newWorld(t)
	w.config("MOTD=old", "GONE=1")
	w.deployed("blog", greets("one").and("Procfile", "web: serve\nextra: serve\n"))
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"MOTD": "new", "ADDED": "1"}, []string{"GONE"}))
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"web": 2}))
	w.deployed("blog", greets("two"))
	builds := w.builds()

	out := w.back(0)

	w.wantAnswer("blog.localhost", "hello one")
	if w.builds() != builds {
		t.Error("something was built")
	}
	one, now := w.release(1), w.release(3)
	if now.Image != one.Image || !maps.Equal(now.Env, one.Env) || !maps.Equal(now.Procfile, one.Procfile) || now.Commit != one.Commit ||
		now.Reason != "rollback to v1" || now.Actor != "ada" || now.Restores != 1 || now.Status != appliance.ReleaseSucceeded {
		t.Errorf("release = %+v, want as %+v", now, one)
	}
	config, err := w.Store.Config(t.Context(), "blog")
	if want := map[string]string{"MOTD": "old", "GONE": "1"}; err != nil || !maps.Equal(config, want) {
		t.Errorf("config = %v, %v, want %v", config, err, want)
	}
	w.wantProcesses("blog", "web.1 v3", "web.2 v3") // the scale is as people want it now
	for _, line := range []string{
		"-----> Rolling blog back from v2 to v1 (push ", "-----> Releasing blog v3\n", "       config: sets GONE, MOTD to what it was; unsets ADDED\n", "v3 live; ",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("progress lacks %q:\n%s", line, out)
		}
	}
	if strings.Contains(out, "old") || w.build(0).Source != "rollback" || w.build(0).Release != 3 {
		t.Errorf("record = %+v\n%s", w.build(0), out)
	}
}

// Under stress people type rollback twice. The second time must not bring back
// what they fled from.
func TestOneRollbackAfterAnotherGoesFurtherBack(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"one", "two", "three"} {
		w.deployed("blog", greets(name))
	}

	w.back(0)
	w.wantAnswer("blog.localhost", "hello two")
	w.back(0)
	w.wantAnswer("blog.localhost", "hello one")
	err := w.Rollback(w.as("ada"), "blog", 0, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "v5 is v1 again, and that is the first") {
		t.Errorf("error = %v", err)
	}

	w.back(3)
	w.wantAnswer("blog.localhost", "hello three")
	w.back(4) // itself a rollback to v2
	w.wantAnswer("blog.localhost", "hello two")
	if r := w.release(7); r.Restores != 2 {
		t.Errorf("release = %+v, want what v4 restored", r)
	}
	w.back(0)
	w.wantAnswer("blog.localhost", "hello one")
}

func TestRollbackPicksOnlyWhatWasLive(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", greets("one"))
	for range 2 {
		if _, err := w.push("blog", serves("say", "3")); err == nil {
			t.Fatal("the push went through: this test shows nothing")
		}
	}
	w.deployed("blog", greets("four"))

	w.back(0)

	w.wantAnswer("blog.localhost", "hello one")
}

func TestRollbackThatMakesNoSenseSaysWhatDoes(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "empty", false))
	w.deployed("blog", greets("one"))
	w.deployed("blog", greets("two"))
	if _, err := w.push("blog", serves("say", "3")); err == nil {
		t.Fatal("the push went through: this test shows nothing")
	}
	w.must(w.Store.DeleteReleases(t.Context(), "blog", 1))
	before, records := w.only("blog"), w.build(0).Number
	for _, tt := range []struct {
		app     appliance.AppName
		version int
		error   string
		hint    string
	}{
		{"empty", 0, "nothing has been deployed of empty yet", "git push"},
		{"empty", 3, "nothing has been deployed of empty yet", "git push"},
		{"gone", 0, "App gone does not exist", ""},
		{"blog", 0, "v2 is the first of blog that worked", "git push"},
		{"blog", 1, "release v1 of blog not found: it is not kept any more", "releases blog"},
		{"blog", 2, "v2 of blog is live already", "ps:restart blog"},
		{"blog", 3, "v3 of blog was never live: its deploy failed", "releases blog"},
		{"blog", 99, "release v99 of blog not found", "releases blog"},
	} {
		err := w.Rollback(w.as("ada"), tt.app, tt.version, io.Discard)

		if err == nil || err.Error() != tt.error && !strings.Contains(err.Error(), tt.error) || !strings.Contains(appliance.HintOf(err), tt.hint) {
			t.Errorf("rollback %s v%d = %v (%s), want %q (%s)", tt.app, tt.version, err, appliance.HintOf(err), tt.error, tt.hint)
		}
	}
	if after := w.only("blog"); after.ID != before.ID || w.build(0).Number != records || len(w.releases("blog")) != 2 {
		t.Errorf("something has changed: %+v, %q", after, w.releases("blog"))
	}
}

// Whatever fails, the config is that of what runs.
func TestConfigStaysWhenARollbackFails(t *testing.T) {
	w := newWorld(t)
	w.config("MOTD=old")
	w.deployed("blog", greets("one"))
	w.config("MOTD=new")
	w.deployed("blog", greets("two"))
	w.refuse("Start")

	err := w.Rollback(w.as("ada"), "blog", 0, io.Discard)

	w.refuse("")
	if err == nil || !strings.Contains(err.Error(), "the engine refuses") {
		t.Errorf("error = %v", err)
	}
	if config, err := w.Store.Config(t.Context(), "blog"); err != nil || config["MOTD"] != "new" {
		t.Errorf("config = %v, %v, want that of v2", config, err)
	}
	w.wantAnswer("blog.localhost", "hello two")
	w.wantReleases("blog", "v3 failed", "v2 succeeded", "v1 succeeded")
	w.back(0)
	w.wantAnswer("blog.localhost", "hello one")
}

// Attack on nobody, only bad luck: bob sets a key while ada's rollback is under
// way. What he was told is set must not be lost.
func TestConfigThatIsSetDuringARollbackStays(t *testing.T) {
	w := newWorld(t)
	w.config("A=old", "B=old")
	w.deployed("blog", greets("one"))
	w.config("A=new", "B=new", "C=new")
	w.deployed("blog", greets("two"))
	start := w.hold("Start")
	rollback := w.begin("ada", func(ctx context.Context, out io.Writer) error { return w.Rollback(ctx, "blog", 0, out) })
	<-start.reached

	w.config("B=bob", "C=bob", "D=bob")
	close(start.open)

	w.must(rollback.end())
	config, err := w.Store.Config(t.Context(), "blog")
	if want := map[string]string{"A": "old", "B": "bob", "C": "bob", "D": "bob"}; err != nil || !maps.Equal(config, want) {
		t.Errorf("config = %v, %v, want %v", config, err, want)
	}
}

func TestRollbackWaitsForADeployThatRuns(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", greets("one"))
	w.deployed("blog", greets("two"))
	build := w.hold("Build")
	push := w.beginPush("ada", "blog", greets("three"))
	<-build.reached
	rollback := w.begin("bob", func(ctx context.Context, out io.Writer) error { return w.Rollback(ctx, "blog", 1, out) })
	rollback.says("Waiting: another deploy of blog runs")

	close(build.open)

	w.must(push.end())
	w.must(rollback.end())
	w.wantAnswer("blog.localhost", "hello one")
	w.wantReleases("blog", "v4 succeeded", "v3 succeeded", "v2 succeeded", "v1 succeeded")
}

// Somebody has removed the image by force.
func TestRollbackBuildsAnewWhatIsGone(t *testing.T) {
	w := newWorld(t)
	w.config("MOTD=old")
	f := greets("one").and("app.json", `{"env": {"SYNCED": {"value": "x", "sync": true}}, "scripts": {"dokku": {"predeploy": "serve"}}}`)
	w.engine.Program = func(context.Context, appliance.RunSpec) (appliance.RunResult, error) {
		return appliance.RunResult{}, nil
	}
	w.deployed("blog", f)
	w.config("MOTD=new", "SYNCED=y")
	w.deployed("blog", greets("two")) // upon nothing of the first: only we keep its commit
	w.git(w.Repos.Path("blog"), "gc", "-q", "--prune=now")
	w.engine.Lost(w.release(1).Image)
	builds, runs := w.builds(), len(w.engine.Ran())

	out := w.back(0)

	w.wantAnswer("blog.localhost", "hello one")
	if w.builds() != builds+1 || len(w.engine.Ran()) != runs+1 {
		t.Errorf("%d builds, %d scripts, want one of each", w.builds()-builds, len(w.engine.Ran())-runs)
	}
	if !strings.Contains(out, "-----> The image of v1 is gone (berth-test/blog:") || !strings.Contains(out, "building its commit again") {
		t.Errorf("progress:\n%s", out)
	}
	now := w.release(3)
	if now.Image == w.release(1).Image || now.Env["MOTD"] != "old" || now.Env["SYNCED"] != "x" || now.Restores != 1 {
		t.Errorf("release = %+v", now)
	}
}

func TestRollbackIsRefusedWhenNothingIsLeftToBuild(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", greets("one"))
	w.deployed("blog", greets("two"))
	w.engine.Lost(w.release(1).Image)
	w.must(w.Repos.Remove("blog"))
	w.must(w.Repos.Create(t.Context(), "blog")) // git:initialize

	err := w.Rollback(w.as("ada"), "blog", 0, io.Discard)

	commit := w.release(1).Commit[:7]
	if err == nil || !strings.Contains(err.Error(), "v1 cannot be built again") || !strings.Contains(err.Error(), commit) ||
		appliance.HintOf(err) != "push it from where it still is: git push --force berth "+commit+":main" {
		t.Errorf("error = %v (%s)", err, appliance.HintOf(err))
	}
	w.wantAnswer("blog.localhost", "hello two")
	w.wantReleases("blog", "v2 succeeded", "v1 succeeded")
}

func TestRebuildIsAReleaseOfTheSameCommit(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", greets("one"))
	w.config("GREETING=config")
	builds := w.builds()

	w.must(w.Rebuild(w.as("ada"), "blog", 0, new(buffer)))

	w.Wait()
	w.wantAnswer("blog.localhost", "hello config")
	one, two := w.release(1), w.release(2)
	if w.builds() != builds+1 || two.Commit != one.Commit || two.Image == one.Image || two.Reason != "rebuild of v1" {
		t.Errorf("release = %+v, after %d builds", two, w.builds()-builds)
	}
	if b := w.build(0); b.Kind != appliance.KindBuild || b.Commit != one.Commit || b.Release != 2 || b.Status != appliance.BuildSucceeded {
		t.Errorf("record = %+v", b)
	}
	w.must(w.Create(t.Context(), "empty", false))
	if err := w.Rebuild(w.as("ada"), "empty", 0, io.Discard); err == nil || !strings.Contains(err.Error(), "nothing has been deployed") {
		t.Errorf("rebuild of nothing = %v", err)
	}
	if err := w.Rebuild(w.as("ada"), "blog", 9, io.Discard); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("rebuild of v9 = %v", err)
	}
}

// The daemon is killed at each call of the engine that a rollback makes. What
// comes back is one whole version, with the config of that version.
func TestADaemonKilledInARollbackComesBackAsOneGoodVersion(t *testing.T) {
	for _, point := range []string{"Inspect", "Start", "Keep", "Pin"} {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t)
			w.config("MOTD=one")
			w.deployed("blog", greets("one"))
			w.config("MOTD=two")
			w.deployed("blog", greets("two"))
			killed := w.hold(point)
			rollback := w.begin("ada", func(ctx context.Context, out io.Writer) error { return w.Rollback(ctx, "blog", 0, out) })
			<-killed.reached
			dead := w.Pipeline

			w.failing(func(string) error { return nil }) // for the next daemon
			w.boot()
			w.must(w.RestoreAll(t.Context()))
			w.Wait()

			app, err := w.Store.App(t.Context(), "blog")
			w.must(err)
			live := w.release(app.LiveRelease)
			config, err := w.Store.Config(t.Context(), "blog")
			w.must(err)
			want := map[string]string{"Inspect": "two", "Start": "two"}[point]
			if want == "" {
				want = "one"
			}
			w.wantAnswer("blog.localhost", "hello "+want)
			if config["MOTD"] != want || live.Env["MOTD"] != want || live.Status != appliance.ReleaseSucceeded {
				t.Errorf("config = %v, live = %+v, want %s", config, live, want)
			}
			if slices.ContainsFunc(w.releases("blog"), func(s string) bool { return strings.HasSuffix(s, "pending") }) {
				t.Errorf("releases = %q, want none pending", w.releases("blog"))
			}
			close(killed.open)
			_ = rollback.end() // of the dead one: whatever it says, nobody hears it
			dead.Wait()
		})
	}
}

// Two releases have one image, as after a rebuild that changed nothing. Docker
// takes the first of its two names when somebody tidies up.
func TestRollbackFindsAnImageThatHasLostItsName(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", greets("one"))
	w.deployed("blog", greets("two"))
	w.engine.Untag(w.release(1).Image)
	if _, err := w.engine.Inspect(t.Context(), w.release(1).Image); err == nil {
		t.Fatal("it has its name: this test shows nothing")
	}
	built, out := len(w.engine.Built()), new(buffer)

	w.must(w.Rollback(w.as("ada"), "blog", 1, out))

	w.wantAnswer("blog.localhost", "hello one")
	if n := len(w.engine.Built()); n != built || strings.Contains(out.String(), "gone") {
		t.Errorf("it was built again:\n%s", out)
	}
}
