package db_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// hidden is part of every secret of these tests.
const hidden = "hunter2-hunter2"

// secretKey is the file of the store's key.
func secretKey(path string) string { return filepath.Join(filepath.Dir(path), "secret.key") }

// nowhere checks that none of the files beside the store has a secret in it.
func nowhere(t *testing.T, path string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("files = %q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte(hidden)); n > 0 {
			t.Errorf("%s has the secret, %d times", filepath.Base(file), n)
		}
	}
}

// Attack: somebody gets hold of the store's file, or of what is left in its
// journal, and reads everybody's passwords.
func TestNoSecretIsInTheStoresFiles(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	certificates := w.Certificates()
	env := map[string]string{"PASSWORD": hidden}
	release := appliance.Release{
		App: "blog", Env: env, Services: map[string]appliance.Service{"db": {Env: env}},
		AppJSON: appliance.AppJSON{Env: map[string]appliance.EnvVar{"PASSWORD": {Value: hidden}}},
	}
	for range 2 {
		w.must(w.ChangeConfig(ctx, "blog", env, nil))
		w.must(w.ChangeConfig(ctx, "", env, nil))
		w.must(w.ReplaceConfig(ctx, "blog", env))
		w.must(w.Set(ctx, "token", hidden))
		w.must(w.SetApp(ctx, "blog", "login", hidden))
		w.must(certificates.Store(ctx, "keys/a", []byte(hidden)))
		_, err := w.AddRelease(ctx, release)
		w.must(err)
		nowhere(t, w.path)
		w.must(w.ChangeConfig(ctx, "blog", nil, []string{"PASSWORD"}))
	}

	w.must(w.Close())

	nowhere(t, w.path)
	again := open(t, w.path)
	got, err := again.Release(ctx, "blog", 2)
	w.must(err)
	token, err := again.Setting(ctx, "token")
	w.must(err)
	login, err := again.AppSetting(ctx, "blog", "login")
	w.must(err)
	all, err := again.Config(ctx, "")
	w.must(err)
	key, err := again.Certificates().Load(ctx, "keys/a")
	w.must(err)
	if got.Env["PASSWORD"] != hidden || got.Services["db"].Env["PASSWORD"] != hidden || got.AppJSON.Env["PASSWORD"].Value != hidden ||
		token != hidden || login != hidden || all["PASSWORD"] != hidden || string(key) != hidden {
		t.Errorf("read back: %+v, %q, %q, %q, %q", got, token, login, all, key)
	}
}

// Attack: who can write to the file, but has not the key, gives an app of his
// own the password of another, and reads it there.
func TestSealedValuesOpenInTheirOwnPlaceOnly(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.CreateApp(ctx, "evil", false))
	for _, app := range []appliance.AppName{"blog", "evil"} {
		w.must(w.ChangeConfig(ctx, app, map[string]string{"A": hidden, "B": "b"}, nil))
		w.must(w.SetApp(ctx, app, "A", hidden))
		_, err := w.AddRelease(ctx, appliance.Release{App: app, Env: map[string]string{"A": hidden}})
		w.must(err)
	}
	d := raw(t, w.path)
	for _, attack := range []string{
		`UPDATE config SET value = (SELECT value FROM config WHERE app = 'blog' AND key = 'A') WHERE app = 'evil' AND key = 'A'`,
		`UPDATE config SET value = (SELECT value FROM config WHERE app = 'blog' AND key = 'A') WHERE app = 'blog' AND key = 'B'`,
		`UPDATE app_settings SET value = (SELECT value FROM config WHERE app = 'evil' AND key = 'B') WHERE app = 'evil'`,
		`UPDATE releases SET sealed = (SELECT sealed FROM releases WHERE app = 'blog') WHERE app = 'evil'`,
	} {
		if _, err := d.ExecContext(ctx, attack); err != nil {
			t.Fatal(err)
		}
	}

	for name, read := range map[string]func() error{
		"config of another app":  func() error { _, err := w.Config(ctx, "evil"); return err },
		"config of another key":  func() error { _, err := w.Config(ctx, "blog"); return err },
		"setting that was none":  func() error { _, err := w.AppSetting(ctx, "evil", "A"); return err },
		"release of another app": func() error { _, err := w.Release(ctx, "evil", 1); return err },
	} {
		if err := read(); err == nil || strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
}

func TestStoreIsNotOpenedWithoutItsKey(t *testing.T) {
	w := newWorld(t)
	w.must(w.ChangeConfig(t.Context(), "blog", map[string]string{"A": "1"}, nil))
	w.must(w.Close())
	key := secretKey(w.path)
	right, err := os.ReadFile(key)
	w.must(err)
	other := newWorld(t)
	wrong, err := os.ReadFile(secretKey(other.path))
	w.must(err)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v, want it for its owner only", info.Mode(), err)
	}

	for want, text := range map[string][]byte{"is missing": nil, "is not the key of this store": wrong, "is damaged": right[:30]} {
		w.must(os.RemoveAll(key))
		if text != nil {
			w.must(os.WriteFile(key, text, 0o600))
		}

		_, err := db.Open(t.Context(), w.path)

		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), key) ||
			!strings.Contains(appliance.HintOf(err), "put back secret.key") || bytes.Contains([]byte(err.Error()), wrong[20:40]) {
			t.Errorf("Open = %v (%s), want %q and what to do", err, appliance.HintOf(err), want)
		}
		if now, _ := os.ReadFile(key); !bytes.Equal(now, text) {
			t.Errorf("the key that %s was changed to %q", want, now)
		}
	}
	w.must(os.WriteFile(key, right, 0o644)) // as from a backup
	again := open(t, w.path)
	if config, err := again.Config(t.Context(), "blog"); err != nil || config["A"] != "1" {
		t.Errorf("with its key again: %v, %v", config, err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v, want it taken from others", info.Mode(), err)
	}
}
