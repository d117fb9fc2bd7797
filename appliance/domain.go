package appliance

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A path has no spelling but one: nothing that is encoded, no dots that lead
// elsewhere.
var pathSegment = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,63}$`)

// maxPath is how long the path of a domain may be.
const maxPath = 200

// ParseDomain checks that s can lead to an app: a host (ParseHost); "*." and a
// host, for every host that is one label below it; either with a path, for
// what is there and below.
func ParseDomain(s string) (string, error) {
	host, path, _ := strings.Cut(s, "/")
	below, wild := strings.CutPrefix(host, "*.")
	below, err := ParseHost(below)
	if err != nil {
		return "", WithHint(fmt.Errorf("%w domain %q", ErrInvalid, clip(s, 80)),
			"give a full host name without https://, as in blog.example.org; *.example.org is every host one label below it, and example.org/blog what is below that path")
	}
	if wild {
		below = "*." + below
	}
	if path == "" {
		return below, nil
	}
	path = strings.TrimSuffix(path, "/")
	odd := func(s string) bool { return !pathSegment.MatchString(s) || s == "." || s == ".." }
	if len(path) > maxPath || slices.ContainsFunc(strings.Split(path, "/"), odd) {
		return "", WithHint(fmt.Errorf("%w path in the domain %q", ErrInvalid, clip(s, 80)),
			"between its slashes are letters, digits, dots, hyphens, underscores and tildes, as in example.org/api/v2")
	}
	return below + "/" + path, nil
}

// HostOf returns the host of a domain: what a certificate is for.
func HostOf(domain string) string {
	host, _, _ := strings.Cut(domain, "/")
	return host
}

// HostsOf returns the hosts of domains, each once.
func HostsOf(domains []string) (hosts []string) {
	for _, d := range domains {
		if host := HostOf(d); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// IsWildcard reports whether a domain stands for many hosts.
func IsWildcard(domain string) bool { return strings.HasPrefix(domain, "*.") }
