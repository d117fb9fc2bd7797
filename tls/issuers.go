package certs

import (
	"errors"
	"hash/fnv"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// ACME are the settings that a person may change at any time.
type ACME struct {
	Directory string // Let's Encrypt's if ""
	Email     string // where the CA may write to; none if ""
	EAB       EAB    // the account at the CA that certificates are billed to, if it wants one
	Fallback  CA     // who is asked when the first CA cannot or will not; nobody if its Directory is ""
	Profile   string // which of the first CA's kinds of certificates; its default if ""

	DNS DNS
	// Always has every name proven by DNS, not wildcards alone: for machines
	// that the CA cannot reach.
	Always bool
	// Domain is the one below which apps have their hosts. If its DNS can be
	// changed, one wildcard certificate is good for all of them, so that a new
	// app needs no order.
	Domain string
}

// A CA is one that speaks ACME.
type CA struct {
	Directory string
	EAB       EAB
}

// An EAB (external account binding) ties our ACME account to one that a person
// has at the CA.
type EAB struct {
	KeyID  string
	MACKey string // a secret, in base64url as CAs show it
}

// issuers are the ways to order by the ACME settings of a moment. Which one is
// used depends on the name.
type issuers struct {
	acme ACME
	key  string   // differs when certificates come from elsewhere
	own  []string // the names that are the machine's own
	dns  error    // why there are no wildcards

	names, wild, address *certmagic.Config
}

// Why a name has no public certificate.
var errNeedsDNS = errors.New("a wildcard can be certified only where Berth can change the DNS: letsencrypt:set dns-provider, letsencrypt:dns")

// newIssuers returns what orders by the given settings.
func (m *Manager) newIssuers(settings ACME) *issuers {
	i := &issuers{acme: settings, dns: errNeedsDNS}
	var solver acmez.Solver
	if settings.DNS.Provider != "" {
		provider, err := settings.DNS.provider()
		i.dns = err
		if err == nil {
			solver = &certmagic.DNS01Solver{DNSManager: certmagic.DNSManager{
				DNSProvider: provider, TTL: dnsTTL, Resolvers: m.cfg.Resolvers, Logger: zap.NewNop(),
			}}
		}
	}
	i.wild = m.magic(settings, solver, false)
	i.address = m.magic(settings, nil, true)
	i.names = m.magic(settings, nil, false)
	if settings.Always && solver != nil {
		i.names = i.wild
	}
	i.key = i.names.Issuers[0].IssuerKey()
	if m.cfg.Address.IsValid() {
		i.own = append(i.own, m.cfg.Address.Unmap().String())
	}
	if domain := normal(settings.Domain); settings.DNS.Provider != "" && Public(domain) {
		i.own = append(i.own, "*."+domain)
	}
	return i
}

// of returns what orders for name.
func (i *issuers) of(name string) *certmagic.Config {
	config := *i.names
	switch {
	case isWild(name):
		config = *i.wild
	case isAddress(name):
		config = *i.address
	}
	config.RenewalWindowRatio = window(name)
	return &config
}

// window is how much of its life a certificate for name has left when it is
// renewed, where the CA does not say when (ARI): a third or up to a tenth of
// that more, so that names that came together are not renewed together.
func window(name string) float64 {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(name)) // never fails
	return certmagic.DefaultRenewalWindowRatio * (1 + float64(sum.Sum32())/math.MaxUint32/10)
}

// ownName tells whether name is one of the machine's own.
func (i *issuers) ownName(name string) bool { return slices.Contains(i.own, name) }

// orderable says why name cannot be ordered, as far as settings are the reason.
func (i *issuers) orderable(name string) error {
	if isWild(name) {
		return i.dns
	}
	return nil
}

// magic returns what orders from the first CA and, if that cannot, the second.
func (m *Manager) magic(settings ACME, solver acmez.Solver, address bool) *certmagic.Config {
	ears := newEars()
	config := certmagic.New(m.cache, certmagic.Config{
		Storage: m.cfg.Storage,
		OnEvent: m.onEvent,
		Logger:  zap.New(ears),
	})
	first := m.issuer(config, settings, CA{settings.Directory, settings.EAB}, solver, address)
	first.Profile = settings.profile(first.CA, address)
	config.Issuers = []certmagic.Issuer{first}
	if settings.Fallback.Directory != "" {
		next := m.issuer(config, settings, settings.Fallback, solver, address)
		if address {
			next.Profile = addressProfile(next.CA)
		}
		config.Issuers = append(config.Issuers, &second{ACMEIssuer: next, first: first.IssuerKey(), ears: ears})
	}
	return config
}

func (m *Manager) issuer(config *certmagic.Config, settings ACME, ca CA, solver acmez.Solver, address bool) *certmagic.ACMEIssuer {
	template := certmagic.ACMEIssuer{
		CA:             ca.Directory,
		Email:          settings.Email,
		Agreed:         true,
		AltHTTPPort:    m.cfg.HTTPPort,
		AltTLSALPNPort: m.cfg.HTTPSPort,
		DNS01Solver:    solver,
		TrustedRoots:   m.cfg.Roots,
		Logger:         zap.NewNop(),
		// Challenges are answered from memory: one process has the ports, and
		// an order does not outlive it.
		DisableDistributedSolvers: true,
	}
	if ca.EAB.KeyID != "" {
		template.ExternalAccount = &acme.EAB{KeyID: ca.EAB.KeyID, MACKey: strings.TrimRight(ca.EAB.MACKey, "=")}
	}
	return certmagic.NewACMEIssuer(config, template)
}

// profile returns the profile to order from the first CA, whose directory it is.
func (a ACME) profile(directory string, address bool) string {
	if p := addressProfile(directory); address && p != "" {
		return p
	}
	return a.Profile
}

// addressProfile is the only one in which Let's Encrypt certifies addresses.
// Other CAs are asked in the profile that is set.
func addressProfile(directory string) string {
	if strings.Contains(directory, "api.letsencrypt.org/") {
		return "shortlived"
	}
	return ""
}

func isWild(name string) bool { return strings.HasPrefix(name, "*.") }

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}
