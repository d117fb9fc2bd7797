package certs_test

import (
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

func TestACertificateIsRenewedBeforeItExpires(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), Life: 9 * time.Second})
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	first := w.dial(blog).PeerCertificates[0]
	if cannotBeReplaced(first) {
		TestACertificateIsRenewedBeforeItExpires(t)
		return
	}
	w.event()
	w.until("a third of its life is left", func() bool { return time.Until(first.NotAfter) < 3*time.Second })

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

func TestAKillIsHealedOfAWildcardAndAnAddressToo(t *testing.T) {
	const wild = "*." + acmetest.Zone
	w := newWorld(t, blog)
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), Profiles: shortlived})
	w.address, w.acme.Profile = netip.MustParseAddr("127.0.0.1"), "shortlived"
	w.acme.DNS, w.acme.Domain = updates(ca), acmetest.Zone
	w.boot(ca)
	w.untilPublic(wild)
	w.untilPublic("127.0.0.1")
	w.m.Close() // nothing is written any more
	w.tear(wild)
	w.tear("127.0.0.1")

	w.boot(ca)
	w.m.Manage(blog)

	w.untilPublic(wild)
	w.untilPublic("127.0.0.1")
	if err := verify(w.dial(blog), blog, ca.Issued); err != nil {
		t.Error(err)
	}
	if _, err := w.dialAddress(ca.Issued); err != nil {
		t.Error(err)
	}
}

func TestAWildcardIsRenewed(t *testing.T) {
	const wild = "*." + acmetest.Zone
	w := newWorld(t, blog)
	ca := acmetest.Start(t, 0, 0)
	w.acme.DNS, w.acme.Domain = updates(ca), acmetest.Zone
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	w.event()
	first := w.dial(blog).PeerCertificates[0]
	if cannotBeReplaced(first) {
		TestAWildcardIsRenewed(t)
		return
	}
	if err := ca.WantRenewal(first); err != nil {
		t.Fatal(err)
	}

	w.untilRenewed()

	if e := w.event(); e != (certs.Event{Host: wild, Kind: certs.Renewed}) {
		t.Errorf("told %+v, want renewed", e)
	}
	w.until("the new one is served to the app", func() bool {
		return !w.dial(blog).PeerCertificates[0].Equal(first) && verify(w.dial(blog), blog, ca.Issued) == nil
	})
}

func TestARunningManagerRenews(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), Life: 9 * time.Second})
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	w.event()
	first := w.dial(blog).PeerCertificates[0]
	if cannotBeReplaced(first) {
		TestARunningManagerRenews(t)
		return
	}
	w.until("a third of its life is left", func() bool { return time.Until(first.NotAfter) < 3*time.Second })

	w.m.CheckRenewals(t.Context()) // what happens every ten minutes

	if e := w.event(); e != (certs.Event{Host: blog, Kind: certs.Renewed}) {
		t.Errorf("told %+v, want renewed", e)
	}
	w.until("the new one is served", func() bool {
		return w.dial(blog).PeerCertificates[0].NotAfter.After(first.NotAfter) && verify(w.dial(blog), blog, ca.Issued) == nil
	})
}

// Nobody asks for it here: neither a restart, nor a visitor, nor the test.
func TestACertificateIsRenewedInTheBackgroundAgainAndAgain(t *testing.T) {
	w := newWorld(t, blog)
	w.every = 200 * time.Millisecond
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), Life: 9 * time.Second})
	w.boot(ca)
	begun := time.Now()
	w.m.Manage(blog)
	if e := w.event(); e != (certs.Event{Host: blog, Kind: certs.Obtained}) {
		t.Fatalf("told %+v, want obtained", e)
	}
	first := w.dial(blog).PeerCertificates[0]
	if cannotBeReplaced(first) {
		TestACertificateIsRenewedInTheBackgroundAgainAndAgain(t)
		return
	}

	renewed := w.event()

	if renewed != (certs.Event{Host: blog, Kind: certs.Renewed}) {
		t.Fatalf("told %+v, want renewed", renewed)
	}
	if !time.Now().Before(first.NotAfter) {
		t.Errorf("renewed %v after it was ordered, want before the first one's end at %v", time.Since(begun), first.NotAfter)
	}
	w.until("the new one is served", func() bool {
		now := w.dial(blog).PeerCertificates[0]
		return now.NotAfter.After(first.NotAfter) && verify(w.dial(blog), blog, ca.Issued) == nil
	})
	second := w.dial(blog).PeerCertificates[0]
	if cannotBeReplaced(second) {
		return
	}
	w.until("the one after that, too", func() bool { return w.dial(blog).PeerCertificates[0].NotAfter.After(second.NotAfter) })
}

// A CA that must revoke what it has issued says so by renewal information (ARI,
// RFC 9773) long before the certificate would expire.
func TestARenewalThatTheCAWishesIsMade(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)
	w.m.Manage(blog)
	w.untilPublic(blog)
	w.event()
	first := w.dial(blog).PeerCertificates[0]
	if cannotBeReplaced(first) {
		TestARenewalThatTheCAWishesIsMade(t)
		return
	}
	if err := ca.WantRenewal(first); err != nil {
		t.Fatal(err)
	}

	w.untilRenewed()

	if e := w.event(); e != (certs.Event{Host: blog, Kind: certs.Renewed}) {
		t.Errorf("told %+v, want renewed", e)
	}
	w.until("the new one is served", func() bool {
		return !w.dial(blog).PeerCertificates[0].Equal(first) && verify(w.dial(blog), blog, ca.Issued) == nil
	})
}

// untilRenewed does, until something is told, what happens every ten minutes.
func (w *world) untilRenewed() {
	w.t.Helper()
	w.until("what the CA wishes is asked for, and followed", func() bool {
		if err := w.m.CheckRenewals(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		return len(w.notified) > 0
	})
}

func TestACertificateWithAnOCSPResponderIsStapled(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), OCSP: true})
	w.boot(ca)

	w.m.Manage(blog)

	w.untilPublic(blog)
	state := w.dial(blog)
	if err := verify(state, blog, ca.Issued); err != nil {
		t.Fatal(err)
	}
	staple, err := ocsp.ParseResponseForCert(state.OCSPResponse, state.PeerCertificates[0], state.PeerCertificates[1])
	if err != nil || staple.Status != ocsp.Good {
		t.Errorf("stapled %+v, %v, want that it is good", staple, err)
	}
}

// cannotBeReplaced tells of one certificate in 256 that Pebble 2.10 does not
// find the order of when it is to be replaced: it looks for the serial number
// as DER writes it, which begins with a zero byte where the number's first bit
// is set, and has kept it without.
func cannotBeReplaced(cert *x509.Certificate) bool { return cert.SerialNumber.BitLen()%8 == 0 }
