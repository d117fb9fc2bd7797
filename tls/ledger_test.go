package certs_test

import (
	"fmt"
	"strings"
	"testing"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

func limited(w *world, limits certs.Limits) *certs.Preflight {
	return (&certs.Preflight{
		Addresses: addrs(self), Limits: func(string) certs.Limits { return limits },
		HTTPPort: port(w.http), HTTPSPort: port(w.https),
	}).Private("")
}

// A name that leads here, where something between us and the CA is wrong: that
// is only known by trying.
func TestFailedValidationsAreCountedOverARestart(t *testing.T) {
	z := newZone(t, blog+". 60 IN A "+self)
	w := newWorld(t, blog)
	ca := acmetest.Start(t, 0, 0) // it cannot reach us
	w.boot(ca)
	p := limited(w, certs.Limits{Failures: 5})
	p.Resolvers = []string{z.addr}
	w.m.ConfigurePreflight(p)
	w.m.Manage(blog)
	for range 2 { // each tries HTTP-01 and TLS-ALPN-01
		if e := w.event(); certs.Prevented(e.Err) || e.Kind != certs.Failed {
			t.Fatalf("told %+v, want the CA's refusal", e)
		}
		w.m.Retry(blog)
	}

	w.until("it is not asked again", func() bool { return certs.Prevented(w.m.Status(blog).Err) })
	said := w.m.Status(blog).Err.Error()
	orders := ca.Orders() // with those whose nonce was refused
	w.boot(ca)
	w.m.ConfigurePreflight(p)
	w.m.Manage(blog)
	w.until("it is still not asked", func() bool { return w.m.Status(blog).Err != nil })

	if !strings.HasPrefix(said, "4 validations of "+blog+" have failed within an hour, and 127.0.0.1") || !strings.Contains(said, ": the next can be ordered at 2") {
		t.Errorf("said %q", said)
	}
	if err := w.m.Status(blog).Err; !certs.Prevented(err) || ca.Orders() != orders || orders < 4 {
		t.Errorf("after the restart: %v, %d orders, want still %d", err, ca.Orders(), orders)
	}
}

func TestLimitsAreKeptOfWhatACAIssues(t *testing.T) {
	for name, test := range map[string]struct {
		limits certs.Limits
		hosts  []string
		want   string // of the last host
	}{
		"certificates of a domain": {certs.Limits{Certificates: 2}, []string{"a.berth-test.co.uk", "b.berth-test.co.uk", "c.berth-test.co.uk"},
			"2 certificates of names in berth-test.co.uk were issued within a week, and 127.0.0.1"},
		"of another domain": {certs.Limits{Certificates: 2}, []string{"a.one-test.co.uk", "b.two-test.co.uk", "c.three-test.co.uk"}, ""},
		"orders":            {certs.Limits{Orders: 1}, []string{"a.one-test.com", "b.two-test.com"}, "1 orders were made within three hours"},
	} {
		t.Run(name, func(t *testing.T) {
			var records []string
			for _, host := range test.hosts {
				records = append(records, host+". 60 IN A "+self)
			}
			z := newZone(t, records...)
			w := newWorld(t, test.hosts...)
			ca := acmetest.Start(t, port(w.http), port(w.https))
			w.boot(ca)
			p := limited(w, test.limits)
			p.Resolvers = []string{z.addr}
			w.m.ConfigurePreflight(p)
			last := len(test.hosts) - 1
			for _, host := range test.hosts[:last] {
				w.m.Manage(host)
				w.untilPublic(host)
			}
			orders := ca.Orders()

			w.m.Manage(test.hosts[last])

			if test.want == "" {
				w.untilPublic(test.hosts[last])
				return
			}
			w.until("it is said", func() bool { return w.m.Status(test.hosts[last]).Err != nil })
			if err := w.m.Status(test.hosts[last]).Err; !certs.Prevented(err) || !strings.HasPrefix(err.Error(), test.want) || ca.Orders() != orders {
				t.Errorf("said %v, %d orders after %d, want %q", err, ca.Orders(), orders, test.want)
			}
		})
	}
}

func TestTheLedgerForgetsWhatDoesNotCountAnyMore(t *testing.T) {
	storage := openStorage(t)
	l := certs.NewTestLedger(storage)
	for i := range 3 {
		l.Issued(t, "some-ca", fmt.Sprintf("x%d.example.org", i))
		l.Pass(60 * 60) // an hour
	}
	l.Failed(t, "some-ca", "x0.example.org")

	before := l.Count(t, "some-ca", "www.example.org")
	l.Pass(7*24*60*60 - 90*60)
	after := l.Count(t, "some-ca", "www.example.org")

	keys, err := storage.List(t.Context(), "berth/ledger/some-ca/certificates", true)
	l.Pass(8 * 24 * 60 * 60)
	if err := l.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if storage.Exists(t.Context(), "berth/ledger") {
		t.Error("there is something left a week later")
	}
	if err != nil || before != 3 || after != 1 || len(keys) != 2 { // the folder, and one
		t.Errorf("counted %d and %d, kept %q, %v", before, after, keys, err)
	}
}
