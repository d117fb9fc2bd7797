package pipeline_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// rename renames what must be renamed.
func (w *world) rename(from, to appliance.AppName) {
	w.t.Helper()
	w.must(w.Rename(w.as("ada"), from, to, new(buffer)))
	w.Wait()
}

// running lists what runs of an app, by the engine's ids.
func (w *world) running(app appliance.AppName) (ids []string) {
	w.t.Helper()
	list, err := w.Engine.Processes(context.Background(), app)
	w.must(err)
	for _, p := range list {
		if p.App != app {
			w.t.Errorf("process of %s is of %s", app, p.App)
		}
		if p.Running {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

func TestRenamedAppGoesOnAsItWas(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.must(w.Store.AddDomain(t.Context(), "blog", "www.example.org"))
	w.deployed("blog", serves())
	before := w.running("blog")

	w.rename("blog", "site")

	if after := w.running("site"); !slices.Equal(after, before) || len(after) != 1 {
		t.Errorf("running = %v, want still %v", after, before)
	}
	w.wantAnswer("site.localhost", "hello")
	w.wantAnswer("www.example.org", "hello")
	if status, _ := w.get("blog.localhost"); status != http.StatusNotFound {
		t.Errorf("the old host answers %d, want 404", status)
	}
	if branch, commit, err := w.Head(t.Context(), "site"); branch != "main" || commit == "" || err != nil {
		t.Errorf("Head = %q, %q, %v", branch, commit, err)
	}
	if got := w.events("site"); got != "apps:rename" {
		t.Errorf("events of site = %s", got)
	}
	w.must(w.Restart(w.as("ada"), "site", new(buffer)))
	w.deployed("site", serves())
	w.wantAnswer("site.localhost", "hello")

	// After a start, from what is on the disk alone.
	w.boot()
	w.must(w.RestoreAll(t.Context()))
	w.wantAnswer("site.localhost", "hello")
	w.wantAnswer("www.example.org", "hello")
	w.must(w.Destroy(w.as("ada"), "site", new(buffer)))
	w.Wait()
	w.wantProcesses("")
}

// Attack: somebody makes an app with the name that another had, and waits for
// what is the other's: processes, images, repository, requests.
func TestAnOldNameLeadsToNothingOfTheRenamedApp(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.deployed("blog", serves())
	w.rename("blog", "site")
	before := w.running("site")

	w.must(w.Restore(t.Context(), "blog"))
	w.must(w.RestoreAll(t.Context()))
	w.must(w.Discard(w.as("eve"), "blog"))
	w.must(w.Create(w.as("eve"), "blog", false))
	if list := w.running("blog"); len(list) != 0 {
		t.Errorf("the new app has %v", list)
	}
	if _, commit, err := w.Head(t.Context(), "blog"); commit != "" || err != nil {
		t.Errorf("the new app has commit %q, %v", commit, err)
	}
	w.deployed("blog", serves())
	w.wantAnswer("blog.localhost", "hello")
	if a, b := w.Router.Targets(w.Service("site")), w.Router.Targets(w.Service("blog")); len(a) != 1 || len(b) != 1 || a[0] == b[0] {
		t.Errorf("site is at %v, blog at %v", a, b)
	}
	w.wantAnswer("site.localhost", "hello")
	w.rename("blog", "third")
	w.wantAnswer("third.localhost", "hello")
	w.must(w.Destroy(w.as("eve"), "third", new(buffer)))
	w.Wait()

	if after := w.running("site"); !slices.Equal(after, before) {
		t.Errorf("running = %v, want still %v", after, before)
	}
	w.wantAnswer("site.localhost", "hello")
}

func TestRenameIsRefusedAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "api", false))
	w.must(w.Create(t.Context(), "half", true))
	w.must(w.Store.AddDomain(t.Context(), "api", "taken.localhost"))
	w.deployed("blog", serves())
	for _, tt := range []struct {
		from, to appliance.AppName
		want     error
	}{
		{"blog", "api", appliance.ErrExists}, {"blog", "blog", appliance.ErrExists}, {"blog", "taken", appliance.ErrExists},
		{"gone", "site", appliance.ErrNotFound}, {"half", "site", appliance.ErrBusy},
	} {
		if err := w.Rename(w.as("ada"), tt.from, tt.to, new(buffer)); !errors.Is(err, tt.want) {
			t.Errorf("%s to %s: %v, want %v", tt.from, tt.to, err, tt.want)
		}
	}
	w.Wait()
	w.wantAnswer("blog.localhost", "hello")
	w.wantProcesses("blog", "web.1 v1")
}

func TestRenameWaitsForADeployAndThoseBehindItLookAnew(t *testing.T) {
	w := newWorld(t)
	w.watch()
	start := w.hold("Start")
	push := w.beginPush("ada", "blog", serves())
	<-start.reached
	rename := w.begin("bob", func(ctx context.Context, out io.Writer) error { return w.Rename(ctx, "blog", "site", out) })
	rename.says("another deploy of blog runs")
	late := w.beginPush("eve", "blog", serves())
	late.says("1 more before yours")
	close(start.open)

	if err := errors.Join(push.end(), rename.end()); err != nil {
		t.Fatal(err)
	}
	if err := late.end(); err == nil {
		t.Error("a push to the old name went through")
	}
	w.Wait()
	w.wantAnswer("site.localhost", "hello")
	if builds, err := w.Store.RunningBuilds(t.Context()); len(builds) != 0 || err != nil {
		t.Errorf("builds = %+v, %v, want none that runs", builds, err)
	}
}

// Two who exchange names must not wait for each other for ever.
func TestTwoRenamesAtOnceBothEnd(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "api", false))
	for range 20 {
		a := w.begin("ada", func(ctx context.Context, out io.Writer) error { return w.Rename(ctx, "blog", "tmp", out) })
		b := w.begin("bob", func(ctx context.Context, out io.Writer) error { return w.Rename(ctx, "tmp", "blog", out) })
		_, _ = a.end(), b.end()
		if _, err := w.Store.App(t.Context(), "tmp"); err == nil {
			w.rename("tmp", "blog")
		}
	}
	apps, err := w.Store.Apps(t.Context())
	if err != nil || len(apps) != 2 {
		t.Errorf("apps = %v, %v", apps, err)
	}
}

func TestCloneHasWhatAnAppIsMadeOf(t *testing.T) {
	w := newWorld(t)
	w.watch()
	ctx := t.Context()
	w.must(w.Store.ChangeConfig(ctx, "blog", map[string]string{"A": "1"}, nil))
	w.must(w.Store.SetApp(ctx, "blog", pipeline.CheckTimeoutSetting, "7"))
	w.must(w.Store.SetApp(ctx, "blog", pipeline.LockSetting, ""))
	w.must(w.Store.AddDomain(ctx, "blog", "www.example.org"))
	w.must(w.Store.Scale(ctx, "blog", appliance.Formation{"web": 2}))
	w.deployed("blog", serves())
	w.must(w.Store.SetApp(ctx, "blog", pipeline.LockSetting, "by ada"))

	w.must(w.Clone(w.as("ada"), "blog", "copy", true, new(buffer)))

	w.Wait()
	w.wantAnswer("copy.localhost", "hello")
	w.wantProcesses("copy", "web.1 v1", "web.2 v1")
	if env, err := w.Store.Config(ctx, "copy"); env["A"] != "1" || err != nil {
		t.Errorf("config = %v, %v", env, err)
	}
	if v, err := w.Store.AppSetting(ctx, "copy", pipeline.CheckTimeoutSetting); v != "7" || err != nil {
		t.Errorf("setting = %q, %v", v, err)
	}
	if hosts, err := w.Hosts(ctx, "copy"); !slices.Equal(hosts, []string{"copy.localhost"}) || err != nil {
		t.Errorf("hosts = %v, %v", hosts, err)
	}
	if err := w.Clone(w.as("ada"), "blog", "copy", true, new(buffer)); !errors.Is(err, appliance.ErrExists) {
		t.Errorf("again = %v, want ErrExists", err)
	}
	if err := w.Clone(w.as("ada"), "gone", "other", true, new(buffer)); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("of nothing = %v, want ErrNotFound", err)
	}
}

func TestLockedAppIsNotDeployed(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.LockSetting, "by ada"))

	_, err := w.push("blog", serves())

	if err == nil || !strings.Contains(err.Error(), "blog currently has a deploy lock in place") || !strings.Contains(appliance.HintOf(err), "apps:unlock blog") {
		t.Errorf("push = %v", err)
	}
	w.must(w.Restart(w.as("ada"), "blog", new(buffer)))
	w.Wait()
	w.wantAnswer("blog.localhost", "hello")
}
