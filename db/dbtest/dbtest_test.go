package dbtest_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/berthhq/berth/db"
	"github.com/berthhq/berth/db/dbtest"
)

// schema returns what a store's file says of itself.
func schema(t *testing.T, path string) string {
	t.Helper()
	d, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var text string
	const all = `SELECT (SELECT user_version FROM pragma_user_version) || group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY name)`
	if err := d.QueryRow(all).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAStoreIsLikeOneThatWasMadeFromNothing(t *testing.T) {
	made, opened := filepath.Join(t.TempDir(), "berth.db"), filepath.Join(t.TempDir(), "other.db")
	store, err := db.Open(t.Context(), made)
	if err != nil {
		t.Fatal(err)
	}
	store.Close()

	dbtest.Open(t, opened).Close()

	if got, want := schema(t, opened), schema(t, made); got != want || len(want) < 1000 {
		t.Errorf("schema = %s\nwant %s", got, want)
	}
	for _, name := range []string{"other.db", "secret.key"} {
		info, err := os.Stat(filepath.Join(filepath.Dir(opened), name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want it to be its owner's only", name, info, err)
		}
	}
}

func TestStoresAreApartAndKeepWhatTheyHave(t *testing.T) {
	one, other := filepath.Join(t.TempDir(), "berth.db"), filepath.Join(t.TempDir(), "berth.db")
	a, b := dbtest.Open(t, one), dbtest.Open(t, other)
	if err := a.CreateApp(t.Context(), "blog", false); err != nil {
		t.Fatal(err)
	}
	if apps, err := b.Apps(t.Context()); err != nil || len(apps) != 0 {
		t.Errorf("apps of the other = %v, %v, want none", apps, err)
	}
	a.Close()
	b.Close()
	key, err := os.ReadFile(filepath.Join(filepath.Dir(one), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}

	a = dbtest.Open(t, one)
	defer a.Close()

	if apps, err := a.Apps(t.Context()); err != nil || len(apps) != 1 {
		t.Errorf("apps, opened again = %v, %v, want blog", apps, err)
	}
	if again, err := os.ReadFile(filepath.Join(filepath.Dir(one), "secret.key")); err != nil || !bytes.Equal(again, key) {
		t.Errorf("the key is another, opened again: %v", err)
	}
}
