package certs

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
)

// A Preflight says what is known of this machine for the checks before an
// order: a CA that finds something wrong counts it, and asks no more after a
// few times.
type Preflight struct {
	// Addresses are those under which everybody reaches this machine, as far
	// as they are known. Without any, an address that leads elsewhere cannot
	// be told from one that is translated, and is only warned of.
	Addresses []netip.Addr

	// Proxied tells whether an address is of those who pass requests on to us,
	// such as a content delivery network. May be nil.
	Proxied func(netip.Addr) bool

	// Limits are those of a CA, by its directory; the published ones if nil.
	Limits func(directory string) Limits

	// LimitsOnly has nothing looked at but the ledger: neither DNS nor ports.
	LimitsOnly bool

	// HTTPPort and HTTPSPort are those that the CA connects to; 80 and 443 if 0.
	HTTPPort, HTTPSPort int

	// Resolvers are the name servers to ask ("192.0.2.1:53"); the manager's if
	// there are none.
	Resolvers []string

	private bool   // also look at addresses that are not public, for tests
	dnsPort string // of authoritative servers, for tests
}

// A Report is what a check before an order has found.
type Report struct {
	Problems []Finding // why an order would fail
	Warnings []Finding // why it may
}

// All returns problems and warnings.
func (r Report) All() []Finding { return slices.Concat(r.Problems, r.Warnings) }

// Err returns the problems as an error, or nil.
func (r Report) Err() error {
	var lines []string
	for _, p := range r.Problems {
		lines = append(lines, p.Error())
	}
	if lines == nil {
		return nil
	}
	return &preventedError{strings.Join(lines, "; ")}
}

// A preventedError is why there was no order.
type preventedError struct{ said string }

func (e *preventedError) Error() string { return e.said }

// Prevented tells whether err, of a Status or an Event, is why nothing was
// ordered, rather than why an order failed.
func Prevented(err error) bool {
	_, ok := errors.AsType[*preventedError](err)
	return ok
}

// checks are what the manager needs for checks before orders.
type checks struct {
	flight      atomic.Pointer[Preflight] // nil if nothing but the ledger is to be looked at
	ledger      ledger
	reports     reports
	directories directories
	secret      [32]byte // proves that it is us who answer
}

// beginChecks is for New.
func (m *Manager) beginChecks() {
	m.ledger = ledger{m.cfg.Storage, time.Now}
	rand.Read(m.secret[:]) // never fails
	m.flight.Store(m.cfg.Preflight)
	m.before = m.preflight
}

// ConfigurePreflight changes what is checked before orders from now on: with
// nil, the ledger only.
func (m *Manager) ConfigurePreflight(p *Preflight) {
	m.flight.Store(p)
	m.reports.clear()
}

const (
	// preflightTime is how long a check may take.
	preflightTime = 15 * time.Second

	// fresh is for how long the report of a check is not worth another.
	fresh = 10 * time.Second
)

// reports are the last ones, by host.
type reports struct {
	mu   sync.Mutex // guards last
	last map[string]dated
}

type dated struct {
	Report
	at time.Time
}

func (r *reports) get(host string) (dated, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.last[host]
	return d, ok
}

// put keeps a report that says something.
func (r *reports) put(host string, report Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil || len(r.last) > maxLeafs {
		r.last = map[string]dated{}
	}
	r.last[host] = dated{report, time.Now()}
}

func (r *reports) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.last)
}

func (r *reports) forget(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, host)
}

// preflight is asked before each attempt to order or renew. Its error is why
// that would fail.
func (m *Manager) preflight(ctx context.Context, name string) error {
	report, err := m.examine(ctx, name)
	if err != nil {
		return err
	}
	m.reports.put(name, report)
	if err := report.Err(); err != nil {
		return err
	}
	if !m.renews(ctx, name) {
		for _, issuer := range m.issuers.Load().of(name).Issuers[:1] {
			if err := m.ledger.add(ctx, orders(issuer.IssuerKey()), ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// Check tells what stands in the way of a public certificate for host, if it is
// to have one and has not. It looks again unless it has just looked.
func (m *Manager) Check(ctx context.Context, host string) Report {
	host = normal(host)
	if m.Status(host).Kind != KindPending {
		return Report{}
	}
	if last, ok := m.reports.get(host); ok && time.Since(last.at) < fresh {
		return last.Report
	}
	report, err := m.examine(ctx, host)
	if err != nil {
		return Report{Warnings: []Finding{{What: host + " could not be checked: " + err.Error()}}}
	}
	m.reports.put(host, report)
	return report
}

// Warnings returns what the last check of host has warned of.
func (m *Manager) Warnings(host string) []Finding {
	last, _ := m.reports.get(normal(host))
	return last.Warnings
}

// Retry has the orders for hosts that wait for another attempt make one now,
// and returns those hosts.
func (m *Manager) Retry(hosts ...string) (retried []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range hosts {
		name = normal(name)
		h := m.hosts[name]
		if h == nil || h.stop == nil || h.err == nil {
			continue // it has what it needs, or is at it
		}
		m.reports.forget(name)
		m.restart(name, nil)
		retried = append(retried, name)
	}
	return retried
}

// examine makes a report about name.
func (m *Manager) examine(ctx context.Context, name string) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, preflightTime)
	defer cancel()
	c := &check{m: m, p: m.flight.Load(), name: name, renewal: m.renews(ctx, name)}
	for _, issuer := range m.issuers.Load().of(name).Issuers {
		c.cas = append(c.cas, ca{issuer.IssuerKey(), directoryOf(issuer)})
	}
	if err := c.limits(ctx); err != nil {
		return Report{}, err
	}
	if c.p == nil || c.p.LimitsOnly || isAddress(name) {
		return c.Report, nil
	}
	servers := c.p.Resolvers
	if len(servers) == 0 {
		servers = m.cfg.Resolvers
	}
	c.dns = c.resolver(servers)
	if !m.byDNS(name) {
		c.addresses(ctx)
	}
	c.caa(ctx)
	return c.Report, nil
}

// A check is one examination of one name.
type check struct {
	Report
	m       *Manager
	p       *Preflight
	name    string
	renewal bool
	cas     []ca
	dns     *resolver
}

// A ca is one that would be asked.
type ca struct{ key, directory string }

func (c *check) problem(what, fix string) { c.Problems = append(c.Problems, Finding{what, fix}) }
func (c *check) warn(what, fix string)    { c.Warnings = append(c.Warnings, Finding{what, fix}) }

// limits finds a problem if every CA has been asked as often as it wants to be.
func (c *check) limits(ctx context.Context) error {
	of := limitsOf
	if c.p != nil && c.p.Limits != nil {
		of = c.p.Limits
	}
	var reached []Finding
	for _, ca := range c.cas {
		found, err := c.m.ledger.allows(ctx, ca.key, c.name, of(ca.directory), c.m.ways(c.name), c.renewal)
		if err != nil {
			return err
		}
		if found != (Finding{}) {
			reached = append(reached, found)
		}
	}
	if len(reached) == len(c.cas) {
		c.Problems = append(c.Problems, reached...)
	}
	return nil
}

// renews tells whether an order for name would replace a certificate that its
// CA has issued.
func (m *Manager) renews(ctx context.Context, name string) bool {
	issuer := m.issuers.Load().of(name).Issuers[0]
	return m.cfg.Storage.Exists(ctx, certmagic.StorageKeys.SiteCert(issuer.IssuerKey(), name))
}

// publicCAs are those that look at DNS and at machines as everybody does. For
// another, such as a company's, what this machine's own resolvers say is true.
var publicCAs = []string{".letsencrypt.org/", "//acme.zerossl.com/", "//dv.acme-v02.api.pki.goog/", "//acme.ssl.com/", "//api.buypass.com/", ".sectigo.com/"}

func (c *check) public() bool {
	return slices.ContainsFunc(publicCAs, func(s string) bool { return strings.Contains(c.cas[0].directory, s) })
}

func directoryOf(issuer certmagic.Issuer) string {
	switch issuer := issuer.(type) {
	case *certmagic.ACMEIssuer:
		return issuer.CA
	case *second:
		return issuer.CA
	}
	return ""
}

// byDNS tells whether name is proven by a record, so that it does not matter
// where it leads.
func (m *Manager) byDNS(name string) bool {
	settings := m.issuers.Load().acme
	return isWild(name) || settings.Always && settings.DNS.Provider != ""
}
