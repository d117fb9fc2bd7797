package certs

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// challengeProtocol is the one with which a CA asks by TLS-ALPN-01 (RFC 8737).
const challengeProtocol = "acme-tls/1"

// stranger is the name in the certificate for those who ask for a host that
// is no app's: they get as far as the page that says so.
const stranger = "no-such-app.berth.invalid"

// TLSConfig returns what a server of HTTPS needs, of HTTP/3 too. However it is
// copied, all connections share one configuration, and so the keys of their
// sessions, which change.
func (m *Manager) TLSConfig() *tls.Config {
	config := m.tlsConfig()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return m.tickets.config, nil }
	return config
}

func (m *Manager) tlsConfig() *tls.Config {
	return &tls.Config{
		GetCertificate: m.certificate,
		NextProtos:     []string{"h2", "http/1.1", challengeProtocol},
		MinVersion:     tls.VersionTLS12,
		// Of TLS 1.2 only what has forward secrecy and authenticates what it
		// encrypts; TLS 1.3 has nothing else.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// certificate always has an answer, and never waits for one.
func (m *Manager) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := normal(hello.ServerName)
	if slices.Equal(hello.SupportedProtos, []string{challengeProtocol}) {
		// Only what is being ordered has a challenge. That of an address comes
		// by another name (RFC 8738).
		if _, ok := certmagic.GetACMEChallenge(name); !ok {
			return nil, fmt.Errorf("no challenge for %s", name)
		}
		return m.issuers.Load().names.GetCertificate(hello)
	}
	if name == "" && m.cfg.Address.IsValid() {
		// Who asks for an address sends no name. The address at which the
		// connection arrived may be one behind another machine's.
		name = m.cfg.Address.Unmap().String()
	}
	if name == "" || !m.serves(name) {
		return m.local.leaf(stranger)
	}
	if cert := m.own.certificate(name); cert != nil {
		return cert, nil
	}
	now, epoch := time.Now(), m.shown.epoch.Load()
	if cert := m.shown.get(name, now); cert != nil {
		return cert, nil
	}
	if cert, only := m.public(hello, name); cert != nil {
		if only {
			m.shown.put(name, &cert.Certificate, epoch, now)
		}
		return &cert.Certificate, nil
	}
	cert, err := m.local.leaf(m.localName(name))
	if err == nil {
		m.shown.put(name, cert, epoch, now)
	}
	return cert, err
}

// localName is what the local CA certifies for name: the wildcard by which it
// is served, if it is, so that visitors cannot have it sign without end.
func (m *Manager) localName(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if wild := wildOf(name); m.hosts[name] == nil && m.hosts[wild] != nil {
		return wild
	}
	return name
}

// public returns the public certificate of name that is in memory, has not
// expired and that the asker can use, the first if none is usable; and whether
// there is no other to choose from. hello is nil if nobody asks for it.
func (m *Manager) public(hello *tls.ClientHelloInfo, name string) (best *certmagic.Certificate, only bool) {
	now := time.Now()
	all := m.cache.AllMatchingCertificates(name)
	for i := range all {
		if now.After(all[i].Leaf.NotAfter) {
			continue
		}
		if hello == nil || hello.SupportsCertificate(&all[i].Certificate) == nil {
			return &all[i], len(all) == 1
		}
		if best == nil {
			best = &all[i]
		}
	}
	return best, len(all) == 1
}

// Challenge answers the CA's questions about the hosts of apps (HTTP-01), and
// leaves every other request to next.
func (m *Manager) Challenge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if certmagic.LooksLikeHTTPChallenge(r) {
			if challenge, ok := certmagic.GetACMEChallenge(normal(hostname(r.Host))); ok &&
				certmagic.SolveHTTPChallenge(zap.NewNop(), w, r, challenge.Challenge) {
				return
			}
		}
		if m.answerProbe(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}
