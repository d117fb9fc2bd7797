package db_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

func TestOpenMakesASchemaAndKeepsWhatIsThere(t *testing.T) {
	w := newWorld(t)
	w.must(w.Close())

	again := open(t, w.path)

	apps, err := again.Apps(t.Context())
	if err != nil || len(apps) != 1 || apps[0].Name != "blog" {
		t.Errorf("apps = %v, %v, want what was there", apps, err)
	}
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("migrations = %v, %v", files, err)
	}
	if got := ask[int](t, raw(t, w.path), "PRAGMA user_version"); got != len(files) {
		t.Errorf("user_version = %d, want the number of migrations, %d", got, len(files))
	}
}

func TestOpenTakesAnyPath(t *testing.T) {
	for _, dir := range []string{"plain", "with space", "50%", "100%41", "what?", "a#b", "ü", "a&_pragma=foreign_keys(0)"} {
		path := filepath.Join(t.TempDir(), dir, "berth.db")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}

		s, err := db.Open(t.Context(), path)

		if err != nil {
			t.Errorf("open %s: %v", dir, err)
			continue
		}
		if err := s.CreateApp(t.Context(), "blog", false); err != nil {
			t.Errorf("write to %s: %v", dir, err)
		}
		s.Close()
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: the store is not at its path: %v, %v", dir, info, err)
		}
	}
}

func TestOpenRefusesASchemaNewerThanItKnows(t *testing.T) {
	w := newWorld(t)
	w.must(w.Close())
	_, err := raw(t, w.path).ExecContext(t.Context(), "PRAGMA user_version = 9999")
	w.must(err)

	_, err = db.Open(t.Context(), w.path)

	if err == nil || !strings.Contains(err.Error(), "9999 is newer") || !strings.Contains(err.Error(), "backup") {
		t.Errorf("Open = %v, want an error that says what to do", err)
	}
}

func TestOpenSaysWhatIsNoStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}

	_, err := db.Open(t.Context(), path)

	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open = %v, want an error that names the file", err)
	}
}

func TestStoreIsReadableByItsOwnerOnly(t *testing.T) {
	w := newWorld(t)

	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(w.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of berth.db%s = %o, want 600", suffix, got)
		}
	}
}

// A backup is often put back with the mode that the umask gave it.
func TestOpenTakesAStoreFromOthersThatTheyCanRead(t *testing.T) {
	w := newWorld(t)
	w.must(w.Close())
	w.must(os.Chmod(w.path, 0o644))

	open(t, w.path)

	info, err := os.Stat(w.path)
	w.must(err)
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode = %o, want 600", got)
	}
}

// SQLite keeps foreign keys per connection, and the pool opens connections as
// it needs them.
func TestEveryConnectionHoldsForeignKeys(t *testing.T) {
	w := newWorld(t)
	const writers = 40
	start := make(chan struct{})
	errs := make(chan error, writers)
	for range writers {
		go func() {
			<-start
			errs <- w.AddDomain(t.Context(), "nobody", "nobody.example")
		}()
	}

	close(start)

	for range writers {
		w.noApp("AddDomain", <-errs, "nobody")
	}
}

func TestWritersWaitForEachOther(t *testing.T) {
	w := newWorld(t)
	other := open(t, w.path) // as a backup tool, or the next version of the binary
	const each = 25
	var all sync.WaitGroup
	errs := make(chan error, 4*each)
	for i := range 4 {
		all.Go(func() {
			s := []*db.Store{w.Store, other}[i%2]
			for n := range each {
				errs <- s.ChangeConfig(t.Context(), "blog", map[string]string{fmt.Sprintf("K%d_%d", i, n): "v"}, nil)
			}
		})
	}
	all.Wait()
	close(errs)

	for err := range errs {
		w.must(err)
	}
	config, err := w.Config(t.Context(), "blog")
	if err != nil || len(config) != 4*each {
		t.Errorf("%d keys, %v, want %d", len(config), err, 4*each)
	}
}

func TestStoreStopsWhenItsContextIsDone(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, readErr := w.Apps(ctx)
	writeErr := w.CreateApp(ctx, "late", false)

	if !errors.Is(readErr, context.Canceled) || !errors.Is(writeErr, context.Canceled) {
		t.Errorf("Apps = %v, CreateApp = %v, want canceled", readErr, writeErr)
	}
	_, err := w.App(t.Context(), "late")
	w.noApp("App", err, "late")
}

// A child writes one number after the other, and prints each once the store
// has taken it. Whenever it is killed, everything it has printed is there.
func TestWhatWasWrittenSurvivesAKill(t *testing.T) {
	if path := os.Getenv("BERTH_TEST_COUNTER"); path != "" {
		count(t, path)
	}
	w := newWorld(t)
	for round := range 3 {
		child := exec.Command(os.Args[0], "-test.run=^TestWhatWasWrittenSurvivesAKill$")
		child.Env = append(os.Environ(), "BERTH_TEST_COUNTER="+w.path)
		out, err := child.StdoutPipe()
		w.must(err)
		w.must(child.Start())
		lines := bufio.NewScanner(out)
		last := ""
		for range 20 + 7*round {
			if !lines.Scan() {
				t.Fatalf("the child ended early: %v", child.Wait())
			}
			last = lines.Text()
		}

		w.must(child.Process.Kill())
		for lines.Scan() { // what it still said before it died counts too
			last = lines.Text()
		}
		child.Wait() // "signal: killed", as wanted

		acknowledged, err := strconv.Atoi(last)
		w.must(err)
		again := open(t, w.path)
		value, err := again.Setting(t.Context(), "counter")
		w.must(err)
		if stored, err := strconv.Atoi(value); err != nil || stored < acknowledged {
			t.Errorf("after the kill: %q, %v, want at least %d", value, err, acknowledged)
		}
		events, err := again.Events(t.Context(), "blog", -1)
		w.must(err)
		if len(events) < acknowledged {
			t.Errorf("after the kill: %d events, want at least %d", len(events), acknowledged)
		}
		if got := ask[string](t, raw(t, w.path), "PRAGMA integrity_check"); got != "ok" {
			t.Errorf("integrity_check = %s", got)
		}
		w.must(again.Close())
	}
}

// count is what the child does. It goes on from where the last one was.
func count(t *testing.T, path string) {
	s := open(t, path)
	value, err := s.Setting(t.Context(), "counter")
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(value) // "" the first time
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		n++
		if err := errors.Join(
			s.Record(t.Context(), appliance.Event{App: "blog", Action: "count"}),
			s.Set(t.Context(), "counter", strconv.Itoa(n)),
		); err != nil {
			t.Fatal(err)
		}
		fmt.Println(n)
	}
	t.Fatal("nobody has killed me")
}
