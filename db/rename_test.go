package db_test

import (
	"errors"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

func TestRenamedAppHasAllThatItHad(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.ChangeConfig(ctx, "blog", map[string]string{"A": "1"}, nil))
	w.must(w.AddDomain(ctx, "blog", "www.example.org"))
	w.must(w.SetApp(ctx, "blog", "x", "y"))
	w.must(w.Scale(ctx, "blog", appliance.Formation{"web": 3}))
	w.must(w.AddKey(ctx, appliance.Key{Name: "bob", Fingerprint: "f"}))
	w.must(w.Grant(ctx, appliance.Grant{App: "blog", Who: "bob", Access: appliance.DeployAccess}))
	_, err := w.AddRelease(ctx, appliance.Release{App: "blog", Image: "i", Env: map[string]string{"A": "1"}})
	w.must(err)
	build, err := w.AddBuild(ctx, appliance.Build{App: "blog"}, 20)
	w.must(err)
	w.must(w.AddOutput(ctx, "blog", build.Number, db.Output{Chunks: []appliance.Chunk{{Text: []byte("hello")}}}))
	w.must(w.Record(ctx, appliance.Event{App: "blog", Action: "a"}))

	w.must(w.RenameApp(ctx, "blog", "site"))

	_, err = w.App(ctx, "blog")
	w.noApp("App", err, "blog")
	d := raw(t, w.path)
	for _, table := range []string{"config", "domains", "app_settings", "formation", "access", "releases", "builds", "build_output"} {
		if n := ask[int](t, d, `SELECT count(*) FROM `+table+` WHERE app = 'site'`); n != 1 {
			t.Errorf("%s has %d rows of it, want 1", table, n)
		}
	}
	if n := ask[int](t, d, `SELECT count(*) FROM events WHERE app = 'blog'`); n != 1 {
		t.Errorf("%d events of blog, want what happened under its name", n)
	}
	if n := ask[int](t, d, `SELECT count(*) FROM pragma_foreign_key_check`); n != 0 {
		t.Errorf("%d rows point nowhere", n)
	}
	config, err := w.Config(ctx, "site")
	setting, settingErr := w.AppSetting(ctx, "site", "x")
	release, releaseErr := w.Release(ctx, "site", 1)
	if err := errors.Join(err, settingErr, releaseErr); err != nil || config["A"] != "1" || setting != "y" || release.Env["A"] != "1" {
		t.Errorf("what was sealed for blog: %q, %q, %q, %v", config, setting, release.Env, err)
	}
	if b, err := w.Build(ctx, "site", build.Number); err != nil || b.Status != appliance.BuildCanceled {
		t.Errorf("what waited = %+v, %v, want it canceled", b, err)
	}
}

// Every table that refers to an app must be renamed with it.
func TestEveryTableOfAppsCallsThemSo(t *testing.T) {
	w := newWorld(t)

	other := ask[int](t, raw(t, w.path), `
		SELECT count(*) FROM sqlite_schema AS t JOIN pragma_foreign_key_list(t.name) AS f
		WHERE f."table" = 'apps' AND f."from" <> 'app'`)

	if other != 0 {
		t.Errorf("%d references to an app are in a column that is not called app: RenameApp would break them", other)
	}
}

func TestRenameIsRefusedOntoAnotherApp(t *testing.T) {
	w := newWorld(t)
	w.must(w.CreateApp(t.Context(), "api", false))
	w.must(w.SetApp(t.Context(), "blog", "x", "y"))

	if err := w.RenameApp(t.Context(), "blog", "api"); !errors.Is(err, appliance.ErrExists) {
		t.Errorf("onto another = %v, want ErrExists", err)
	}
	w.noApp("RenameApp", w.RenameApp(t.Context(), "gone", "site"), "gone")
	if v, err := w.AppSetting(t.Context(), "blog", "x"); v != "y" || err != nil {
		t.Errorf("setting = %q, %v, want nothing changed", v, err)
	}
}

// Attack: an app gets the name that another had, and with it what the engine
// keeps of the other.
func TestNoTwoAppsHaveOneHandle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	handle := func(name appliance.AppName) appliance.AppName {
		t.Helper()
		h, err := w.Handle(ctx, name)
		w.must(err)
		return h
	}

	w.must(w.RenameApp(ctx, "blog", "site"))

	if a, b := handle("site"), handle("blog"); a != "blog" || b != "blog_2" {
		t.Errorf("handles = %q and, of the name that is free, %q", a, b)
	}
	w.must(w.CreateApp(ctx, "blog", false))
	if h := handle("blog"); h != "blog_2" {
		t.Errorf("handle of the new blog = %q", h)
	}
	for of, want := range map[appliance.AppName]appliance.AppName{"blog": "site", "blog_2": "blog", "gone": "gone", "site": "site_"} {
		if name, err := w.Named(ctx, of); err != nil || name != want {
			t.Errorf("Named(%q) = %q, %v, want %q", of, name, err, want)
		}
	}
	w.must(w.DestroyApp(ctx, "site"))
	if h := handle("blog"); h != "blog_2" {
		t.Errorf("handle of blog = %q, want it to stay", h)
	}
	if name, err := w.Named(ctx, "blog"); err != nil || name != "blog_" {
		t.Errorf("what is left of the old blog is of %q, %v: not of the new one", name, err)
	}
}
