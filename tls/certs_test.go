package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

const blog = "blog.berth-test.com"

// verify checks what a visitor of host gets as a visitor who trusts roots does.
func verify(state tls.ConnectionState, host string, roots *x509.CertPool) error {
	intermediates := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: intermediates})
	return err
}

func localRoots(t *testing.T, m *certs.Manager) *x509.CertPool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(m.RootPEM()) {
		t.Fatalf("no certificate in %s", m.RootPEM())
	}
	return roots
}

func TestACertificateIsObtainedByEachChallengeAlone(t *testing.T) {
	tests := []struct {
		name      string
		http, tls bool
	}{
		{"HTTP-01", true, false},
		{"TLS-ALPN-01", false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, blog)
			var options acmetest.Options
			if test.http {
				options.HTTPPort = port(w.http)
			}
			if test.tls {
				options.TLSPort = port(w.https)
			}
			ca := acmetest.StartWith(t, options)
			w.boot(ca)

			w.m.Manage(blog)

			if e := w.event(); e != (certs.Event{Host: blog, Kind: certs.Obtained}) {
				t.Errorf("told %+v, want obtained", e)
			}
			if err := verify(w.dial(blog), blog, ca.Issued); err != nil {
				t.Error(err)
			}
			if s := w.m.Status(blog); s.Kind != certs.KindPublic || !strings.HasPrefix(s.Issuer, "Pebble") || s.Err != nil || time.Until(s.NotAfter) < 24*time.Hour {
				t.Errorf("status = %+v", s)
			}
			if (w.httpAsked.Load() > 0) != test.http || test.tls && w.alpnAsked.Load() == 0 || test.http && w.alpnAsked.Load() > 0 {
				t.Errorf("asked by HTTP-01 %d, TLS-ALPN-01 %d times", w.httpAsked.Load(), w.alpnAsked.Load())
			}
		})
	}
}

func TestARestartCostsNoOrder(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	before := w.dial(blog).PeerCertificates[0]
	root, orders := string(w.m.RootPEM()), ca.Orders()

	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)

	if after := w.dial(blog).PeerCertificates[0]; !after.Equal(before) {
		t.Error("another certificate after the restart, want the same")
	}
	if ca.Orders() != orders || orders == 0 {
		t.Errorf("orders = %d, want still %d", ca.Orders(), orders)
	}
	if string(w.m.RootPEM()) != root {
		t.Error("another local root after the restart, want the same")
	}
}

func TestAFailingOrderLeavesTheLocalCertificateAndSaysWhy(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, 0, 0) // a firewall that lets nobody in
	w.boot(ca)

	w.m.Manage(blog)

	if s := w.m.Status(blog); s.Kind != certs.KindPending {
		t.Errorf("status = %+v, want pending", s)
	}
	e := w.event()
	if e.Host != blog || e.Kind != certs.Failed || e.Err == nil || !strings.HasPrefix(e.Err.Error(), "the CA says: ") || !strings.Contains(e.Err.Error(), "127.0.0.1") {
		t.Errorf("told %+v, want failed and the CA's reason", e)
	}
	if s := w.m.Status(blog); s.Kind != certs.KindPending || s.Err == nil || !strings.HasPrefix(s.Issuer, "Berth local CA ") {
		t.Errorf("status = %+v, want pending with the error", s)
	}
	if err := verify(w.dial(blog), blog, localRoots(t, w.m)); err != nil {
		t.Error(err)
	}
}

func TestNothingIsOrderedOrSignedForAHostThatIsNoApps(t *testing.T) {
	w := newWorld(t, "shop.berth-test.com")
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)

	w.m.Manage(blog)
	for i := range 100 {
		w.dial(fmt.Sprintf("x%d.berth-test.com", i))
	}
	w.m.Manage("shop.berth-test.com") // has its turn after blog
	w.untilPublic("shop.berth-test.com")
	w.until("blog is refused", func() bool { return w.m.Status(blog).Err != nil })
	orders := ca.Orders()

	state := w.dial(blog)
	if got := state.PeerCertificates[0].DNSNames; len(got) != 1 || got[0] != "no-such-app.berth.invalid" {
		t.Errorf("a stranger got the certificate of %q", got)
	}
	if !state.PeerCertificates[0].Equal(w.dial("").PeerCertificates[0]) {
		t.Error("no name and a wrong name got different certificates, want one for all")
	}
	if w.m.Status(blog).Kind == certs.KindPublic || ca.Orders() != orders {
		t.Error("blog was ordered")
	}
}

func TestBadNoncesAreSurvived(t *testing.T) {
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "50")
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)

	w.m.Manage(blog)

	// The client asks again a few times. Where that was not enough, a person
	// who sets the directory again need not wait for certmagic's minute.
	for range 10 {
		if e := w.event(); e.Kind == certs.Obtained {
			break
		}
		w.m.Configure(certs.ACME{Directory: ca.Directory, Email: "ops@berth-test.com"})
	}
	w.untilPublic(blog)
}
