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

// TLSConfig returns what an HTTPS server needs.
func (m *Manager) TLSConfig() *tls.Config {
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
	if name == "" || !m.cfg.Serves(name) {
		return m.local.leaf(stranger)
	}
	if slices.Equal(hello.SupportedProtos, []string{challengeProtocol}) {
		if _, ok := certmagic.GetACMEChallenge(name); !ok {
			return nil, fmt.Errorf("no challenge for %s", name)
		}
		return m.magic.Load().GetCertificate(hello)
	}
	if cert, ok := m.public(hello, name); ok {
		return &cert.Certificate, nil
	}
	return m.local.leaf(name)
}

// public returns the public certificate of name that is in memory and has not
// expired. hello is nil if nobody asks for it.
func (m *Manager) public(hello *tls.ClientHelloInfo, name string) (certmagic.Certificate, bool) {
	if hello == nil {
		hello = &tls.ClientHelloInfo{ServerName: name}
	}
	cert, err := certmagic.DefaultCertificateSelector(hello, m.cache.AllMatchingCertificates(name))
	if err != nil || time.Now().After(cert.Leaf.NotAfter) {
		return certmagic.Certificate{}, false
	}
	return cert, true
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
		next.ServeHTTP(w, r)
	})
}
