package certs_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

var (
	macKey = base64.RawURLEncoding.EncodeToString([]byte("a key that the CA has shown to its customer"))
	limit  = &acmetest.Refusal{Status: http.StatusTooManyRequests, Type: "rateLimited", Detail: "too many certificates already issued", RetryAfter: time.Hour}
)

func TestAnAccountIsBoundToTheOneThatThePersonHas(t *testing.T) {
	w := newWorld(t, blog)
	w.acme.EAB = certs.EAB{KeyID: "customer-7", MACKey: macKey}
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), EAB: map[string]string{"customer-7": macKey}})
	w.boot(ca)

	w.m.Manage(blog)

	w.untilPublic(blog)
}

func TestWithoutABindingTheCAsReasonIsTold(t *testing.T) {
	w := newWorld(t, blog)
	ca := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), EAB: map[string]string{"customer-7": macKey}})
	w.boot(ca)

	w.m.Manage(blog)

	if e := w.event(); e.Kind != certs.Failed || !strings.Contains(e.Err.Error(), "xternalAccount") {
		t.Errorf("told %+v, want that a binding is missing", e)
	}
}

func TestTheSecondCAIsAskedWhenTheFirstHasALimitOrIsDown(t *testing.T) {
	for name, fail := range map[string]func(first *acmetest.Server){
		"limit": func(first *acmetest.Server) { first.Refuse(limit) },
		"down":  func(first *acmetest.Server) { first.Close() },
		"error": func(first *acmetest.Server) {
			first.Refuse(&acmetest.Refusal{Status: 500, Type: "serverInternal", Detail: "we are sorry"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, blog)
			first := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https)})
			next := acmetest.StartWith(t, acmetest.Options{HTTPPort: port(w.http), TLSPort: port(w.https), EAB: map[string]string{"customer-7": macKey}})
			w.acme.Fallback = certs.CA{Directory: next.Directory, EAB: certs.EAB{KeyID: "customer-7", MACKey: macKey}}
			fail(first)
			w.boot(first)

			w.m.Manage(blog)

			w.untilPublic(blog)
			if err := verify(w.dial(blog), blog, next.Issued); err != nil {
				t.Error(err)
			}
		})
	}
}

// A second CA would find the same, and count another failed validation.
func TestTheSecondCAIsNotAskedForANameThatLeadsElsewhere(t *testing.T) {
	w := newWorld(t, blog)
	first := acmetest.Start(t, 0, 0)
	next := acmetest.Start(t, port(w.http), port(w.https))
	w.acme.Fallback = certs.CA{Directory: next.Directory}
	w.boot(first)

	w.m.Manage(blog)

	if e := w.event(); e.Kind != certs.Failed || !strings.HasPrefix(e.Err.Error(), "the CA says: ") {
		t.Errorf("told %+v, want what the first CA said", e)
	}
	if next.Orders() > 0 {
		t.Errorf("the second CA got %d orders", next.Orders())
	}
}

func TestWhenBothCAsFailBothReasonsAreTold(t *testing.T) {
	w := newWorld(t, blog)
	first, next := acmetest.Start(t, port(w.http), port(w.https)), acmetest.Start(t, port(w.http), port(w.https))
	first.Refuse(limit)
	next.Refuse(&acmetest.Refusal{Status: 403, Type: "rejectedIdentifier", Detail: "not for you"})
	w.acme.Fallback = certs.CA{Directory: next.Directory}
	w.boot(first)

	w.m.Manage(blog)

	e := w.event()
	if e.Kind != certs.Failed || !strings.Contains(e.Err.Error(), "too many certificates") || !strings.Contains(e.Err.Error(), "not for you") {
		t.Errorf("told %+v, want both reasons", e)
	}
}

func TestARateLimitIsSaidAndKept(t *testing.T) {
	dns := func(w *world, ca *acmetest.Server) { w.acme.DNS, w.acme.Domain = updates(ca), acmetest.Zone }
	for name, test := range map[string]struct {
		host      string
		options   acmetest.Options
		http, tls bool
		settings  func(*world, *acmetest.Server)
	}{
		"HTTP-01":     {host: blog, http: true},
		"TLS-ALPN-01": {host: blog, tls: true},
		"DNS-01":      {host: "*." + acmetest.Zone, settings: dns},
		"short-lived": {host: blog, http: true, options: acmetest.Options{Profiles: shortlived}, settings: func(w *world, _ *acmetest.Server) { w.acme.Profile = "shortlived" }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, blog)
			if test.http {
				test.options.HTTPPort = port(w.http)
			}
			if test.tls {
				test.options.TLSPort = port(w.https)
			}
			ca := acmetest.StartWith(t, test.options)
			if test.settings != nil {
				test.settings(w, ca)
			}
			ca.Refuse(limit)
			w.boot(ca)
			w.m.Manage(blog)

			e := w.event()

			if e.Host != test.host || e.Kind != certs.Failed || e.Err.Error() != "the CA says: too many certificates already issued (rateLimited)" {
				t.Errorf("told %+v, want the CA's limit", e)
			}
			asked := ca.Refused()
			if err := w.m.Allow(t.Context(), test.host); err == nil || err.Error() != e.Err.Error() {
				t.Errorf("the next attempt may be made (%v), want to wait for as long as the CA said", err)
			}
			ca.Refuse(nil)
			w.m.Configure(w.settings(ca)) // a person may know better
			w.untilPublic(test.host)
			if ca.Refused() != asked {
				t.Errorf("the CA was asked %d times within its limit, want %d", ca.Refused(), asked)
			}
		})
	}
}
