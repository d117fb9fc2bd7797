package router

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// canonicalHost is the one spelling of a Host header that the table knows:
// lower case, in ASCII, with no port and no trailing dot, and an IPv6 address
// in its shortest form without brackets. It allocates nothing for a host that
// is spelt so already.
func canonicalHost(host string) string {
	if isCanonical(host) {
		return host
	}
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
	return strings.ToLower(strings.TrimSuffix(inASCII(host), "."))
}

// hostFor is a request's host as the target gets it: as it came, but what is
// not in ASCII as the table has read it. Apps make links of it, and by another
// reading (www。example.org has two dots, or one) they lead to somebody else.
func hostFor(host string) string {
	for _, c := range []byte(host) {
		if c < 0x80 {
			continue
		}
		port := ""
		if i := strings.LastIndexByte(host, ':'); i >= 0 {
			host, port = host[:i], host[i:]
		}
		return canonicalHost(host) + port
	}
	return host
}

// isCanonical reports whether nothing but small letters, digits, hyphens and
// underscores is in the host, with dots in between.
func isCanonical(host string) bool {
	for _, c := range []byte(host) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return !strings.HasSuffix(host, ".")
}

// inASCII is what a browser makes of an international name: bücher.example is
// xn--bcher-kva.example. What is no such name stays as it is, and leads
// nowhere.
func inASCII(host string) string {
	for _, c := range []byte(host) {
		if c >= 0x80 {
			if ascii, err := idna.Lookup.ToASCII(host); err == nil {
				return ascii
			}
			return host
		}
	}
	return host
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

// A spot is one way in that a service can have: a host, or every host that is
// one label below it, and there all paths, or those below one.
type spot struct {
	host string // canonical; without the "*." of a wildcard
	wild bool
	path string // "/api", or "" for all
}

// parseSpot reads what Service.Hosts has: "example.org", "*.example.org",
// "example.org/api".
func parseSpot(s string) spot {
	host, path, _ := strings.Cut(s, "/")
	if path = strings.Trim(path, "/"); path != "" {
		path = "/" + path
	}
	parent, wild := strings.CutPrefix(host, "*.")
	return spot{canonicalHost(parent), wild, path}
}

func (s spot) String() string {
	star := ""
	if s.wild {
		star = "*."
	}
	return star + urlHost(s.host) + s.path
}

// parent returns what is behind the first label of a host, or "" if nothing
// is: the wildcard of a certificate stands for one label too.
func parent(host string) string {
	if i := strings.IndexByte(host, '.'); i > 0 {
		return host[i+1:]
	}
	return ""
}
