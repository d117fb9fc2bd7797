package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// A host is one that is managed. Its fields are guarded by the manager's mu.
type host struct {
	issuer string             // whom its certificate was last ordered from
	stop   context.CancelFunc // ends its order; nil if it needs none
	err    error              // why the last attempt failed
}

// errNotServed ends an attempt for a host that is no app's.
var errNotServed = errors.New("no app has this host")

// configure returns what orders by the given settings.
func (m *Manager) configure(acme ACME) *certmagic.Config {
	magic := certmagic.New(m.cache, certmagic.Config{
		Storage: m.cfg.Storage,
		OnEvent: m.onEvent,
		Logger:  zap.NewNop(),
	})
	magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(magic, certmagic.ACMEIssuer{
		CA:             acme.Directory,
		Email:          acme.Email,
		Agreed:         true,
		AltHTTPPort:    m.cfg.HTTPPort,
		AltTLSALPNPort: m.cfg.HTTPSPort,
		TrustedRoots:   m.cfg.Roots,
		Logger:         zap.NewNop(),
		// Challenges are answered from memory: one process has the ports, and
		// an order does not outlive it.
		DisableDistributedSolvers: true,
	})}
	return magic
}

// Configure changes the settings of all orders from now on, and does not let
// those wait that wait for another attempt. Hosts that have no certificate from
// that directory yet get one; until it is there they keep what they have.
func (m *Manager) Configure(acme ACME) {
	magic := m.configure(acme)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.magic.Store(magic)
	for name, h := range m.hosts {
		if h.stop != nil {
			h.stop()
			m.start(name)
		}
	}
}

// Manage gets a certificate for each host, in the background and from now on,
// without waiting for a visitor. A host that cannot be public has one of the
// local CA's at once. To manage a host twice is to manage it once.
func (m *Manager) Manage(hosts ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range hosts {
		name = normal(name)
		if m.hosts[name] == nil && name != "" {
			m.start(name)
		}
	}
}

// Forget ends the orders and renewals of hosts and drops their certificates
// from memory. The public ones stay in storage until they expire: an app that
// comes back must not cost an order, of which there are few a week.
func (m *Manager) Forget(hosts ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range hosts {
		name = normal(name)
		if h := m.hosts[name]; h != nil && h.stop != nil {
			h.stop()
		}
		delete(m.hosts, name)
		m.drop(name, "")
		m.local.forget(name)
	}
}

// start begins to manage name anew. The caller has mu.
func (m *Manager) start(name string) {
	h := new(host)
	m.hosts[name] = h
	if m.ctx.Err() != nil || !Public(name) {
		return
	}
	magic := m.magic.Load()
	h.issuer = issuerOf(magic)
	ctx, stop := context.WithCancel(m.ctx)
	h.stop = stop
	m.running.Go(func() { m.order(ctx, magic, name) })
}

// order brings a certificate for name into memory, however long it takes.
func (m *Manager) order(ctx context.Context, magic *certmagic.Config, name string) {
	for {
		err := m.obtain(ctx, magic, name)
		if err == nil || ctx.Err() != nil {
			return
		}
		m.failed(ctx, name, err)

		// certmagic has tried for long, with pauses that grew, or has seen
		// that trying again soon is of no use.
		select {
		case <-ctx.Done():
		case <-time.After(time.Hour):
		}
	}
}

// obtain is certmagic's ManageAsync, but one that can be waited for.
func (m *Manager) obtain(ctx context.Context, magic *certmagic.Config, name string) error {
	cert, err := magic.CacheManagedCertificate(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m.cacheEarlier(ctx, magic, name)
		if err := magic.ObtainCertAsync(ctx, name); err != nil {
			return err
		}
		defer m.tell(ctx, Event{Host: name, Kind: Obtained})
	case err != nil:
		// The library keeps the key and the certificate one after the other.
		// Killed between the two, a renewal leaves what does not fit.
		m.cfg.Log.WarnContext(ctx, "certificate unusable, getting another", "host", name, "err", err)
		fallthrough
	case cert.NeedsRenewal(magic):
		if renewErr := magic.RenewCertAsync(ctx, name, err != nil); renewErr != nil {
			return renewErr
		}
	}
	if cert, err = magic.CacheManagedCertificate(ctx, name); err != nil {
		return fmt.Errorf("load the certificate of %s: %w", name, err)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.hosts[name]
	if h == nil { // forgotten meanwhile
		m.drop(name, "")
		return nil
	}
	if h.issuer == issuerOf(magic) {
		h.err = nil
		m.drop(name, cert.Hash())
	}
	return nil
}

// drop removes the public certificates of name from memory, all but one.
func (m *Manager) drop(name, butHash string) {
	for _, cert := range m.cache.AllMatchingCertificates(name) {
		if cert.Hash() != butHash {
			m.cache.Remove([]string{cert.Hash()})
		}
	}
}

func issuerOf(magic *certmagic.Config) string { return magic.Issuers[0].IssuerKey() }
