package certs_test

import (
	"path"
	"strings"

	"github.com/caddyserver/certmagic"
)

// tear leaves in storage what a kill in the middle of a renewal leaves: the
// new key beside the old certificate.
func (w *world) tear(host string) {
	w.t.Helper()
	storage := w.store.Certificates()
	keys, err := storage.List(w.t.Context(), "certificates", true)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, key := range keys {
		if path.Base(key) != certmagic.StorageKeys.Safe(host)+".key" {
			continue
		}
		fresh, err := certmagic.StandardKeyGenerator{}.GenerateKey()
		if err != nil {
			w.t.Fatal(err)
		}
		pem, err := certmagic.PEMEncodePrivateKey(fresh)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := storage.Store(w.t.Context(), key, pem); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	w.t.Fatalf("no key of %s in %s", host, strings.Join(keys, " "))
}
