package router

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// HSTS has browsers come by HTTPS only, for MaxAge from their last visit on.
// It is never sent for addresses, nor for hosts that no public CA certifies,
// such as localhost: a browser would insist on a certificate that is gone
// with the appliance.
type HSTS struct {
	MaxAge     time.Duration `json:"max_age,omitempty"` // 0 sends nothing
	Subdomains bool          `json:"subdomains,omitempty"`
	Preload    bool          `json:"preload,omitempty"`
	// Forget has browsers forget what they were told.
	Forget bool `json:"forget,omitempty"`
	// Except are further hosts for which it is not sent.
	Except []string `json:"except,omitempty"`
}

// An hsts is an HSTS made ready for requests.
type hsts struct {
	value  []string
	except map[string]bool
}

func newHSTS(h HSTS) *hsts {
	value := "max-age=" + strconv.FormatInt(int64(h.MaxAge/time.Second), 10)
	switch {
	case h.Forget:
		value = "max-age=0"
	case h.MaxAge <= 0:
		return nil
	case h.Preload:
		value += "; includeSubDomains; preload"
	case h.Subdomains:
		value += "; includeSubDomains"
	}
	c := &hsts{value: []string{value}}
	for _, host := range h.Except {
		if c.except == nil {
			c.except = map[string]bool{}
		}
		c.except[canonicalHost(host)] = true
	}
	return c
}

// set adds the header to an answer that goes by HTTPS, unless the service
// speaks for itself. All answers share one value, as it costs nothing.
func (h *hsts) set(x *exchange, to http.Header) {
	const name = "Strict-Transport-Security"
	if h == nil || x.from.proto != "https" || to[name] != nil {
		return
	}
	if host := canonicalHost(x.req.Host); certifiable(host) && !h.except[host] {
		to[name] = h.value
	}
}

// certifiable reports whether a public CA could certify host. Addresses and
// what is below these domains is reserved (RFC 6761, 6762, 8375), or shared by
// all the world.
func certifiable(host string) bool {
	i := strings.LastIndexByte(host, '.')
	if i < 0 || strings.IndexByte(host, ':') >= 0 {
		return false
	}
	switch top := host[i+1:]; top {
	case "", "localhost", "local", "internal", "test", "invalid", "example", "onion":
		return false
	case "arpa", "io":
		for _, domain := range []string{"home.arpa", "sslip.io", "nip.io"} {
			if host == domain || strings.HasSuffix(host, domain) && host[len(host)-len(domain)-1] == '.' {
				return false
			}
		}
		return true
	default:
		return top[len(top)-1] < '0' || top[len(top)-1] > '9' // no domain ends in a digit, IPv4 does
	}
}
