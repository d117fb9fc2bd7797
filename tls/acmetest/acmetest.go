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

	orders atomic.Int64
	http   *httptest.Server
	dns    *resolver
}

// Options say how a server is to be.
type Options struct {
	HTTPPort, TLSPort int           // of 127.0.0.1, where challenges are asked; 0 fails them
	Life              time.Duration // of certificates; Pebble's 90 days if 0
	Log               io.Writer
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
	dns, err := startResolver()
	if err != nil {
		return nil, err
	}
	logger := log.New(options.Log, "", log.Ltime|log.Lmicroseconds)
	store := db.NewMemoryStore()
	authority := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{
		"default": {Description: "the only one", ValidityPeriod: uint64(options.Life.Seconds())},
	})
	validator := va.New(logger, options.HTTPPort, options.TLSPort, false, dns.addr(), store)
	front := wfe.New(logger, store, validator, authority, []string{"pebble.letsencrypt.org"}, false, false, 1, 1)

	s := &Server{dns: dns, Roots: x509.NewCertPool(), Issued: x509.NewCertPool()}
	handler := front.Handler()
	var newOrder string
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == newOrder {
			s.orders.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	s.http.Config.ErrorLog = logger
	newOrder, err = newOrderPath(handler)
	if err != nil {
		dns.close()
		return nil, err
	}
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
