package certs_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/db"
	"github.com/berthhq/berth/db/dbtest"
	certs "github.com/berthhq/berth/tls"
	"github.com/berthhq/berth/tls/acmetest"
)

// A world is a machine with a manager of certificates behind its two ports.
type world struct {
	t        *testing.T
	path     string        // of the store
	acme     certs.ACME    // beside what settings adds
	address  netip.Addr    // the machine's
	every    time.Duration // between two looks for what is to be renewed; 0 for that of people
	store    *db.Store
	m        *certs.Manager
	serving  atomic.Pointer[certs.Manager] // m, for the servers' goroutines
	http     net.Listener
	https    net.Listener
	notified chan certs.Event

	httpAsked, alpnAsked atomic.Int64 // how often the CA came by which door

	mu   sync.Mutex // guards apps
	apps []string   // the hosts that Serves knows
}

func newWorld(t *testing.T, apps ...string) *world {
	t.Helper()
	w := &world{t: t, apps: apps, path: filepath.Join(t.TempDir(), "berth.db"), notified: make(chan certs.Event, 1000)}
	w.http, w.https = listen(t), listen(t)
	return w
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func (w *world) serves(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.apps, host)
}

// boot starts the manager and serves with it. It is called again for a restart.
func (w *world) boot(ca *acmetest.Server) {
	w.t.Helper()
	restart := w.m != nil
	if restart {
		w.m.Close()
		w.store.Close()
	}
	w.store = dbtest.Open(w.t, w.path)
	var resolvers []string
	if ca.DNS() != "" {
		resolvers = []string{ca.DNS()}
	}
	var err error
	config := certs.Config{
		Storage: w.store.Certificates(),
		ACME:    w.settings(ca),
		Address: w.address, Resolvers: resolvers,
		HTTPPort: port(w.http), HTTPSPort: port(w.https),
		Roots:  ca.Roots,
		Serves: w.serves,
		Notify: func(_ context.Context, e certs.Event) { w.notified <- e },
	}
	config.RenewEvery(w.every)
	w.m, err = certs.New(w.t.Context(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.serving.Store(w.m)
	if restart {
		return
	}
	w.t.Cleanup(func() {
		w.m.Close()
		w.store.Close()
	})
	w.listenAndServe()
}

// settings are those of a machine that orders from ca.
func (w *world) settings(ca *acmetest.Server) certs.ACME {
	acme := w.acme
	acme.Directory, acme.Email = ca.Directory, "ops@berth-test.com"
	return acme
}

func (w *world) listenAndServe() {
	quiet := log.New(io.Discard, "", 0)
	plain := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		answered := true
		w.serving.Load().Challenge(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			answered = false
			http.Error(rw, "no app", http.StatusNotFound)
		})).ServeHTTP(rw, r)
		if answered {
			w.httpAsked.Add(1)
		}
	})}
	secure := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		io.WriteString(rw, r.Proto)
	}), TLSConfig: &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, "acme-tls/1") {
			w.alpnAsked.Add(1)
		}
		return w.serving.Load().TLSConfig(), nil
	}, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("unused") }}}

	var wg sync.WaitGroup
	wg.Go(func() { plain.Serve(w.http) })
	wg.Go(func() { secure.ServeTLS(w.https, "", "") })
	w.t.Cleanup(func() {
		plain.Close()
		secure.Close()
		wg.Wait()
	})
}

// dial shakes hands as a visitor of host would, without checking anything.
func (w *world) dial(host string, protocols ...string) tls.ConnectionState {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.https.Addr().String(), &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: protocols})
	if err != nil {
		w.t.Fatalf("shake hands with %q: %v", host, err)
	}
	defer conn.Close()
	return conn.ConnectionState()
}

// until waits for a condition.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	await.That(w.t, what, holds)
}

func (w *world) untilPublic(host string) {
	w.t.Helper()
	w.until(host+" has a public certificate", func() bool { return w.m.Status(host).Kind == certs.KindPublic })
}

// untilObtained waits for a certificate from a CA that makes it difficult. The
// client asks again a few times; where that was not enough, a person who sets
// the directory again need not wait for certmagic's minute.
func (w *world) untilObtained(host string, ca *acmetest.Server) {
	w.t.Helper()
	for range 20 {
		if e := w.event(); e.Host == host && e.Kind == certs.Obtained {
			break
		}
		w.m.Configure(w.settings(ca))
	}
	w.untilPublic(host)
}

// event waits for the next thing told.
func (w *world) event() certs.Event {
	w.t.Helper()
	select {
	case e := <-w.notified:
		return e
	case <-time.After(time.Minute):
		w.t.Fatal("nothing was told")
		return certs.Event{}
	}
}
