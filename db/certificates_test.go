package db_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/db"
	"github.com/caddyserver/certmagic"
)

func openCertificates(t *testing.T, path string) certmagic.Storage {
	t.Helper()
	store, err := db.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store.Certificates()
}

func newCertificates(t *testing.T) certmagic.Storage {
	t.Helper()
	return openCertificates(t, filepath.Join(t.TempDir(), "berth.db"))
}

func put(t *testing.T, c certmagic.Storage, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := c.Store(t.Context(), key, []byte("value of "+key)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCertificatesLoadWhatWasStoredLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	c := openCertificates(t, path)
	binary := []byte{0, 1, 255, 0, '\n'}

	for _, value := range [][]byte{[]byte("first"), nil, {}, binary} {
		if err := c.Store(t.Context(), "acme/account.key", value); err != nil {
			t.Fatal(err)
		}

		got, err := openCertificates(t, path).Load(t.Context(), "acme/account.key")

		if err != nil || !bytes.Equal(got, value) {
			t.Errorf("Load = %q, %v, want %q", got, err, value)
		}
	}
}

func TestCertificatesSayErrNotExistOfAMissingKey(t *testing.T) {
	c := newCertificates(t)
	put(t, c, "a/b/c")

	for _, key := range []string{"", "a/b/c/d", "a/bb", "x", "a/b/", "A/B/C", "%", "a/_/c"} {
		if _, err := c.Load(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Load(%q) = %v, want fs.ErrNotExist", key, err)
		}
	}
	if _, err := c.Load(t.Context(), "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a folder = %v, want fs.ErrNotExist", err)
	}
	if _, err := c.Stat(t.Context(), "a/bb"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat = %v, want fs.ErrNotExist", err)
	}
	if _, err := c.List(t.Context(), "x", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("List = %v, want fs.ErrNotExist", err)
	}
	if c.Exists(t.Context(), "a/bb") {
		t.Error("Exists(a/bb), want not: a/b is no prefix of it by component")
	}
	if !c.Exists(t.Context(), "a/b") || !c.Exists(t.Context(), "a/b/c") {
		t.Error("a folder or a file does not exist, want both to")
	}
}

func TestCertificatesDeleteAFolderAndNothingBesideIt(t *testing.T) {
	tests := []struct {
		delete string
		left   []string
	}{
		{"a/b", []string{"a", "a/b.x", "a/b0", "a/bb", "a%b", "z"}},
		{"a/b/1", []string{"a", "a/b", "a/b.x", "a/b/2", "a/b/2/3", "a/b0", "a/bb", "a%b", "z"}},
		{"a/b/2", []string{"a", "a/b", "a/b.x", "a/b/1", "a/b0", "a/bb", "a%b", "z"}},
		{"a%", []string{"a", "a/b", "a/b.x", "a/b/1", "a/b/2", "a/b/2/3", "a/b0", "a/bb", "a%b", "z"}},
		{"missing", []string{"a", "a/b", "a/b.x", "a/b/1", "a/b/2", "a/b/2/3", "a/b0", "a/bb", "a%b", "z"}},
	}
	for _, test := range tests {
		c := newCertificates(t)
		put(t, c, "a/b/1", "a/b/2/3", "a/bb", "a/b.x", "a/b0", "a%b", "z")

		err := c.Delete(t.Context(), test.delete)

		if err != nil {
			t.Fatal(err)
		}
		left, err := c.List(t.Context(), "", true)
		slices.Sort(left)
		slices.Sort(test.left)
		if err != nil || !slices.Equal(left, test.left) {
			t.Errorf("after Delete(%q): %q, %v, want %q", test.delete, left, err, test.left)
		}
	}
}

// The library's own storage, in files, says what a listing is.
func TestCertificatesListAsFilesDo(t *testing.T) {
	c := newCertificates(t)
	files := &certmagic.FileStorage{Path: t.TempDir()}
	keys := []string{
		"certificates/ca-1/blog.example/blog.example.crt", "certificates/ca-1/blog.example/blog.example.key",
		"certificates/ca-1/x.example/x.example.crt", "certificates/ca-2/blog.example/blog.example.crt",
		"certificates2/y", "last_clean.json",
	}
	put(t, c, keys...)
	put(t, files, keys...)

	for _, dir := range []string{"", "certificates", "certificates/ca-1", "certificates/ca-1/blog.example", "last_clean.json"} {
		for _, recursive := range []bool{true, false} {
			got, err := c.List(t.Context(), dir, recursive)
			if err != nil {
				t.Error(err)
			}
			want, err := files.List(t.Context(), dir, recursive)
			if err != nil {
				t.Error(err)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("List(%q, %v) = %q, want %q", dir, recursive, got, want)
			}
		}
	}
}

func TestCertificatesDescribeFilesAndFolders(t *testing.T) {
	c := newCertificates(t)
	before := time.Now()
	put(t, c, "a/b")

	file, err := c.Stat(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := c.Stat(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}

	if file.Key != "a/b" || !file.IsTerminal || file.Size != int64(len("value of a/b")) {
		t.Errorf("file = %+v", file)
	}
	if file.Modified.Before(before.Add(-time.Second)) || file.Modified.After(time.Now()) {
		t.Errorf("modified = %v, want now", file.Modified)
	}
	if folder.Key != "a" || folder.IsTerminal {
		t.Errorf("folder = %+v", folder)
	}
}

func TestCertificatesLockIsHeldByOneAtATime(t *testing.T) {
	c := newCertificates(t)
	var wg sync.WaitGroup
	var holders, turns int // without a lock of their own: the race detector watches
	for range 20 {
		wg.Go(func() {
			if err := c.Lock(t.Context(), "issue blog"); err != nil {
				t.Error(err)
				return
			}
			holders++
			if holders != 1 {
				t.Errorf("%d hold the lock, want 1", holders)
			}
			turns++
			holders--
			if err := c.Unlock(t.Context(), "issue blog"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if turns != 20 {
		t.Errorf("%d had the lock, want 20", turns)
	}
}

func TestCertificatesWaitForALockOnlyAsLongAsTheyMay(t *testing.T) {
	c := newCertificates(t)
	if err := c.Lock(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()

	err := c.Lock(ctx, "one")

	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock = %v, want deadline exceeded", err)
	}
	if err := c.Lock(t.Context(), "another"); err != nil {
		t.Errorf("lock of another name: %v", err)
	}
	if err := c.Unlock(t.Context(), "one"); err != nil {
		t.Error(err)
	}
	if err := c.Unlock(t.Context(), "one"); err == nil {
		t.Error("unlocked twice, want an error")
	}
}

func TestCertificatesStopWhenTheirContextIsDone(t *testing.T) {
	c := newCertificates(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	for name, err := range map[string]error{
		"Store":  c.Store(ctx, "a", nil),
		"Delete": c.Delete(ctx, "a"),
		"Lock":   c.Lock(ctx, "a"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v, want canceled", name, err)
		}
	}
	if _, err := c.Load(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Load = %v, want canceled, and not that there is nothing", err)
	}
}

// A process is killed while it overwrites one value with others of the same
// byte throughout. Afterwards the value is one of them, whole.
func TestCertificatesSurviveAKill(t *testing.T) {
	const size = 1 << 16
	if path := os.Getenv("BERTH_TEST_WRITER"); path != "" {
		c := openCertificates(t, path)
		for i := byte('a'); ; i = 'a' + (i-'a'+1)%26 {
			if err := c.Store(t.Context(), "k", bytes.Repeat([]byte{i}, size)); err != nil {
				t.Fatal(err)
			}
			fmt.Println("stored")
		}
	}
	path := filepath.Join(t.TempDir(), "berth.db")
	for range 3 {
		writer := exec.Command(os.Args[0], "-test.run=^TestCertificatesSurviveAKill$")
		writer.Env = append(os.Environ(), "BERTH_TEST_WRITER="+path)
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, len("stored\n")*20)); err != nil {
			t.Errorf("the writer ended early: %v", err)
		}

		writer.Process.Kill()
		writer.Wait() // "signal: killed", as wanted

		value, err := openCertificates(t, path).Load(t.Context(), "k")
		if err != nil || len(value) != size || bytes.Count(value, value[:1]) != size {
			t.Fatalf("after the kill: %d bytes, %v, want %d alike", len(value), err, size)
		}
	}
}
