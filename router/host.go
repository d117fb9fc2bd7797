package router

import (
	"net/netip"
	"strings"
)

// canonicalHost is the one spelling of a Host header that the table knows:
// lower case, with no port and no trailing dot, and an IPv6 address in its
// shortest form without brackets.
func canonicalHost(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, _, _ = strings.Cut(inner, "]")
		return canonicalAddr(inner)
	}
	switch strings.Count(host, ":") {
	case 0:
	case 1:
		host, _, _ = strings.Cut(host, ":")
	default:
		return canonicalAddr(host)
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func canonicalAddr(s string) string {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.String()
	}
	return strings.ToLower(s)
}

// urlHost is a canonical host as it is written in a URL.
func urlHost(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
