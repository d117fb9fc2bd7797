package certs

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// newShowing returns a manager of one host that has a certificate from outside.
func newShowing(t testing.TB, names ...string) *Manager {
	t.Helper()
	m, err := New(t.Context(), Config{
		Storage: &certmagic.FileStorage{Path: t.TempDir()}, Serves: func(host string) bool { return slices.Contains(names, host) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	for _, name := range names {
		m.show(t, name)
	}
	return m
}

// show brings a new certificate for name into memory.
func (m *Manager) show(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	leaf, err := m.local.sign(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.issuers.Load().names.CacheUnmanagedTLSCertificate(t.Context(), *leaf, nil); err != nil {
		t.Fatal(err)
	}
	return leaf
}

func greeting(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
	}
}

func TestAHandshakeIsAnsweredFromTheChoiceOfBefore(t *testing.T) {
	m := newShowing(t, "blog.example.com")

	first, err := m.certificate(greeting("blog.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := m.certificate(greeting("blog.example.com"))

	if first != again {
		t.Error("it was chosen again, want the same value")
	}
}

func TestAChoiceIsMadeAgainWhenThereIsAnotherCertificateOrNone(t *testing.T) {
	m := newShowing(t, "blog.example.com")
	old, _ := m.certificate(greeting("blog.example.com"))
	m.drop("blog.example.com", "")

	gone, _ := m.certificate(greeting("blog.example.com"))
	fresh := m.show(t, "blog.example.com")
	shown, _ := m.certificate(greeting("blog.example.com"))

	if slices.Equal(gone.Certificate[0], old.Certificate[0]) {
		t.Error("it is still shown after it was dropped")
	}
	if !slices.Equal(shown.Certificate[0], fresh.Certificate[0]) {
		t.Error("the new one is not shown at once")
	}
}

func TestAChoiceDoesNotOutliveItsCertificate(t *testing.T) {
	m := newShowing(t, "blog.example.com")
	now := time.Now()
	leaf, err := m.local.sign("blog.example.com")
	if err != nil {
		t.Fatal(err)
	}

	m.shown.put("blog.example.com", leaf, m.shown.epoch.Load(), leaf.Leaf.NotAfter.Add(-time.Second))

	if m.shown.get("blog.example.com", now) == nil || m.shown.get("blog.example.com", leaf.Leaf.NotAfter.Add(time.Second)) != nil {
		t.Error("want it until it expires")
	}
}

// A choice that was begun before a change must not be kept after it.
func TestAChoiceOfBeforeAChangeIsNotKept(t *testing.T) {
	m := newShowing(t, "blog.example.com")
	epoch := m.shown.epoch.Load()
	leaf, err := m.local.sign("blog.example.com")
	if err != nil {
		t.Fatal(err)
	}
	m.shown.forget()

	m.shown.put("blog.example.com", leaf, epoch, time.Now())

	if m.shown.get("blog.example.com", time.Now()) != nil {
		t.Error("an old choice is shown")
	}
}

// A renewal is told of first and brought into memory then.
func TestNoChoiceIsKeptRightAfterARenewal(t *testing.T) {
	m := newShowing(t, "blog.example.com")
	now := time.Now()
	leaf, err := m.local.sign("blog.example.com")
	if err != nil {
		t.Fatal(err)
	}
	m.shown.renewed(now)

	m.shown.put("blog.example.com", leaf, m.shown.epoch.Load(), now.Add(time.Second))
	soon := m.shown.get("blog.example.com", now.Add(time.Second))
	m.shown.put("blog.example.com", leaf, m.shown.epoch.Load(), now.Add(unsettled))
	later := m.shown.get("blog.example.com", now.Add(unsettled))

	if soon != nil || later == nil {
		t.Errorf("kept %v soon and %v later, want it later only", soon != nil, later != nil)
	}
}

func TestChoicesInMemoryAreBounded(t *testing.T) {
	m := newShowing(t)
	leaf, err := m.local.sign("blog.example.com")
	if err != nil {
		t.Fatal(err)
	}

	for i := range 3 * maxShown {
		m.shown.put(fmt.Sprint(i), leaf, 0, time.Now())
	}

	count := 0
	m.shown.certs.Range(func(any, any) bool { count++; return true })
	if count > maxShown {
		t.Errorf("%d choices in memory, want at most %d", count, maxShown)
	}
}

func BenchmarkCertificate(b *testing.B) {
	m := newShowing(b, "blog.example.com")
	hello := greeting("blog.example.com")
	for b.Loop() {
		if _, err := m.certificate(hello); err != nil {
			b.Fatal(err)
		}
	}
}

// What a handshake would cost that chooses each time.
func BenchmarkCertificateChosen(b *testing.B) {
	m := newShowing(b, "blog.example.com")
	hello := greeting("blog.example.com")
	for b.Loop() {
		if cert, _ := m.public(hello, "blog.example.com"); cert == nil {
			b.Fatal("none")
		}
	}
}
