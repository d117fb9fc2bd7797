// Package dbtest has stores for the tests of others. Those of package db make
// theirs from nothing, as the appliance does.
package dbtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/berthhq/berth/db"
)

// Open opens the store at path, as db.Open does. A store that is not there yet
// is made as a copy of an empty one: making the first takes all migrations,
// which under the race detector take longer than most tests. The caller closes
// it.
func Open(t testing.TB, path string) *db.Store {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		files, err := empty()
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range files {
			if name == storeName {
				name = filepath.Base(path)
			}
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	store, err := db.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

const storeName = "berth.db"

// empty returns the files of a store that has nothing in it: its own and its
// key, by name.
var empty = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "berth-dbtest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	store, err := db.Open(context.Background(), filepath.Join(dir, storeName))
	if err != nil {
		return nil, err
	}
	if err := store.Close(); err != nil { // which leaves no journal behind
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
})
