package db_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// A world is a store in a file of its own, with the app blog in it.
type world struct {
	*db.Store
	t    *testing.T
	path string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth.db")
	w := &world{open(t, path), t, path}
	w.must(w.CreateApp(t.Context(), "blog", false))
	return w
}

func open(t *testing.T, path string) *db.Store {
	t.Helper()
	s, err := db.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// noApp checks that an error is about a missing app of that name.
func (w *world) noApp(what string, err error, name appliance.AppName) {
	w.t.Helper()
	missing, ok := errors.AsType[*appliance.NoAppError](err)
	if !ok || missing.App != name {
		w.t.Errorf("%s of an app that is not there = %v, want a NoAppError of %s", what, err, name)
	}
}

// raw opens the file beside the store, as a tool would.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	d, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// ask returns the one value that a query gives.
func ask[T any](t *testing.T, d *sql.DB, query string) (v T) {
	t.Helper()
	if err := d.QueryRowContext(t.Context(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}
