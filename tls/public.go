package certs

import (
	"net/netip"
	"strings"
)

// special are the domains below which no public CA certifies (RFC 6761, 6762,
// 7686, 8375, 9476), and those that it would, but that share one weekly limit
// among everybody in the world, which is as good as never.
var special = []string{
	"localhost", "local", "internal", "test", "invalid", "example", "onion", "home.arpa",
	"sslip.io", "nip.io",
}

// Public tells whether a public CA could certify host by the challenges that
// we can answer.
func Public(host string) bool {
	host = normal(host)
	if _, err := netip.ParseAddr(host); err == nil || len(host) > 253 || !strings.Contains(host, ".") {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !validLabel(label) {
			return false
		}
	}
	for _, domain := range special {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return false
		}
	}
	return true
}

// normal returns host in the one form that is used for keys and comparisons.
func normal(host string) string {
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(host)), ".")
}

// validLabel refuses wildcards too: only a DNS challenge could prove them.
func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for _, c := range []byte(label) {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
