package db_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

func TestAppsAreListedByName(t *testing.T) {
	w := newWorld(t)
	began := time.Now().Add(-time.Minute)
	w.must(w.CreateApp(t.Context(), "api", true))

	apps, err := w.Apps(t.Context())

	w.must(err)
	if len(apps) != 2 || apps[0].Name != "api" || apps[1].Name != "blog" {
		t.Fatalf("apps = %v, want api and blog", apps)
	}
	if !apps[0].Provisional || apps[1].Provisional {
		t.Errorf("apps = %+v, want only api to be provisional", apps)
	}
	if at := apps[0].CreatedAt; at.Before(began) || at.After(time.Now()) {
		t.Errorf("created at %v, want just now", at)
	}
	if apps[0].Live != "" || apps[0].LiveRelease != 0 {
		t.Errorf("app = %+v, want nothing live", apps[0])
	}
}

func TestGoLiveMakesAnAppARealOne(t *testing.T) {
	w := newWorld(t)
	w.must(w.CreateApp(t.Context(), "api", true))

	w.must(w.GoLive(t.Context(), db.Live{App: "api", Release: 3, Generation: "v3-abc"}))

	app, err := w.App(t.Context(), "api")
	if err != nil || app.Provisional || app.LiveRelease != 3 || app.Live != "v3-abc" {
		t.Errorf("app = %+v, %v, want v3 live", app, err)
	}
}

func TestWhatIsThereAlreadyIsErrExists(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	key := appliance.Key{Name: "ada", Fingerprint: "SHA256:a"}
	w.must(w.AddKey(ctx, key))
	w.must(w.AddDomain(ctx, "blog", "blog.example"))
	w.must(w.CreateApp(ctx, "api", false))

	for what, err := range map[string]error{
		"CreateApp":                      w.CreateApp(ctx, "blog", true),
		"AddKey":                         w.AddKey(ctx, key),
		"AddKey of the same name":        w.AddKey(ctx, appliance.Key{Name: "ada", Fingerprint: "SHA256:b"}),
		"AddKey of the same key":         w.AddKey(ctx, appliance.Key{Name: "bob", Fingerprint: "SHA256:a"}),
		"AddDomain":                      w.AddDomain(ctx, "blog", "blog.example"),
		"AddDomain that another app has": w.AddDomain(ctx, "api", "blog.example"),
	} {
		if !errors.Is(err, appliance.ErrExists) {
			t.Errorf("%s = %v, want ErrExists", what, err)
		}
	}
	if app, err := w.App(ctx, "blog"); err != nil || app.Provisional {
		t.Errorf("app = %+v, %v, want it as it was", app, err)
	}
}

func TestWritingToAnAppThatIsNotThereIsANoAppError(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	_, appErr := w.App(ctx, "gone")
	_, releaseErr := w.AddRelease(ctx, appliance.Release{App: "gone"})
	for what, err := range map[string]error{
		"App":          appErr,
		"AddRelease":   releaseErr,
		"DestroyApp":   w.DestroyApp(ctx, "gone"),
		"GoLive":       w.GoLive(ctx, db.Live{App: "gone", Release: 1, Generation: "v1"}),
		"ChangeConfig": w.ChangeConfig(ctx, "gone", map[string]string{"K": "v"}, nil),
		"Scale":        w.Scale(ctx, "gone", appliance.Formation{"web": 1}),
		"AddDomain":    w.AddDomain(ctx, "gone", "gone.example"),
		"SetApp":       w.SetApp(ctx, "gone", "check-path", "/up"),
	} {
		w.noApp(what, err, "gone")
		if !errors.Is(err, appliance.ErrNotFound) {
			t.Errorf("%s = %v, want an ErrNotFound", what, err)
		}
	}
}

func TestWhatIsNotThereIsErrNotFound(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.AddKey(ctx, appliance.Key{Name: "ada", Fingerprint: "SHA256:a"}))
	w.must(w.CreateApp(ctx, "api", false))
	w.must(w.AddDomain(ctx, "api", "api.example"))

	_, keyErr := w.Key(ctx, "SHA256:b")
	_, releaseErr := w.Release(ctx, "blog", 1)
	_, ownerErr := w.DomainOwner(ctx, "blog.example")
	for what, err := range map[string]error{
		"Key":                            keyErr,
		"Release":                        releaseErr,
		"DomainOwner":                    ownerErr,
		"RemoveKey":                      w.RemoveKey(ctx, "bob"),
		"RemoveDomain":                   w.RemoveDomain(ctx, "blog", "blog.example"),
		"RemoveDomain of another app's":  w.RemoveDomain(ctx, "blog", "api.example"),
		"Grant to a key that is not":     w.Grant(ctx, appliance.Grant{App: "blog", Who: "bob", Access: appliance.ViewAccess}),
		"Grant to a team that is not":    w.Grant(ctx, appliance.Grant{App: "blog", Who: "@devs", Access: appliance.ViewAccess}),
		"Grant of an app that is not":    w.Grant(ctx, appliance.Grant{App: "gone", Who: "ada", Access: appliance.ViewAccess}),
		"Revoke of what was not granted": w.Revoke(ctx, "blog", "ada"),
	} {
		if !errors.Is(err, appliance.ErrNotFound) {
			t.Errorf("%s = %v, want ErrNotFound", what, err)
		}
	}
}

func TestDestroyedAppLeavesNothingButItsEvents(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.AddKey(ctx, appliance.Key{Name: "ada", Fingerprint: "SHA256:a"}))
	w.must(w.ChangeConfig(ctx, "blog", map[string]string{"K": "v"}, nil))
	w.must(w.Scale(ctx, "blog", appliance.Formation{"web": 2}))
	w.must(w.AddDomain(ctx, "blog", "blog.example"))
	w.must(w.SetApp(ctx, "blog", "check-path", "/up"))
	w.must(w.Grant(ctx, appliance.Grant{App: "blog", Who: "ada", Access: appliance.DeployAccess}))
	_, err := w.AddRelease(ctx, appliance.Release{App: "blog"})
	w.must(err)
	w.must(w.Record(ctx, appliance.Event{App: "blog", Action: "apps:destroy"}))

	w.must(w.DestroyApp(ctx, "blog"))

	d := raw(t, w.path)
	for _, table := range []string{"apps", "config", "formation", "domains", "releases", "app_settings", "access"} {
		if n := ask[int](t, d, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%s has %d rows of the app, want none", table, n)
		}
	}
	if events, err := w.Events(ctx, "blog", 10); err != nil || len(events) != 1 {
		t.Errorf("events = %v, %v, want the one", events, err)
	}
	// Whoever takes the name next gets nothing that was there before.
	w.must(w.CreateApp(ctx, "blog", false))
	r, err := w.AddRelease(ctx, appliance.Release{App: "blog"})
	if err != nil || r.Version != 1 {
		t.Errorf("first release of the new app = v%d, %v, want v1", r.Version, err)
	}
	if got, err := w.AccessTo(ctx, "blog", "ada"); err != nil || got != appliance.NoAccess {
		t.Errorf("AccessTo = %q, %v, want the old grant gone", got, err)
	}
}

func TestConfigChangesAllOrNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.ChangeConfig(ctx, "blog", map[string]string{"A": "1", "B": "2", "C": "x\n'\"\x01é"}, nil))

	w.must(w.ChangeConfig(ctx, "blog", map[string]string{"A": "one", "D": ""}, []string{"B", "NEVER"}))

	got, err := w.Config(ctx, "blog")
	if want := map[string]string{"A": "one", "C": "x\n'\"\x01é", "D": ""}; err != nil || !maps.Equal(got, want) {
		t.Errorf("config = %q, %v, want %q", got, err, want)
	}
	if other, err := w.Config(ctx, "gone"); err != nil || len(other) != 0 || other == nil {
		t.Errorf("config of another app = %v, %v, want it empty", other, err)
	}
}

func TestFormationHasWhatWasScaled(t *testing.T) {
	w := newWorld(t)
	w.must(w.Scale(t.Context(), "blog", appliance.Formation{"web": 2, "worker": 1}))

	w.must(w.Scale(t.Context(), "blog", appliance.Formation{"web": 0}))

	got, err := w.Formation(t.Context(), "blog")
	if want := (appliance.Formation{"web": 0, "worker": 1}); err != nil || !maps.Equal(got, want) {
		t.Errorf("formation = %v, %v, want %v", got, err, want)
	}
}

func TestReleasesAreNumberedWithinTheirApp(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.CreateApp(ctx, "api", false))
	given := appliance.Release{
		App: "blog", Image: "berth/blog:1", Builder: "buildpacks", Stack: "stack:1", Commit: "3f2a1c9",
		Env: map[string]string{"K": "v=\"w\""}, Procfile: appliance.Procfile{"web": "node x.js", "worker": ""},
		Port: 5000, Formation: appliance.Formation{"web": 2}, Reason: "push 3f2a1c9", Actor: "ada", Restores: 7,
	}

	first, err := w.AddRelease(ctx, given)
	w.must(err)
	second, err := w.AddRelease(ctx, appliance.Release{App: "blog"})
	w.must(err)
	other, err := w.AddRelease(ctx, appliance.Release{App: "api"})
	w.must(err)

	if first.Version != 1 || second.Version != 2 || other.Version != 1 {
		t.Errorf("versions = %d, %d, %d, want 1, 2, 1", first.Version, second.Version, other.Version)
	}
	given.Version, given.CreatedAt, given.Status = 1, first.CreatedAt, appliance.ReleasePending
	if got, err := w.Release(ctx, "blog", 1); err != nil || !reflect.DeepEqual(got, given) || !reflect.DeepEqual(first, given) {
		t.Errorf("release = %+v, %v, want %+v", got, err, given)
	}
	for n, want := range map[int][]int{-1: {2, 1}, 1: {2}, 10: {2, 1}, 0: nil} {
		list, err := w.Releases(ctx, "blog", n)
		var versions []int
		for _, r := range list {
			versions = append(versions, r.Version)
		}
		if err != nil || !slices.Equal(versions, want) {
			t.Errorf("Releases(%d) = %v, %v, want %v", n, versions, err, want)
		}
	}
}

func TestReleasesAtTheSameTimeGetNumbersOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[int]bool{}
	for range 20 {
		all.Go(func() {
			r, err := w.AddRelease(t.Context(), appliance.Release{App: "blog"})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[r.Version] {
				t.Errorf("release v%d, %v, want one of its own", r.Version, err)
			}
			seen[r.Version] = true
		})
	}
	all.Wait()

	if len(seen) != 20 || !seen[20] {
		t.Errorf("versions = %v, want 1 to 20", seen)
	}
}

func TestDomainsLeadToOneApp(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.AddDomain(ctx, "blog", "www.example"))
	w.must(w.AddDomain(ctx, "blog", "blog.example"))

	hosts, err := w.Domains(ctx, "blog")
	owner, ownerErr := w.DomainOwner(ctx, "www.example")

	if err != nil || !slices.Equal(hosts, []string{"blog.example", "www.example"}) {
		t.Errorf("domains = %v, %v", hosts, err)
	}
	if ownerErr != nil || owner != "blog" {
		t.Errorf("owner = %q, %v, want blog", owner, ownerErr)
	}
	w.must(w.RemoveDomain(ctx, "blog", "www.example"))
	if hosts, err = w.Domains(ctx, "blog"); err != nil || !slices.Equal(hosts, []string{"blog.example"}) {
		t.Errorf("domains after removal = %v, %v", hosts, err)
	}
}

func TestKeysAreFoundByFingerprint(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.AddKey(ctx, appliance.Key{Name: "bob", Fingerprint: "SHA256:b", Public: "ssh-ed25519 B"}))
	w.must(w.AddKey(ctx, appliance.Key{Name: "ada", Fingerprint: "SHA256:a", Public: "ssh-ed25519 A", Admin: true}))

	ada, err := w.Key(ctx, "SHA256:a")
	w.must(err)
	if ada.Name != "ada" || !ada.Admin || ada.Public != "ssh-ed25519 A" || time.Since(ada.CreatedAt) > time.Minute {
		t.Errorf("key = %+v", ada)
	}
	keys, err := w.Keys(ctx)
	if err != nil || len(keys) != 2 || keys[0].Name != "ada" || keys[1].Name != "bob" || keys[1].Admin {
		t.Errorf("keys = %+v, %v, want ada and bob", keys, err)
	}
	w.must(w.RemoveKey(ctx, "ada"))
	if _, err := w.Key(ctx, "SHA256:a"); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("key after removal = %v, want ErrNotFound", err)
	}
}

func TestEventsComeOldestFirst(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for i, app := range []appliance.AppName{"blog", "api", "blog", ""} {
		w.must(w.Record(ctx, appliance.Event{
			Actor: "ada", Door: appliance.SSH, From: "192.0.2.1:5", App: app,
			Action: string(rune('a' + i)), Detail: "KEY", Error: "build: no",
		}))
	}
	actions := func(app appliance.AppName, n int) (s string) {
		events, err := w.Events(ctx, app, n)
		w.must(err)
		for _, e := range events {
			s += e.Action
		}
		return s
	}

	for _, tt := range []struct {
		app  appliance.AppName
		n    int
		want string
	}{{"", 10, "abcd"}, {"", 2, "cd"}, {"blog", 10, "ac"}, {"blog", 1, "c"}, {"gone", 10, ""}, {"", -1, "abcd"}} {
		if got := actions(tt.app, tt.n); got != tt.want {
			t.Errorf("Events(%q, %d) = %q, want %q", tt.app, tt.n, got, tt.want)
		}
	}
	events, err := w.Events(ctx, "api", 1)
	w.must(err)
	e := events[0]
	if time.Since(e.At) > time.Minute || e.ID != 2 {
		t.Errorf("event = %+v, want the second one, of just now", e)
	}
	want := appliance.Event{
		ID: e.ID, At: e.At, Actor: "ada", Door: appliance.SSH, From: "192.0.2.1:5", App: "api", Action: "b", Detail: "KEY", Error: "build: no",
	}
	if e != want {
		t.Errorf("event = %+v, want %+v", e, want)
	}
}

func TestSettingsAreTakenBackWithNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.Set(ctx, "domain", "one.example"))
	w.must(w.Set(ctx, "domain", "two.example"))
	w.must(w.SetApp(ctx, "blog", "check-path", "/up"))

	global, err := w.Setting(ctx, "domain")
	if err != nil || global != "two.example" {
		t.Errorf("setting = %q, %v", global, err)
	}
	own, err := w.AppSetting(ctx, "blog", "check-path")
	if err != nil || own != "/up" {
		t.Errorf("setting of the app = %q, %v", own, err)
	}
	w.must(w.Set(ctx, "domain", ""))
	w.must(w.SetApp(ctx, "blog", "check-path", ""))
	w.must(w.Set(ctx, "never", ""))
	global, err = w.Setting(ctx, "domain")
	own, ownErr := w.AppSetting(ctx, "blog", "check-path")
	if err != nil || ownErr != nil || global != "" || own != "" {
		t.Errorf("settings = %q, %v and %q, %v, want nothing", global, err, own, ownErr)
	}
}
