package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
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
	if s := w.m.Status(blog); s.Kind != certs.KindPending || s.Err == nil || !strings.HasPrefix(s.Issuer, "Berth Berth local CA ") {
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

func TestConfigureOrdersFromTheNewDirectory(t *testing.T) {
	w := newWorld(t, blog)
	broken := acmetest.Start(t, 0, 0)
	w.boot(broken)
	w.m.Manage(blog)
	if e := w.event(); e.Kind != certs.Failed {
		t.Fatalf("told %+v, want failed", e)
	}
	// Trusted by the same roots: httptest has one certificate for all.
	working := acmetest.Start(t, port(w.http), port(w.https))

	w.m.Configure(certs.ACME{Directory: working.Directory, Email: "ops@berth-test.com"})

	w.untilPublic(blog)
	if err := verify(w.dial(blog), blog, working.Issued); err != nil {
		t.Error(err)
	}
	if s := w.m.Status(blog); s.Err != nil {
		t.Errorf("status has the error of the first directory still: %v", s.Err)
	}
}

func TestAChangeOfDirectoryTakesNoCertificateFromASite(t *testing.T) {
	w := newWorld(t, blog)
	first := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(first)
	w.m.Manage(blog)
	w.untilPublic(blog)
	second := acmetest.Start(t, 0, 0) // does not work yet
	w.event()

	w.m.Configure(certs.ACME{Directory: second.Directory})
	failed := w.event()
	afterConfigure := w.dial(blog)
	w.boot(second)
	w.m.Manage(blog)
	w.event()
	afterRestart := w.dial(blog)

	if failed.Kind != certs.Failed {
		t.Errorf("told %+v, want failed: the new directory must be asked", failed)
	}
	if err := verify(afterConfigure, blog, first.Issued); err != nil {
		t.Errorf("after Configure: %v", err)
	}
	if err := verify(afterRestart, blog, first.Issued); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	third := acmetest.Start(t, port(w.http), port(w.https))
	w.m.Configure(certs.ACME{Directory: third.Directory})
	w.until("the new directory's certificate is served alone", func() bool {
		return verify(w.dial(blog), blog, third.Issued) == nil
	})
}

func TestACertificateIsRenewedBeforeItExpires(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), Life: 6 * time.Second})
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	first := w.dial(blog).PeerCertificates[0]
	w.event()
	w.until("a third of its life is left", func() bool { return time.Until(first.NotAfter) < 2*time.Second })

	w.boot(ca)
	w.m.Manage(blog)

	if e := w.event(); e.Kind != certs.Renewed || e.Host != blog {
		t.Errorf("told %+v, want renewed", e)
	}
	w.until("the new one is served", func() bool {
		now := w.dial(blog).PeerCertificates[0]
		return now.NotAfter.After(first.NotAfter) && strings.HasPrefix(now.Issuer.CommonName, "Pebble")
	})
}

func TestAKillBetweenKeyAndCertificateIsHealed(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	w.tear(blog)

	w.boot(ca)
	w.m.Manage(blog)

	w.untilPublic(blog)
	if err := verify(w.dial(blog), blog, ca.Issued); err != nil {
		t.Error(err)
	}
}

func TestAForgottenHostIsNeitherServedNorRenewedButItsCertificateIsKept(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	orders := ca.Orders()

	w.m.Forget(blog)

	if s := w.m.Status(blog); s != (certs.Status{}) {
		t.Errorf("status = %+v, want none", s)
	}
	if err := verify(w.dial(blog), blog, ca.Issued); err == nil {
		t.Error("the public certificate is still served")
	}
	w.m.Manage(blog)
	w.untilPublic(blog)
	if ca.Orders() != orders {
		t.Errorf("coming back cost an order: %d, want %d", ca.Orders(), orders)
	}
}

func TestCloseEndsOrders(t *testing.T) {
	w := newWorld(t, blog)
	silent := listen(t) // a CA that accepts and says nothing
	defer silent.Close()
	w.boot(&acmetest.Server{Directory: "https://" + silent.Addr().String() + "/dir", Roots: x509.NewCertPool()})
	w.m.Manage(blog)
	if _, err := silent.Accept(); err != nil {
		t.Fatal(err)
	}

	closed := make(chan struct{})
	go func() {
		w.m.Close()
		close(closed)
	}()

	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("Close waits for the CA")
	}
	select {
	case e := <-w.notified:
		t.Errorf("told %+v of an order that we ended ourselves", e)
	default:
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	w := newWorld(t, blog)
	w.boot(acmetest.Start(t, port(w.http), port(w.https)))
	w.m.Manage(blog)
	w.untilPublic(blog)

	w.m.Close()

	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, f := range []string{"certs.(*Manager).order", "certs.(*Manager).tidy", "certmagic.(*Cache).maintainAssets"} {
		if bytes.Contains(stacks, []byte(f)) {
			t.Errorf("%s still runs after Close", f)
		}
	}
}

func TestAHostThatIsForgottenWhileItIsOrderedStaysForgotten(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	w.m.Manage(blog)
	w.until("blog is being ordered", func() bool { return ca.Orders() > 0 })

	w.m.Forget(blog)
	w.m.Close() // waits for the order

	if err := verify(w.dial(blog), blog, ca.Issued); err == nil {
		t.Error("its public certificate is served")
	}
	if len(w.notified) > 0 {
		t.Errorf("told %+v of it", <-w.notified)
	}
}

func TestConfigureWithTheSameDirectoryOrdersOnlyWhatIsMissing(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	w.event()
	before, orders := w.dial(blog).PeerCertificates[0], ca.Orders()

	w.m.Configure(certs.ACME{Directory: ca.Directory, Email: "others@berth-test.com"})
	w.m.Manage(blog, blog)
	w.m.Close()

	if !w.dial(blog).PeerCertificates[0].Equal(before) || ca.Orders() != orders || len(w.notified) > 0 {
		t.Errorf("orders = %d, want %d, and nothing told", ca.Orders(), orders)
	}
}

func TestARunningManagerRenews(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), Life: 6 * time.Second})
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	w.event()
	first := w.dial(blog).PeerCertificates[0]
	w.until("a third of its life is left", func() bool { return time.Until(first.NotAfter) < 2*time.Second })

	w.m.CheckRenewals(t.Context()) // what happens every ten minutes

	if e := w.event(); e != (certs.Event{Host: blog, Kind: certs.Renewed}) {
		t.Errorf("told %+v, want renewed", e)
	}
	w.until("the new one is served", func() bool {
		return w.dial(blog).PeerCertificates[0].NotAfter.After(first.NotAfter) && verify(w.dial(blog), blog, ca.Issued) == nil
	})
}

func TestHTTP2IsNegotiatedAndOldTLSIsRefused(t *testing.T) {
	w := newWorld(t, "blog.localhost")
	w.boot(acmetest.Start(t, 0, 0))
	w.m.Manage("blog.localhost")

	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: localRoots(t, w.m)},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", w.https.Addr().String())
		},
	}}
	defer client.CloseIdleConnections()
	res, err := client.Get("https://blog.localhost/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("protocol = %s, want HTTP/2", res.Proto)
	}
	if got := w.dial("blog.localhost", "http/1.1").NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("negotiated %q, want http/1.1", got)
	}

	for version, accepted := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", w.https.Addr().String(), &tls.Config{
			ServerName: "blog.localhost", InsecureSkipVerify: true, MinVersion: version, MaxVersion: version,
		})
		if accepted != (err == nil) {
			t.Errorf("%s: %v, want accepted %v", tls.VersionName(version), err, accepted)
		}
		if err == nil {
			conn.Close()
		} else if alert, ok := errors.AsType[tls.AlertError](err); ok && alert != 70 {
			t.Errorf("%s: alert %v, want protocol version", tls.VersionName(version), alert)
		}
	}

	_, err = tls.Dial("tcp", w.https.Addr().String(), &tls.Config{
		ServerName: "blog.localhost", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
	})
	if err == nil {
		t.Error("a weak cipher suite was accepted")
	}
}
