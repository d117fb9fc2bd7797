package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

// A host is one that is managed. Its fields are guarded by the manager's mu.
type host struct {
	app     bool               // it was given to Manage
	machine bool               // it is the machine's own: its address, or the wildcard of all apps
	covered string             // the managed wildcard that certifies it; "" if none does
	issuer  string             // whom its certificate was last ordered from
	stop    context.CancelFunc // ends its order; nil if it has none
	err     error              // why the last attempt failed, or there was none
	until   time.Time          // the CA said not to ask before
}

// errNotServed ends an attempt for a host that is no app's.
var errNotServed = errors.New("no app has this host")

// serves tells whether name may have a certificate: nothing is ordered or
// signed for a name that is not an app's or the machine's own.
func (m *Manager) serves(name string) bool {
	return m.cfg.Serves(name) || m.issuers.Load().ownName(name)
}

// Configure changes the settings of all orders from now on, and does not let
// those wait that wait for another attempt. Hosts that have no certificate from
// that directory yet get one; until it is there they keep what they have.
func (m *Manager) Configure(acme ACME) {
	next := m.newIssuers(acme)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.issuers.Store(next)
	for name, h := range m.hosts {
		if h.machine && !next.ownName(name) {
			if h.machine = false; !h.app {
				m.end(name)
			}
		}
	}
	for _, name := range next.own {
		m.restart(name, func(h *host) { h.machine = true })
	}
	for name, h := range m.hosts {
		if !h.machine {
			m.restart(name, nil)
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
		if name == "" {
			continue
		}
		if h := m.hosts[name]; h != nil {
			h.app = true
			continue
		}
		m.restart(name, func(h *host) { h.app = true })
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
		m.own.forget(name)
		if h := m.hosts[name]; h != nil && h.machine {
			h.app = false
			continue
		}
		m.end(name)
	}
}

// end stops managing name. The caller has mu.
func (m *Manager) end(name string) {
	if h := m.hosts[name]; h != nil && h.stop != nil {
		h.stop()
	}
	delete(m.hosts, name)
	m.own.forget(name)
	m.drop(name, "")
	m.local.forget(name)
	m.uncover(name)
}

// restart begins to manage name anew, as it was but for change. The caller has mu.
func (m *Manager) restart(name string, change func(*host)) {
	h := new(host)
	if old := m.hosts[name]; old != nil {
		h.app, h.machine = old.app, old.machine
		if old.stop != nil {
			old.stop()
		}
	}
	if change != nil {
		change(h)
	}
	m.hosts[name] = h
	m.start(name)
}

// start begins to order for name, if that is to be done. The caller has mu.
func (m *Manager) start(name string) {
	h, now := m.hosts[name], m.issuers.Load()
	h.covered, h.stop, h.err = "", nil, nil
	if m.own.takes(name) || m.ctx.Err() != nil {
		return
	}
	if base, _ := strings.CutPrefix(name, "*."); !h.machine && !Public(base) {
		return
	}
	if h.err = now.orderable(name); h.err != nil {
		return
	}
	if h.covered = m.coverOf(name); h.covered != "" {
		return
	}
	h.issuer = now.key
	magic := now.of(name)
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
	if h.issuer == m.issuers.Load().key && ctx.Err() == nil {
		h.err = nil
		m.drop(name, cert.Hash())
		m.cover(name)
	}
	return nil
}

// drop removes the public certificates of name from memory, all but one. Those
// of a wildcard that is good for name are not its own.
func (m *Manager) drop(name, butHash string) {
	for _, cert := range m.cache.AllMatchingCertificates(name) {
		if cert.Hash() != butHash && slices.Contains(cert.Names, name) {
			m.cache.Remove([]string{cert.Hash()})
		}
	}
	m.shown.forget()
}
