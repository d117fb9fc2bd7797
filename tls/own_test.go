package certs_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

// bring makes a certificate of names and returns it with what certs:add gets.
// The test's CA is in the bundle, as it is in no list of the system.
func bring(t *testing.T, ca *certs.TestCA, key crypto.Signer, names []string, change ...func(*x509.Certificate)) (leaf *x509.Certificate, bundle []byte) {
	t.Helper()
	leaf = ca.Issue(key.Public(), names, change...)
	return leaf, certs.PEMOf(t, leaf, ca.Middle, ca.Root, key)
}

func TestACertificateThatWasBroughtIsServedAtOnceWhereItCovers(t *testing.T) {
	const www, other = "www.berth-test.com", "shop.berth-test.com"
	w := newWorld(t, blog, www, other)
	acme := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(acme)
	w.m.ManageFor("blog", blog, www)
	w.m.ManageFor("shop", other)
	w.untilPublic(blog)
	w.untilPublic(www)
	w.untilPublic(other)
	orders := acme.Orders()
	ca := certs.NewTestCA(t)
	leaf, bundle := bring(t, ca, certs.NewTestKey(t), []string{blog, other})

	own, notes, err := w.m.AddOwn(t.Context(), "blog", bundle)

	if err != nil || !own.Covers(blog) || own.Covers(www) || len(notes) != 1 {
		t.Fatalf("added %v, %v, %v", own.Leaf, notes, err)
	}
	state := w.dial(blog)
	if !state.PeerCertificates[0].Equal(leaf) {
		t.Errorf("blog is served with %v, want what was brought", state.PeerCertificates[0].DNSNames)
	}
	if err := verify(state, blog, ca.Roots()); err != nil {
		t.Error(err)
	}
	if s := w.m.Status(blog); s.Kind != certs.KindOwn || s.Issuer != "Test Intermediate" || !s.NotAfter.Equal(leaf.NotAfter) {
		t.Errorf("status = %+v", s)
	}
	if err := verify(w.dial(www), www, acme.Issued); err != nil {
		t.Errorf("a host it does not cover: %v", err)
	}
	// An app must not be able to speak for the host of another.
	if err := verify(w.dial(other), other, acme.Issued); err != nil {
		t.Errorf("a host of another owner: %v", err)
	}
	w.boot(acme)
	w.m.ManageFor("blog", blog, www)
	w.m.ManageFor("shop", other)
	if !w.dial(blog).PeerCertificates[0].Equal(leaf) {
		t.Error("it is not served any more after a restart")
	}

	there, err := w.m.RemoveOwn(t.Context(), "blog")

	if !there || err != nil {
		t.Errorf("removed %v, %v", there, err)
	}
	w.untilPublic(blog)
	if err := verify(w.dial(blog), blog, acme.Issued); err != nil {
		t.Errorf("after it was removed: %v", err)
	}
	if acme.Orders() != orders {
		t.Errorf("orders = %d, want still %d: the public certificate was there", acme.Orders(), orders)
	}
	if there, err := w.m.RemoveOwn(t.Context(), "blog"); there || err != nil {
		t.Errorf("removed again: %v, %v", there, err)
	}
}

func TestNothingIsOrderedForAHostWithABroughtCertificate(t *testing.T) {
	const shop = "shop.berth-test.com"
	w := newWorld(t, blog, shop)
	acme := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(acme)
	_, bundle := bring(t, certs.NewTestCA(t), certs.NewTestKey(t), []string{"*.berth-test.com"})
	if _, _, err := w.m.AddOwn(t.Context(), "", bundle); err != nil {
		t.Fatal(err)
	}

	w.m.ManageFor("blog", blog)

	if s := w.m.Status(blog); s.Kind != certs.KindOwn || acme.Orders() != 0 {
		t.Errorf("status = %+v, %d orders", s, acme.Orders())
	}
	// A host that leaves its cover is ordered for at once.
	if _, err := w.m.RemoveOwn(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	w.untilPublic(blog)
}

func TestAnOwnersCertificateGoesBeforeEverybodys(t *testing.T) {
	w := newWorld(t, blog)
	w.boot(acmetest.Start(t, 0, 0))
	ca := certs.NewTestCA(t)
	_, all := bring(t, ca, certs.NewTestKey(t), []string{"*.berth-test.com"})
	mine, bundle := bring(t, ca, certs.NewTestKey(t), []string{blog})
	w.m.ManageFor("blog", blog)

	_, _, err := w.m.AddOwn(t.Context(), "", all)
	_, _, err2 := w.m.AddOwn(t.Context(), "blog", bundle)

	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if !w.dial(blog).PeerCertificates[0].Equal(mine) {
		t.Error("served with everybody's, want the owner's")
	}
	if own, ok := w.m.Own("blog"); !ok || !own.Leaf.Equal(mine) || bytes.Contains(own.Chain, []byte("PRIVATE")) || bytes.Count(own.Chain, []byte("BEGIN CERT")) != 2 {
		t.Errorf("own = %s, %v, want the chain without the key", own.Chain, ok)
	}
}

func TestWhatIsRefusedChangesNothing(t *testing.T) {
	w := newWorld(t, blog)
	w.boot(acmetest.Start(t, 0, 0))
	ca, key := certs.NewTestCA(t), certs.NewTestKey(t)
	leaf, bundle := bring(t, ca, key, []string{blog})
	w.m.ManageFor("blog", blog)
	if _, _, err := w.m.AddOwn(t.Context(), "blog", bundle); err != nil {
		t.Fatal(err)
	}

	_, _, err := w.m.AddOwn(t.Context(), "blog", certs.PEMOf(t, ca.Issue(key.Public(), []string{blog}), ca.Middle, ca.Root, certs.NewTestKey(t)))

	if _, ok := errors.AsType[certs.Finding](err); !ok {
		t.Errorf("refused with %v, want a finding", err)
	}
	if !w.dial(blog).PeerCertificates[0].Equal(leaf) {
		t.Error("served with another certificate than before")
	}
}

func TestAHostThatMovesTakesNoCertificateOfItsOldOwnerWithIt(t *testing.T) {
	w := newWorld(t, blog)
	w.boot(acmetest.Start(t, 0, 0))
	mine, bundle := bring(t, certs.NewTestCA(t), certs.NewTestKey(t), []string{blog})
	if _, _, err := w.m.AddOwn(t.Context(), "blog", bundle); err != nil {
		t.Fatal(err)
	}
	w.m.ManageFor("blog", blog)
	w.m.ManageFor("api", blog+"/api")
	if !w.dial(blog).PeerCertificates[0].Equal(mine) {
		t.Error("an app at a path of the host took its certificate away")
	}

	w.m.ManageFor("blog")

	if w.dial(blog).PeerCertificates[0].Equal(mine) {
		t.Error("served with what its old owner has brought")
	}
	if s := w.m.Status(blog); s.Kind != certs.KindPending {
		t.Errorf("status = %+v, want one ordered", s)
	}
}

// Somebody who may work on the app at example.org/api, and on nothing else,
// brings a certificate that browsers refuse, and nobody comes to example.org
// any more.
func TestWhoHasAPathOfAHostDoesNotSayWhatAllOfItIsServedWith(t *testing.T) {
	w := newWorld(t, blog)
	w.boot(acmetest.Start(t, 0, 0))
	theirs, bundle := bring(t, certs.NewTestCA(t), certs.NewTestKey(t), []string{blog})
	served := func() bool { return w.dial(blog).PeerCertificates[0].Equal(theirs) }

	w.m.ManageFor("api", blog+"/api")
	w.m.ManageFor("blog", blog)
	if _, _, err := w.m.AddOwn(t.Context(), "api", bundle); err != nil {
		t.Fatal(err)
	}
	if served() {
		t.Error("an app at a path of the host has its certificate shown for another's")
	}
	if s := w.m.Status(blog); s.Kind != certs.KindPending {
		t.Errorf("status = %+v, want one ordered", s)
	}

	w.m.ManageFor("blog")
	if !served() {
		t.Error("a host of which nobody has more than a path is not served with what that one has brought")
	}
	w.m.ManageFor("blog", blog, blog+"/more")
	if served() {
		t.Error("an app that came later has all of the host, and another's certificate is shown")
	}
	w.m.ManageFor("api", blog+"/api", blog)
	if !served() {
		t.Error("with all of the host, its certificate is not shown")
	}
}

// A wildcard's owner has the hosts below it, but for those that are another's.
func TestAWildcardsOwnerHasWhatIsBelowItButForWhatIsAnothers(t *testing.T) {
	const parent, below, part, other = "*.berth-test.com", "any.berth-test.com", "part.berth-test.com", "other.berth-test.com"
	w := newWorld(t, below, part, other)
	w.boot(acmetest.Start(t, 0, 0))
	theirs, bundle := bring(t, certs.NewTestCA(t), certs.NewTestKey(t), []string{parent})
	if _, _, err := w.m.AddOwn(t.Context(), "wide", bundle); err != nil {
		t.Fatal(err)
	}

	w.m.ManageFor("wide", parent)
	w.m.ManageFor("other", other, part+"/api")

	for host, want := range map[string]bool{below: true, part: true, other: false} {
		if got := w.dial(host).PeerCertificates[0].Equal(theirs); got != want {
			t.Errorf("%s: served with what the wildcard's owner has brought: %v, want %v", host, got, want)
		}
	}
}

// A key and its certificate are one value in storage, so a kill at any moment
// leaves a pair that fits: the old one or the new one.
func TestAKillBetweenTwoWritesLeavesOnePairOrTheOther(t *testing.T) {
	w := newWorld(t, blog)
	acme := acmetest.Start(t, 0, 0)
	w.boot(acme)
	ca := certs.NewTestCA(t)
	storage := w.store.Certificates()
	var bundles [][]byte
	for range 4 {
		_, bundle := bring(t, ca, certs.NewTestKey(t), []string{blog})
		bundles = append(bundles, bundle)
	}
	var wg sync.WaitGroup
	ctx, stop := t.Context(), make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, _, err := w.m.AddOwn(ctx, "blog", bundles[i%len(bundles)]); err != nil {
				t.Error(err)
				return
			}
		}
	})

	// What a killed process leaves is what another reader sees.
	seen := map[string]bool{}
	w.until("several pairs were seen", func() bool {
		keys, err := storage.List(ctx, "berth/own", true)
		if err != nil {
			return false // before the first
		}
		for _, key := range keys {
			text, err := storage.Load(ctx, key)
			if errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(key, ".pem") {
				continue
			}
			if err := certs.CheckKept(text); err != nil {
				t.Errorf("%s: %v", key, err)
			}
			seen[string(text)] = true
		}
		return len(seen) >= 3
	})
	close(stop)
	wg.Wait()
}

func TestADamagedCertificateThatWasBroughtDoesNotKeepTheMachineFromStarting(t *testing.T) {
	w := newWorld(t, blog)
	acme := acmetest.Start(t, 0, 0)
	w.boot(acme)
	if err := w.store.Certificates().Store(t.Context(), "berth/own/of/blog.pem", []byte("damaged")); err != nil {
		t.Fatal(err)
	}

	w.boot(acme)
	w.m.ManageFor("blog", blog)

	if err := verify(w.dial(blog), blog, localRoots(t, w.m)); err != nil {
		t.Error(err)
	}
}

func TestARequestIsAnsweredWithACertificateAlone(t *testing.T) {
	w := newWorld(t, blog)
	acme := acmetest.Start(t, 0, 0)
	w.boot(acme)
	w.m.ManageFor("blog", blog)
	ca := certs.NewTestCA(t)

	request, err := w.m.Request(t.Context(), "blog", blog, "www."+blog)

	block, rest := pem.Decode(request)
	if err != nil || block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) > 0 {
		t.Fatalf("request = %s, %v", request, err)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || csr.CheckSignature() != nil || len(csr.DNSNames) != 2 {
		t.Fatalf("request = %+v, %v", csr, err)
	}
	if s := w.m.Status(blog); s.Kind == certs.KindOwn {
		t.Errorf("status = %+v before the CA has answered", s)
	}
	w.boot(acme) // the key outlives us
	w.m.ManageFor("blog", blog)
	leaf := ca.Issue(csr.PublicKey, csr.DNSNames)
	answer := certs.PEMOf(t, leaf, ca.Middle, ca.Root)
	if _, _, err := w.m.AddOwn(t.Context(), "shop", answer); err == nil {
		t.Error("the key of blog was used for shop")
	}
	if _, _, err := w.m.AddOwn(t.Context(), "blog", answer); err != nil {
		t.Fatal(err)
	}
	if !w.dial(blog).PeerCertificates[0].Equal(leaf) {
		t.Error("not served with the CA's answer")
	}

	// A year later the CA sends the next one for the same key.
	next := ca.Issue(csr.PublicKey, csr.DNSNames)
	if _, _, err := w.m.AddOwn(t.Context(), "blog", certs.PEMOf(t, next, ca.Middle, ca.Root)); err != nil {
		t.Fatal(err)
	}
	if !w.dial(blog).PeerCertificates[0].Equal(next) {
		t.Error("not served with the next one")
	}
}

func TestTheOwnerIsToldBeforeACertificateExpires(t *testing.T) {
	w := newWorld(t, blog)
	acme := acmetest.Start(t, 0, 0)
	w.boot(acme)
	_, bundle := bring(t, certs.NewTestCA(t), certs.NewTestKey(t), []string{blog}, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(5 * 24 * time.Hour) })
	_, notes, err := w.m.AddOwn(t.Context(), "blog", bundle)
	if err != nil || len(notes) != 2 || !strings.Contains(notes[1].Error(), "in 4 days: get a new one from Test Intermediate") {
		t.Errorf("told %v, %v", notes, err)
	}

	w.boot(acme)

	e := w.event()
	if e.Kind != certs.Expiring || e.Host != blog || !strings.Contains(e.Err.Error(), "expires on") {
		t.Errorf("told %+v", e)
	}
}

func TestAnExpiredCertificateThatWasBroughtGivesWayToAPublicOne(t *testing.T) {
	w := newWorld(t, blog)
	acme := acmetest.Start(t, port(w.http), port(w.https))
	w.boot(acme)
	_, bundle := bring(t, certs.NewTestCA(t), certs.NewTestKey(t), []string{blog}, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(2 * time.Second) })
	if _, _, err := w.m.AddOwn(t.Context(), "blog", bundle); err != nil {
		t.Fatal(err)
	}
	w.m.ManageFor("blog", blog)
	if s := w.m.Status(blog); s.Kind != certs.KindOwn {
		t.Fatalf("status = %+v", s)
	}
	w.until("it has expired", func() bool { return w.m.Status(blog).Kind != certs.KindOwn })

	w.m.WarnOwn(time.Now())

	w.untilPublic(blog)
}
