package certs

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/berthhq/berth/appliance/await"
)

func TestWhatHasLongExpiredIsRemovedFromStorage(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	put := func(name string, expired time.Duration) string {
		now := time.Now().Add(-rootLife - expired)
		old, err := makeLocalCA(now)
		if err != nil {
			t.Fatal(err)
		}
		key := certmagic.StorageKeys.SiteCert("some-ca", name)
		if err := storage.Store(t.Context(), key, old); err != nil {
			t.Fatal(err)
		}
		return key
	}
	long := put("long.example.com", keptExpired+time.Hour)
	just := put("just.example.com", time.Hour)

	m, err := New(t.Context(), Config{Storage: storage})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()

	await.That(t, "it is not in storage any more", func() bool { return !storage.Exists(t.Context(), long) })
	if _, err := storage.Load(t.Context(), just); errors.Is(err, fs.ErrNotExist) {
		t.Error("one that has just expired was removed too")
	}
}

func TestLetsEncryptIsTheDirectoryUnlessAnotherIsSet(t *testing.T) {
	m, err := New(t.Context(), Config{Storage: &certmagic.FileStorage{Path: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()

	for directory, want := range map[string]string{
		"":                                 "acme-v02.api.letsencrypt.org-directory",
		"https://ca.example.net/acme/dir2": "ca.example.net-acme-dir2",
	} {
		if got := m.newIssuers(ACME{Directory: directory}).key; got != want {
			t.Errorf("directory %q: issuer %q, want %q", directory, got, want)
		}
	}
}
