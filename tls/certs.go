// Package certs gets, keeps and renews the certificates of the hosts that the
// router serves: from a public CA by ACME where it can, from Berth's own local
// CA where it must. It lives in the folder tls/ but is not called tls, so that
// tls always means crypto/tls.
package certs

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// A Config says how certificates are got and where they are kept.
type Config struct {
	Storage certmagic.Storage // where everything is kept
	ACME    ACME

	// HTTPPort and HTTPSPort are the ports of this machine at which the CA's
	// challenges arrive; 80 and 443 if 0.
	HTTPPort, HTTPSPort int

	// Roots are trusted for the ACME directory; the system's if nil.
	Roots *x509.CertPool

	// Address is the machine's own, under which everybody reaches it: it has a
	// certificate too, so that https://<address>/ works. None if it is zero.
	Address netip.Addr

	// Resolvers are the name servers ("192.0.2.1:53") that are asked where a
	// DNS zone begins and whether a change of it has arrived; the system's if
	// there are none.
	Resolvers []string

	// Serves tells whether host is an app's. Nothing is ever ordered or signed
	// for another, so it must hold by the time a host is managed. It is asked
	// in handshakes: it must be fast. A host that was not served yet when its
	// order began is tried again in a minute. A wildcard is asked for as it was
	// given to Manage, with its asterisk.
	Serves func(host string) bool

	// Notify hears of every certificate obtained, renewed or failed. It may be
	// nil. It must not call the manager's Close.
	Notify func(ctx context.Context, e Event)

	// Preflight is what is checked before an order; nothing but the CA's limits
	// if nil.
	Preflight *Preflight

	Log *slog.Logger // nil for none

	renewEvery time.Duration // between two looks for what is to be renewed; certmagic's ten minutes if 0
}

// An Event is something that happened to the certificate of a host.
type Event struct {
	Host string
	Kind string // "obtained", "renewed" or "failed"
	Err  error  // why, if it failed
}

// The kinds of event.
const (
	Obtained = "obtained"
	Renewed  = "renewed"
	Failed   = "failed"
	Expiring = "expiring" // one that people brought, and that they must renew
)

// A Manager has the certificates.
type Manager struct {
	cfg   Config
	local *localCA
	own   own // what people have brought
	checks
	cache *certmagic.Cache // the public certificates in memory

	// issuers order by the ACME settings of the moment. They are not behind mu
	// because certmagic asks for them while it holds a lock of its own.
	issuers atomic.Pointer[issuers]

	shown   shown   // what handshakes are answered with
	tickets tickets // of the sessions that visitors take up again

	// before, if there is one, says what speaks against an attempt to order or
	// renew the certificate of a host: it is not made then.
	before func(ctx context.Context, host string) error

	ctx     context.Context // of all that runs
	cancel  context.CancelFunc
	running sync.WaitGroup
	close   sync.Once

	mu    sync.Mutex       // guards hosts, and that none starts after Close
	hosts map[string]*host // those managed
}

// New returns a manager whose local CA is loaded, or made if there is none
// yet. Close it.
func New(ctx context.Context, cfg Config) (*Manager, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Notify == nil {
		cfg.Notify = func(context.Context, Event) {}
	}
	local, err := loadLocalCA(ctx, cfg.Storage)
	if err != nil {
		return nil, fmt.Errorf("local CA: %w", err)
	}
	m := &Manager{cfg: cfg, local: local, hosts: map[string]*host{}}
	if err := m.loadOwn(ctx); err != nil {
		return nil, fmt.Errorf("certificates that were brought: %w", err)
	}
	if m.tickets.keys, err = loadTicketKeys(ctx, cfg.Storage, time.Now()); err != nil {
		return nil, fmt.Errorf("session tickets: %w", err)
	}
	m.tickets.config = m.tlsConfig()
	m.tickets.use()
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(cert certmagic.Certificate) (*certmagic.Config, error) {
			return m.issuers.Load().of(cert.Names[0]), nil
		},
		RenewCheckInterval: cfg.renewEvery,
		Logger:             zap.NewNop(),
	})
	m.beginChecks()
	m.Configure(cfg.ACME)
	m.running.Go(m.tidy)
	m.running.Go(m.rotateTickets)
	m.running.Go(m.watch)
	return m, nil
}

// RootPEM returns the local CA's root certificate, for those who want to trust
// it. It does not have the key.
func (m *Manager) RootPEM() []byte { return m.local.rootPEM() }

// Close stops orders and renewals, and waits for them to end. Certificates that
// are in memory can still be served.
func (m *Manager) Close() { m.close.Do(m.stop) }

func (m *Manager) stop() {
	m.mu.Lock()
	m.cancel()
	m.mu.Unlock()
	m.running.Wait()

	// A renewal's check of many certificates does not listen while it waits
	// for a CA that does not answer. It ends by itself; ending the process
	// must not wait for it.
	stopped := make(chan struct{})
	go func() {
		m.cache.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		m.cfg.Log.Warn("certificates: a renewal check is still waiting for the CA")
	}
}
