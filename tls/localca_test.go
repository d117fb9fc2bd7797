package certs_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/db/dbtest"
	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
	"github.com/caddyserver/certmagic"
)

func TestALocalCertificateSatisfiesGoAndOpenSSLThatTrustTheRoot(t *testing.T) {
	const host = "blog.203-0-113-9.sslip.io"
	w := newWorld(t, host)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)

	w.m.Manage(host)

	state := w.dial(host)
	if err := verify(state, host, localRoots(t, w.m)); err != nil {
		t.Error(err)
	}
	if s := w.m.Status(host); s.Kind != certs.KindLocal || s.Err != nil || time.Until(s.NotAfter) > 91*24*time.Hour {
		t.Errorf("status = %+v, want local", s)
	}
	if again := w.dial(host); !again.PeerCertificates[0].Equal(state.PeerCertificates[0]) {
		t.Error("the next visitor got another certificate, want the same")
	}
	if ca.Orders() != 0 {
		t.Errorf("orders = %d for a name that is not public, want 0", ca.Orders())
	}

	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("the rest needs openssl")
	}
	dir := t.TempDir()
	root, leaf := filepath.Join(dir, "root.pem"), filepath.Join(dir, "leaf.pem")
	os.WriteFile(root, w.m.RootPEM(), 0o600)
	os.WriteFile(leaf, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: state.PeerCertificates[0].Raw}), 0o600)
	out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host, "-no-CApath", "-CAfile", root, leaf).CombinedOutput()
	if err != nil {
		t.Errorf("openssl verify: %v\n%s", err, out)
	}
	out, err = exec.Command(openssl, "verify", "-verify_hostname", "shop.example.com", "-CAfile", root, leaf).CombinedOutput()
	if err == nil {
		t.Errorf("openssl accepts it for another host:\n%s", out)
	}
}

func TestTheRootIsShownWithoutItsKey(t *testing.T) {
	w := newWorld(t)
	w.boot(acmetest.Start(t, 0, 0))

	block, rest := pem.Decode(w.m.RootPEM())

	if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 {
		t.Fatalf("RootPEM = %s", w.m.RootPEM())
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !root.IsCA || root.PublicKeyAlgorithm != x509.ECDSA || time.Until(root.NotAfter) < 9*365*24*time.Hour {
		t.Errorf("root = CA %v, %v, until %v", root.IsCA, root.PublicKeyAlgorithm, root.NotAfter)
	}
	if len(root.Subject.CommonName) != len("Berth local CA 01234567") {
		t.Errorf("CN = %q", root.Subject.CommonName)
	}
}

func TestTheLocalCAIsMadeOnce(t *testing.T) {
	storage := openStorage(t)
	roots := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range roots {
		wg.Go(func() {
			m, err := certs.New(t.Context(), certs.Config{Storage: storage, Serves: func(string) bool { return false }})
			if err != nil {
				t.Error(err)
				return
			}
			defer m.Close()
			roots[i] = m.RootPEM()
		})
	}
	wg.Wait()

	for _, root := range roots {
		if !bytes.Equal(root, roots[0]) {
			t.Fatal("managers of one storage have different roots")
		}
	}
	// One value, so that no kill can leave a certificate without its key.
	keys, err := storage.List(t.Context(), "berth/local-ca", true)
	if err != nil || len(keys) != 1 {
		t.Errorf("kept under %q, %v, want one key", keys, err)
	}
}

// What people have installed in their browsers must not be replaced silently.
func TestALocalCAThatCannotBeReadIsAnErrorAndNotANewOne(t *testing.T) {
	storage := openStorage(t)
	if err := storage.Store(t.Context(), "berth/local-ca/root.pem", []byte("damaged")); err != nil {
		t.Fatal(err)
	}

	_, err := certs.New(t.Context(), certs.Config{Storage: storage})

	if err == nil {
		t.Error("New made another, want an error")
	}
	if kept, _ := storage.Load(t.Context(), "berth/local-ca/root.pem"); string(kept) != "damaged" {
		t.Errorf("kept = %q, want it untouched", kept)
	}
}

func openStorage(t *testing.T) certmagic.Storage {
	t.Helper()
	store := dbtest.Open(t, filepath.Join(t.TempDir(), "berth.db"))
	t.Cleanup(func() { store.Close() })
	return store.Certificates()
}
