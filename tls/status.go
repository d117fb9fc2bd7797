package certs

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"time"
)

// A Status is what certs:report shows of a host.
type Status struct {
	Kind     string // "public", "own", "local", or "pending": local until the public one is there
	Issuer   string // who signed what is served now
	NotAfter time.Time
	Wildcard string // the wildcard whose certificate is good for it, if one is
	Err      error  // why the last attempt to get or renew a public one failed
}

// The kinds of status.
const (
	KindPublic  = "public"
	KindOwn     = "own" // somebody has brought it
	KindLocal   = "local"
	KindPending = "pending"
)

// Status tells what host is served with. It is zero for a host that is not
// managed.
func (m *Manager) Status(name string) Status {
	name = normal(name)
	m.mu.Lock()
	h := m.hosts[name]
	var s Status
	var pending bool
	if h != nil {
		s.Err = h.err
		s.Wildcard = h.covered
		if wild := m.hosts[h.covered]; wild != nil {
			s.Err = wild.err
		}
		pending = h.stop != nil || h.covered != ""
	}
	m.mu.Unlock()
	if h == nil {
		return Status{}
	}
	if cert := m.own.certificate(name); cert != nil {
		s.Kind, s.Issuer, s.NotAfter = KindOwn, issuerName(cert.Leaf), cert.Leaf.NotAfter
		return s
	}
	if cert, _ := m.public(nil, name); cert != nil {
		s.Kind, s.Issuer, s.NotAfter = KindPublic, issuerName(cert.Leaf), cert.Leaf.NotAfter
		return s
	}
	s.Kind = KindLocal
	if pending {
		s.Kind = KindPending
	}
	if leaf, err := m.local.leaf(name); err == nil {
		s.Issuer, s.NotAfter = issuerName(leaf.Leaf), leaf.Leaf.NotAfter
	}
	return s
}

// MachineHosts returns the names that are the machine's own and have a
// certificate without being an app's: its address, and the wildcard of all apps.
func (m *Manager) MachineHosts() []string { return slices.Clone(m.issuers.Load().own) }

// issuerName is "Let's Encrypt R11", or what there is of that.
func issuerName(leaf *x509.Certificate) string {
	name := leaf.Issuer.CommonName
	if o := leaf.Issuer.Organization; len(o) > 0 && !strings.HasPrefix(name, o[0]) {
		name = o[0] + " " + name
	}
	return name
}

// hostname is hostport without the port, if it has one.
func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}
