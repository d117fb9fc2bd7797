package appliance

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"golang.org/x/net/idna"
)

var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// aNumber is a last label that makes browsers take the whole for an IPv4
// address in an old spelling: 127.1 is 127.0.0.1.
var aNumber = regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`)

// ParseHost checks that s can be the host of an app, and returns it in lower
// case: at least two labels (RFC 1123) with a dot between them, at most 253
// bytes, and no IP address. An international name becomes what browsers ask
// for: bücher.example is xn--bcher-kva.example.
func ParseHost(s string) (string, error) {
	host := strings.ToLower(strings.TrimSuffix(s, "."))
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	labels := strings.Split(host, ".")
	ok := len(host) <= 253 && len(labels) >= 2
	for _, label := range labels {
		ok = ok && hostLabel.MatchString(label)
	}
	if _, err := netip.ParseAddr(host); err == nil || aNumber.MatchString(labels[len(labels)-1]) {
		ok = false
	}
	if !ok {
		return "", WithHint(fmt.Errorf("%w domain %q", ErrInvalid, clip(s, 80)), "give a full host name without https:// or a path, as in blog.example.org")
	}
	return host, nil
}
