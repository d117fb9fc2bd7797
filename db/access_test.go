package db_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestAccessIsPerAppAndKey(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.CreateApp(ctx, "api", false))
	for _, name := range []string{"ada", "bob", "eve"} {
		w.must(w.AddKey(ctx, appliance.Key{Name: name, Fingerprint: "SHA256:" + name}))
	}
	grant := func(app appliance.AppName, who string, access appliance.Access) {
		t.Helper()
		w.must(w.Grant(ctx, appliance.Grant{App: app, Who: who, Access: access}))
	}
	grant("blog", "bob", appliance.AdminAccess)
	grant("blog", "bob", appliance.ViewAccess) // the later one holds
	grant("blog", "ada", appliance.DeployAccess)

	for _, tt := range []struct {
		app  appliance.AppName
		key  string
		want appliance.Access
	}{{"blog", "ada", appliance.DeployAccess}, {"blog", "bob", appliance.ViewAccess}, {"api", "ada", 0}, {"blog", "eve", 0}, {"blog", "", 0}, {"", "ada", 0}} {
		if got, err := w.AccessTo(ctx, tt.app, tt.key); err != nil || got != tt.want {
			t.Errorf("AccessTo(%q, %q) = %q, %v, want %q", tt.app, tt.key, got, err, tt.want)
		}
	}
	want := []appliance.Grant{{App: "blog", Who: "ada", Access: appliance.DeployAccess}, {App: "blog", Who: "bob", Access: appliance.ViewAccess}}
	if granted, err := w.Granted(ctx, "blog"); err != nil || !slices.Equal(granted, want) {
		t.Errorf("granted = %v, %v, want %v", granted, err, want)
	}
	w.must(w.Revoke(ctx, "blog", "bob"))
	if got, err := w.AccessTo(ctx, "blog", "bob"); err != nil || got != appliance.NoAccess {
		t.Errorf("after Revoke, AccessTo = %q, %v", got, err)
	}
}

func TestKeyHasTheBestAccessOfItsOwnAndItsTeams(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.CreateApp(ctx, "api", false))
	w.must(w.CreateApp(ctx, "shop", false))
	for _, name := range []string{"ada", "bob"} {
		w.must(w.AddKey(ctx, appliance.Key{Name: name, Fingerprint: "SHA256:" + name}))
	}
	w.must(w.CreateTeam(ctx, "devs"))
	w.must(w.CreateTeam(ctx, "ops"))
	w.must(w.AddToTeam(ctx, "devs", "ada", "bob"))
	w.must(w.AddToTeam(ctx, "devs", "ada")) // twice is no error
	w.must(w.AddToTeam(ctx, "ops", "ada"))
	for _, g := range []appliance.Grant{
		{App: "blog", Who: "@devs", Access: appliance.DeployAccess}, {App: "blog", Who: "ada", Access: appliance.ViewAccess},
		{App: "api", Who: "@devs", Access: appliance.ViewAccess}, {App: "api", Who: "@ops", Access: appliance.AdminAccess},
	} {
		w.must(w.Grant(ctx, g))
	}

	ada, err := w.Accesses(ctx, "ada")
	bob, err2 := w.Accesses(ctx, "bob")

	if want := map[appliance.AppName]appliance.Access{"blog": appliance.DeployAccess, "api": appliance.AdminAccess}; err != nil || !maps.Equal(ada, want) {
		t.Errorf("accesses of ada = %v, %v, want %v", ada, err, want)
	}
	if want := map[appliance.AppName]appliance.Access{"blog": appliance.DeployAccess, "api": appliance.ViewAccess}; err2 != nil || !maps.Equal(bob, want) {
		t.Errorf("accesses of bob = %v, %v, want %v", bob, err2, want)
	}
	if err := w.RemoveFromTeam(ctx, "ops", "ada", "bob"); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("RemoveFromTeam of one who is not in it = %v, want ErrNotFound", err)
	}
	if got, err := w.AccessTo(ctx, "api", "ada"); err != nil || got != appliance.AdminAccess {
		t.Errorf("after a removal that failed, AccessTo = %q, %v, want what it was", got, err)
	}
	w.must(w.RemoveFromTeam(ctx, "ops", "ada"))
	if got, err := w.AccessTo(ctx, "api", "ada"); err != nil || got != appliance.ViewAccess {
		t.Errorf("out of the team, AccessTo = %q, %v, want that of the other team", got, err)
	}
	w.must(w.DestroyTeam(ctx, "devs"))
	if got, err := w.Accesses(ctx, "bob"); err != nil || len(got) != 0 {
		t.Errorf("without the team, accesses = %v, %v, want none", got, err)
	}
	// Whoever makes a team of that name next gets nothing of the old one's.
	w.must(w.CreateTeam(ctx, "devs"))
	w.must(w.AddToTeam(ctx, "devs", "bob"))
	if got, err := w.Accesses(ctx, "bob"); err != nil || len(got) != 0 {
		t.Errorf("in a new team of the name, accesses = %v, %v, want none", got, err)
	}
	if teams, err := w.Teams(ctx); err != nil || len(teams) != 2 || !slices.Equal(teams[0].Keys, []string{"bob"}) || len(teams[1].Keys) != 0 {
		t.Errorf("teams = %v, %v", teams, err)
	}
}

// Who was let in before there were levels goes on as they did.
func TestAccessOfBeforeThereWereLevelsIsToDeploy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.AddKey(ctx, appliance.Key{Name: "ada", Fingerprint: "SHA256:a"}))
	raw(t, w.path).ExecContext(ctx, "INSERT INTO access (app, key) VALUES ('blog', 'ada')") // as it was written then

	if got, err := w.AccessTo(ctx, "blog", "ada"); err != nil || got != appliance.DeployAccess {
		t.Errorf("AccessTo = %q, %v, want deploy", got, err)
	}
}

// Somebody leaves, and years later somebody else gets a key of that name.
func TestNewKeyOfAnOldNameHasNoneOfItsAccess(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.AddKey(ctx, appliance.Key{Name: "ada", Fingerprint: "SHA256:a"}))
	w.must(w.Grant(ctx, appliance.Grant{App: "blog", Who: "ada", Access: appliance.DeployAccess}))
	w.must(w.RemoveKey(ctx, "ada"))

	w.must(w.AddKey(ctx, appliance.Key{Name: "ada", Fingerprint: "SHA256:other"}))

	if got, err := w.AccessTo(ctx, "blog", "ada"); err != nil || got != appliance.NoAccess {
		t.Errorf("AccessTo = %q, %v, want none", got, err)
	}
}
