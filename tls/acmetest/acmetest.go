// Package acmetest runs Pebble, Let's Encrypt's own ACME test server, inside a
// test: the same protocol, the same checks of challenges, bad nonces and all.
// It is for tests only and must not be linked into berth.
package acmetest

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/berthhq/berth/appliance/await"
)

// A Server is an ACME CA to which every name leads to this machine.
type Server struct {
	Directory string         // its URL
	Roots     *x509.CertPool // to trust the directory by
	RootPEM   []byte         // the same for programs that want a file
	Issued    *x509.CertPool // the root of the certificates it issues

	orders, refused atomic.Int64
	refusal         atomic.Pointer[Refusal]
	newOrder        string // where orders are made

	http   *httptest.Server
	pebble http.Handler
	store  *db.MemoryStore
	dns    *resolver
	ocsp   *responder // nil for none
}

// Zone is the DNS zone that can be changed at the server's name server.
const Zone = "berth-test.com"

// Options say how a server is to be.
type Options struct {
	HTTPPort, TLSPort int           // of 127.0.0.1, where challenges are asked; 0 fails them
	Life              time.Duration // of certificates; Pebble's 90 days if 0
	Log               io.Writer

	// Profiles are offered beside the default one, with the life of their
	// certificates. Pebble gives any of them to those who do not choose.
	Profiles map[string]time.Duration
	// EAB are the accounts that people have at the CA: ids and their keys, in
	// base64url. If there are any, everybody must show one.
	EAB map[string]string
	// OCSP has certificates name a responder, which runs too.
	OCSP bool
}

// Start runs a server for the time of the test that asks challenges at the
// given ports of 127.0.0.1; 0 fails all of that kind. Its log is shown if the
// test fails. PEBBLE_WFE_NONCEREJECT in the environment is heeded. Tests that
// use it cannot be parallel.
func Start(t testing.TB, httpPort, tlsPort int) *Server {
	t.Helper()
	return StartWith(t, Options{HTTPPort: httpPort, TLSPort: tlsPort})
}

// StartWith is Start with more to choose from.
func StartWith(t testing.TB, options Options) *Server {
	t.Helper()
	// The server reads its settings from the environment of the process.
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_AUTHZREUSE", "0") // challenge every order
	if os.Getenv("PEBBLE_WFE_NONCEREJECT") == "" {
		t.Setenv("PEBBLE_WFE_NONCEREJECT", "0") // but in tests of that
	}
	if options.Log == nil {
		shown := new(buffer)
		options.Log = shown
		t.Cleanup(func() {
			if t.Failed() {
				t.Log("the ACME server's log:\n" + shown.String())
			}
		})
	}
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// New runs a server until Close.
func New(options Options) (*Server, error) {
	dns, err := startResolver(Zone)
	if err != nil {
		return nil, err
	}
	logger := log.New(options.Log, "", log.Ltime|log.Lmicroseconds)
	store := db.NewMemoryStore()
	for id, key := range options.EAB {
		if err := store.AddExternalAccountKeyByID(id, key); err != nil {
			return nil, err
		}
	}
	s := &Server{dns: dns, store: store, Roots: x509.NewCertPool(), Issued: x509.NewCertPool()}
	profiles := map[string]ca.Profile{
		"default": {Description: "the only one", ValidityPeriod: uint64(options.Life.Seconds())},
	}
	for name, life := range options.Profiles {
		profiles[name] = ca.Profile{Description: name, ValidityPeriod: uint64(life.Seconds())}
	}
	responderURL, keys := "", "ecdsa"
	if options.OCSP {
		keys = "rsa" // the only kind of key that Pebble lends to a responder
		s.ocsp = startResponder()
		responderURL = s.ocsp.server.URL
	}
	authority := ca.New(logger, store, responderURL, keys, 0, 1, profiles)
	if s.ocsp != nil {
		s.ocsp.certify(authority)
	}
	validator := va.New(logger, options.HTTPPort, options.TLSPort, false, dns.address, store)
	pebble := wfe.New(logger, store, validator, authority, []string{"pebble.letsencrypt.org"}, false, len(options.EAB) > 0, 0, 0)
	s.pebble = pebble.Handler()
	if s.newOrder, err = newOrderPath(s.pebble); err != nil {
		dns.close()
		return nil, err
	}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.front))
	s.http.Config.ErrorLog = logger
	s.http.StartTLS()
	s.Directory = s.http.URL + wfe.DirectoryPath
	s.Roots.AddCert(s.http.Certificate())
	s.RootPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	s.Issued.AddCert(authority.GetRootCert(0).Cert)
	return s, nil
}

// Orders counts the requests for an order so far, those that were refused for
// a bad nonce too.
func (s *Server) Orders() int { return int(s.orders.Load()) }

// Close ends the server.
func (s *Server) Close() {
	s.http.Close()
	s.dns.close()
	if s.ocsp != nil {
		s.ocsp.server.Close()
	}
}

// newOrderPath asks the directory where orders are made.
func newOrderPath(handler http.Handler) (string, error) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, wfe.DirectoryPath, nil)
	r.Header.Set("User-Agent", "acmetest") // or it is refused
	handler.ServeHTTP(w, r)
	var directory struct{ NewOrder string }
	if err := json.Unmarshal(w.Body.Bytes(), &directory); err != nil {
		return "", fmt.Errorf("read the directory: %w", err)
	}
	u, err := url.Parse(directory.NewOrder)
	if err != nil || u.Path == "" {
		return "", fmt.Errorf("the directory has no newOrder: %s", w.Body)
	}
	return u.Path, nil
}

// A buffer is a log that goroutines of the server may still write to when the
// test is over.
type buffer = await.Buffer
