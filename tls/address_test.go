package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"testing"
	"time"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

// shortlived is Let's Encrypt's profile of that name: 160 hours.
var shortlived = map[string]time.Duration{"shortlived": 160 * time.Hour}

// dialAddress shakes hands as a visitor of https://<address>/ does: without
// naming a host, and checking the certificate against the address.
func (w *world) dialAddress(roots *x509.CertPool) (*tls.Conn, error) {
	conn, err := tls.Dial("tcp", w.https.Addr().String(), &tls.Config{RootCAs: roots})
	if err == nil {
		w.t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

func TestTheMachinesAddressHasAShortLivedCertificateByEachChallengeAlone(t *testing.T) {
	for name, options := range map[string]func(w *world) acmetest.Options{
		"HTTP-01":     func(w *world) acmetest.Options { return acmetest.Options{HTTPPort: port(w.http)} },
		"TLS-ALPN-01": func(w *world) acmetest.Options { return acmetest.Options{TLSPort: port(w.https)} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.address, w.acme.Profile = netip.MustParseAddr("127.0.0.1"), "shortlived"
			with := options(w)
			with.Profiles = shortlived
			ca := acmetest.StartWith(t, with)
			w.boot(ca)

			if e := w.event(); e != (certs.Event{Host: "127.0.0.1", Kind: certs.Obtained}) {
				t.Fatalf("told %+v, want obtained", e)
			}

			conn, err := w.dialAddress(ca.Issued)
			if err != nil {
				t.Fatal(err)
			}
			leaf := conn.ConnectionState().PeerCertificates[0]
			if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 161*time.Hour {
				t.Errorf("it lives %v, want 160h", life)
			}
			if s := w.m.Status("127.0.0.1"); s.Kind != certs.KindPublic {
				t.Errorf("status = %+v", s)
			}
		})
	}
}

func TestAHostHasAShortLivedCertificateWhereThatIsWanted(t *testing.T) {
	w := newWorld(t, blog)
	w.acme.Profile = "shortlived"
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), Profiles: shortlived})
	w.boot(ca)

	w.m.Manage(blog)

	w.untilPublic(blog)
	if s := w.m.Status(blog); time.Until(s.NotAfter) > 161*time.Hour {
		t.Errorf("until %v, want 160h", s.NotAfter)
	}
}

func TestBadNoncesAreSurvivedInTheShortLivedProfile(t *testing.T) {
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "30")
	w := newWorld(t)
	w.address, w.acme.Profile = netip.MustParseAddr("127.0.0.1"), "shortlived"
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), Profiles: shortlived})
	w.boot(ca)

	w.untilObtained("127.0.0.1", ca)
}

func TestARejectedAddressLeavesTheLocalCertificateAndSaysWhy(t *testing.T) {
	w := newWorld(t)
	w.address, w.acme.Profile = netip.MustParseAddr("127.0.0.1"), "shortlived"
	ca := acmetest.StartWith(t, acmetest.Options{Profiles: shortlived})
	w.boot(ca)

	if e := w.event(); e.Host != "127.0.0.1" || e.Kind != certs.Failed {
		t.Errorf("told %+v, want failed", e)
	}
	if _, err := w.dialAddress(localRoots(t, w.m)); err != nil {
		t.Error(err)
	}
}

func TestAnUnknownProfileIsNotOrdered(t *testing.T) {
	w := newWorld(t, blog)
	w.acme.Profile = "golden"
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)

	w.m.Manage(blog)

	if e := w.event(); e.Kind != certs.Failed || ca.Orders() > 0 {
		t.Errorf("told %+v after %d orders, want failed and none", e, ca.Orders())
	}
}

// The address of a machine is no app's, and no other address is the machine's.
func TestNoOtherAddressIsOrderedOrSigned(t *testing.T) {
	w := newWorld(t)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)

	w.m.Manage("127.0.0.2", "203.0.113.9", "*.203.0.113.9")
	w.m.Close()

	if ca.Orders() > 0 {
		t.Errorf("%d orders", ca.Orders())
	}
	if got := w.dial("").PeerCertificates[0]; len(got.IPAddresses) > 0 || got.DNSNames[0] != "no-such-app.berth.invalid" {
		t.Errorf("without an address of its own it answers with %v %v", got.DNSNames, got.IPAddresses)
	}
}
