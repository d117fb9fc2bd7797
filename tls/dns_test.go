package certs_test

import (
	"slices"
	"strings"
	"testing"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

// updates are the settings with which the test's name server takes changes.
func updates(ca *acmetest.Server) certs.DNS {
	return certs.DNS{Provider: "rfc2136", Credential: "server = " + ca.DNS() + "\nkey = " + acmetest.KeyName + "\nsecret = " + acmetest.KeySecret}
}

func TestAWildcardIsObtainedByDNS01AndItsRecordTakenBack(t *testing.T) {
	const wild = "*.berth-test.com"
	w := newWorld(t, wild, "any.berth-test.com")
	ca := acmetest.Start(t, 0, 0)
	w.acme.DNS = updates(ca)
	w.boot(ca)

	w.m.Manage(wild)

	if e := w.event(); e != (certs.Event{Host: wild, Kind: certs.Obtained}) {
		t.Errorf("told %+v, want obtained", e)
	}
	state := w.dial("any.berth-test.com")
	if err := verify(state, "any.berth-test.com", ca.Issued); err != nil {
		t.Error(err)
	}
	if got := state.PeerCertificates[0].DNSNames; !slices.Equal(got, []string{wild}) {
		t.Errorf("certified %q, want the wildcard alone", got)
	}
	if s := w.m.Status(wild); s.Kind != certs.KindPublic || s.Err != nil {
		t.Errorf("status = %+v", s)
	}
	if changes, texts := ca.Changes(); changes != 2 || len(texts) > 0 {
		t.Errorf("%d changes of the zone left %v, want one record that came and went", changes, texts)
	}
}

func TestANewAppBelowTheDomainNeedsNoOrder(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, 0, 0) // nothing but DNS can be proven
	w.acme.DNS, w.acme.Domain = updates(ca), acmetest.Zone
	w.boot(ca)
	w.event() // the wildcard is there
	orders := ca.Orders()

	w.m.Manage(blog)

	if s := w.m.Status(blog); s.Kind != certs.KindPublic || s.Wildcard != "*."+acmetest.Zone || s.Err != nil {
		t.Errorf("status at once = %+v, want public by the wildcard", s)
	}
	if err := verify(w.dial(blog), blog, ca.Issued); err != nil {
		t.Error(err)
	}
	w.m.Close()
	if ca.Orders() != orders || len(w.notified) > 0 {
		t.Errorf("orders = %d, want still %d, and nothing told", ca.Orders(), orders)
	}
	if got := w.dial("stranger.berth-test.com").PeerCertificates[0].DNSNames; slices.Contains(got, "*."+acmetest.Zone) {
		t.Error("a host that is no app's is served with the wildcard")
	}
}

func TestAWildcardThatFailsLetsHostsHaveTheirOwn(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	ca.RefuseChanges(true)
	w.acme.DNS, w.acme.Domain = updates(ca), acmetest.Zone
	w.boot(ca)
	w.m.Manage(blog)

	w.untilPublic(blog)

	if got := w.dial(blog).PeerCertificates[0].DNSNames; !slices.Equal(got, []string{blog}) {
		t.Errorf("certified %q, want its own", got)
	}
	if s := w.m.Status("*." + acmetest.Zone); s.Err == nil || !strings.Contains(s.Err.Error(), "REFUSED") {
		t.Errorf("status of the wildcard = %+v, want what the name server said", s)
	}

	ca.RefuseChanges(false)
	w.m.Configure(w.settings(ca))
	w.until("the wildcard has taken over", func() bool {
		return slices.Equal(w.dial(blog).PeerCertificates[0].DNSNames, []string{"*." + acmetest.Zone})
	})
	if s := w.m.Status(blog); s.Wildcard == "" {
		t.Errorf("status = %+v, want by the wildcard", s)
	}
}

func TestWithoutDNSHostsHaveTheirOwnAgainAndNoGapBetween(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.acme.DNS, w.acme.Domain = updates(ca), acmetest.Zone
	w.boot(ca)
	w.event()
	w.m.Manage(blog)
	w.acme.DNS = certs.DNS{}

	w.m.Configure(w.settings(ca))

	w.until("it has its own", func() bool {
		state := w.dial(blog)
		if err := verify(state, blog, ca.Issued); err != nil && !strings.HasPrefix(state.PeerCertificates[0].Issuer.CommonName, "Berth") {
			t.Fatal(err)
		}
		return slices.Equal(state.PeerCertificates[0].DNSNames, []string{blog})
	})
}

func TestEveryNameIsProvenByDNSWhereThatIsWanted(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.Start(t, 0, 0) // nothing comes through
	w.acme.DNS, w.acme.Always = updates(ca), true
	w.boot(ca)

	w.m.Manage(blog)

	w.untilPublic(blog)
	if w.httpAsked.Load()+w.alpnAsked.Load() > 0 {
		t.Error("the CA came to this machine")
	}
}

func TestAWildcardWithoutDNSSaysWhatItNeedsAndIsSignedOnceLocally(t *testing.T) {
	const wild = "*.berth-test.com"
	w := newWorld(t, wild, "a.berth-test.com", "b.berth-test.com")
	ca := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(ca)

	w.m.Manage(wild)

	if s := w.m.Status(wild); s.Kind != certs.KindLocal || s.Err == nil || !strings.Contains(s.Err.Error(), "dns-provider") {
		t.Errorf("status = %+v, want local and why", s)
	}
	a, b := w.dial("a.berth-test.com"), w.dial("b.berth-test.com")
	if err := verify(a, "a.berth-test.com", localRoots(t, w.m)); err != nil {
		t.Error(err)
	}
	if !a.PeerCertificates[0].Equal(b.PeerCertificates[0]) {
		t.Error("each visited name was signed, want the wildcard once")
	}
	if ca.Orders() > 0 {
		t.Error("it was ordered")
	}
}

func TestBadNoncesAreSurvivedByDNSToo(t *testing.T) {
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "30")
	w := newWorld(t)
	ca := acmetest.Start(t, 0, 0)
	w.acme.DNS, w.acme.Domain = updates(ca), acmetest.Zone
	w.boot(ca)

	w.untilObtained("*."+acmetest.Zone, ca)
}

func TestCredentialsAreCheckedAndNotRepeated(t *testing.T) {
	for provider, credential := range map[string]string{
		"nobody": "s3cret", "cloudflare": "s3cret two", "gandi": "", "route53": "s3cret", "rfc2136": "server=x\nkey=k\ns3cret",
		"google": `{"project_id":"p","private_key":"s3cret"}`, "hetzner": "s3cret\nX: y",
	} {
		err := certs.DNS{Provider: provider, Credential: credential}.Check()
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want an error without the secret", provider, err)
		}
	}
	for provider, credential := range map[string]string{
		"cloudflare": "token\n", "digitalocean": "token", "gandi": "token", "hetzner": "token",
		"route53": "[default]\naws_access_key_id = A\naws_secret_access_key = b/c+d=", "rfc2136": "server=192.0.2.1\nkey=k.\nsecret=c2Vj",
	} {
		if err := (certs.DNS{Provider: provider, Credential: credential}).Check(); err != nil {
			t.Errorf("%s: %v", provider, err)
		}
	}
}
