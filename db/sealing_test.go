package db_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// unsealed makes a store as it was before anything was sealed, with secrets in
// it, in free pages of it, and in its journal. It stays open, so the journal
// is not emptied.
func unsealed(t *testing.T, path string, apps int) *sql.DB {
	t.Helper()
	d, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(50)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	d.SetMaxOpenConns(1)
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	do := func(script string, args ...any) {
		t.Helper()
		if _, err := d.ExecContext(t.Context(), script, args...); err != nil {
			t.Fatal(err)
		}
	}
	for i, file := range files {
		if strings.HasSuffix(file, "_sealed.sql") {
			break
		}
		script, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		do(string(script))
		do(fmt.Sprintf("PRAGMA user_version = %d", i+1))
	}
	long := hidden + strings.Repeat("x", 5000)
	for i := range apps {
		app := fmt.Sprintf("app%d", i)
		do(`INSERT INTO apps (name, created_at, provisional, live_generation, live_release, handle) VALUES (?1, '2026-01-01T00:00:00Z', 0, '', 0, ?1)`, app)
		do(`INSERT INTO config VALUES (?, 'PASSWORD', ?), (?, 'LONG', ?)`, app, hidden, app, long)
		do(`INSERT INTO app_settings VALUES (?, 'login', ?)`, app, hidden)
		do(`INSERT INTO certificates VALUES (?, ?, '2026-01-01T00:00:00Z')`, app, []byte(hidden))
		for v := range 2 {
			do(`INSERT INTO releases (app, version, image, builder, stack, commit_id, env, procfile, port, reason, actor, created_at, app_json, services)
				VALUES (?, ?, 'i', 'b', '', 'c', ?, '{"web":"x"}', 5000, 'r', 'a', '2026-01-01T00:00:00Z', '{"env":{"P":{"value":"`+hidden+`"}}}', 'null')`,
				app, v+1, `{"PASSWORD":"`+hidden+`","LONG":"`+long+`"}`)
		}
	}
	do(`INSERT INTO settings VALUES ('token', ?)`, hidden)
	do(`DELETE FROM releases WHERE version = 1`)
	do(`DELETE FROM config WHERE key = 'LONG'`)
	do(`UPDATE config SET value = ? WHERE app = 'app0'`, hidden+"-last")
	return d
}

// sealed checks that a store has everything, and that nobody can read it.
func sealed(t *testing.T, path string, apps int) {
	t.Helper()
	s, err := db.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	nowhere(t, path)
	for i := range apps {
		app := fmt.Sprintf("app%d", i)
		config, err := s.Config(t.Context(), appliance.AppName(app))
		release, releaseErr := s.Release(t.Context(), appliance.AppName(app), 2)
		login, loginErr := s.AppSetting(t.Context(), appliance.AppName(app), "login")
		certificate, certErr := s.Certificates().Load(t.Context(), app)
		if len(config) != 1 || !strings.HasPrefix(config["PASSWORD"], hidden) || login != hidden || string(certificate) != hidden ||
			release.Env["PASSWORD"] != hidden || release.AppJSON.Env["P"].Value != hidden || release.Services != nil || release.Procfile["web"] != "x" {
			t.Fatalf("%s = %q, %+v, %q, %q, %v %v %v %v", app, config, release, login, certificate, err, releaseErr, loginErr, certErr)
		}
	}
	if token, err := s.Setting(t.Context(), "token"); token != hidden || err != nil {
		t.Errorf("token = %q, %v", token, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	nowhere(t, path)
}

func TestWhatWasThereIsSealedAndLeavesNoTrace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "berth.db")
	old := unsealed(t, path, 10)
	for _, file := range []string{path, path + "-wal"} {
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), hidden) {
			t.Fatalf("%s: %v, want the secret in it: else there is nothing to see here", file, err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	sealed(t, path, 10)
}

// As a backup tool would. The secrets are gone from the file as soon as it is
// opened without another that holds it up.
func TestScrubbingIsTriedAgainUntilNobodyReadsTheStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "berth.db")
	old := unsealed(t, path, 3)
	reader, err := old.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reader.QueryRowContext(t.Context(), `SELECT count(*) FROM config`).Scan(&n); err != nil {
		t.Fatal(err)
	}

	s, err := db.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	config, err := s.Config(t.Context(), "app1")
	if err != nil || config["PASSWORD"] != hidden {
		t.Errorf("config = %q, %v", config, err)
	}
	s.Close()
	reader.Rollback()
	old.Close()

	sealed(t, path, 3)
}

// A child seals a store and is killed on the way, or while it scrubs.
func TestSealingSurvivesAKill(t *testing.T) {
	if path := os.Getenv("BERTH_TEST_SEALING"); path != "" {
		_, err := db.Open(context.Background(), path)
		fmt.Println("opened", err)
		return
	}
	const apps = 60
	took := time.Duration(0)
	for round := range 8 {
		path := filepath.Join(t.TempDir(), "berth.db")
		unsealed(t, path, apps).Close()
		child := exec.Command(os.Args[0], "-test.run=^TestSealingSurvivesAKill$")
		child.Env = append(os.Environ(), "BERTH_TEST_SEALING="+path)
		begun := time.Now()
		if round == 0 { // to know how long it takes
			if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "opened <nil>") {
				t.Fatalf("child: %v: %s", err, out)
			}
			took = time.Since(begun)
		} else {
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(rand.N(took)) // a moment is what is tried here, not waited for
			child.Process.Kill()
			child.Wait() // "signal: killed", or it was faster
		}

		sealed(t, path, apps)
	}
}

// What a table of apps has sealed must be sealed anew when an app is renamed.
func TestEverySealedColumnOfAppsIsKnown(t *testing.T) {
	w := newWorld(t)

	got := ask[string](t, raw(t, w.path), `
		SELECT group_concat(t.name || '.' || c.name, ' ') FROM (SELECT * FROM sqlite_schema ORDER BY name) AS t JOIN pragma_table_info(t.name) AS c
		WHERE t.type = 'table' AND c.type = 'BLOB' AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE name = 'app')`)

	// What a one-off is sealed with does not change with its app's name.
	if want := "app_settings.value build_output.text config.value oneoffs.command oneoffs.output releases.sealed"; got != want {
		t.Errorf("bytes of apps are in %s, want %s: RenameApp has to know what is sealed", got, want)
	}
}
