package main

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/db"
)

// A newer version may have migrated the store before it fails.
func TestTheStoreIsAsItWasWhenASuccessorFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	store, err := db.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	back, err := newUndo(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.WriteFile(name, []byte("of a schema that we do not know"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := back.restore(); err != nil {
		t.Fatal(err)
	}

	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Errorf("%d bytes, %v; want the %d from before", len(after), err, len(before))
	}
	if store, err = db.Open(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	store.Close()
}

func TestADoorIsTakenOverOnlyIfItIsWhereItShouldBe(t *testing.T) {
	dir := t.TempDir()
	cfg := config{ssh: "127.0.0.1:0", http: "127.0.0.1:0", https: "127.0.0.1:0", socket: filepath.Join(dir, "s"), http3: true}
	first, err := openDoors(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	ssh, https := first.port(sshDoor), first.port(httpsDoor)
	if udp := first.port(http3Door); udp != https {
		t.Errorf("HTTP/3 is at port %d, want %d", udp, https)
	}

	cfg.http, cfg.http3 = "127.0.0.2:0", false
	names, files := first.list()
	second, err := openDoors(cfg, named(names, files))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()

	if second.port(sshDoor) != ssh || second.port(httpsDoor) != https {
		t.Error("doors that have not moved were opened anew")
	}
	if a, err := addressOf(second.files[httpDoor]); err != nil || a.ip.String() != "127.0.0.2" {
		t.Errorf("http is at %v, %v; want 127.0.0.2", a.ip, err)
	}
	if len(second.dropped) != 1 || second.dropped[0] != http3Door {
		t.Errorf("dropped = %q, want %s", second.dropped, http3Door)
	}
}

// What a daemon gives to be kept is there for the next one, whatever became of
// the first.
func TestAStoreKeepsWhatItIsGiven(t *testing.T) {
	store, err := newFileStore(filepath.Join(t.TempDir(), "n"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.close()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	f, err := fileOf(ln)
	if err != nil {
		t.Fatal(err)
	}
	d := &doors{files: map[string]*os.File{httpDoor: f}}

	if err := (notifier{store.path}).keep(d, httpDoor); err != nil {
		t.Fatal(err)
	}
	ln.Close()
	d.Close()

	var files []*os.File
	await.That(t, "the store has it", func() bool {
		files, _ = store.forProcess()
		return len(files) == 1
	})
	defer closeFiles(files)
	if c, err := net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Errorf("a visitor was turned away: %v", err)
	} else {
		c.Close()
	}
}
