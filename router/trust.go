package router

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Trust says whom the door believes what they say of a visitor: nobody, if it
// is zero. It is the machine's, not a service's.
type Trust struct {
	// Proxies are the addresses and networks of the proxies in front of us.
	// "cloudflare" stands for Cloudflare's.
	Proxies []string `json:"proxies,omitempty"`
	// Header is where they say who the visitor is: X-Forwarded-For (if
	// empty) or Forwarded. It has to be the one that they write themselves:
	// the other is as the visitor sent it. Cloudflare's own
	// CF-Connecting-IP needs no setting.
	Header string `json:"header,omitempty"`
	// ProxyProtocol are the addresses and networks of those who begin each
	// connection with a PROXY protocol header, version 1 or 2. From them a
	// connection without one is refused.
	ProxyProtocol []string `json:"proxy_protocol,omitempty"`
}

// Validate says what is wrong, in words for people.
func (t Trust) Validate() error {
	_, err := t.compile()
	return err
}

func (t Trust) compile() (*trust, error) {
	c := &trust{}
	var rest []string
	for _, s := range t.Proxies {
		if strings.EqualFold(s, "cloudflare") {
			c.cloudflare, _ = networks(cloudflare)
			continue
		}
		rest = append(rest, s)
	}
	var err error
	if c.proxies, err = networks(rest); err != nil {
		return nil, fmt.Errorf("proxies: %w", err)
	}
	if c.speakers, err = networks(t.ProxyProtocol); err != nil {
		return nil, fmt.Errorf("PROXY protocol: %w", err)
	}
	for _, p := range slices.Concat(c.proxies, c.speakers) {
		if p.Bits() == 0 {
			return nil, fmt.Errorf("%s is everybody: whoever is believed can say that they are anybody", p)
		}
	}
	switch http.CanonicalHeaderKey(t.Header) {
	case "", "X-Forwarded-For":
	case "Forwarded":
		c.forwarded = true
	default:
		return nil, fmt.Errorf("%s is not among the headers that can say who a visitor is: X-Forwarded-For, Forwarded", t.Header)
	}
	return c, nil
}

// A trust is a Trust made ready for requests. It never changes; nil trusts
// nobody.
type trust struct {
	proxies, cloudflare []netip.Prefix
	speakers            []netip.Prefix // of the PROXY protocol
	forwarded           bool           // Forwarded rather than X-Forwarded-For
}

// SetTrust has requests and connections from now on believed as t says.
func (r *Router) SetTrust(t Trust) error {
	c, err := t.compile()
	if err != nil {
		return err
	}
	r.trust.Store(c)
	return nil
}

func (t *trust) believes(addr netip.Addr) bool {
	return t != nil && (within(t.proxies, addr) || within(t.cloudflare, addr))
}

// Proxied tells whether an address is of a proxy that passes on what visitors
// want: one that is trusted, or Cloudflare's.
func (r *Router) Proxied(addr netip.Addr) bool {
	known, _ := networks(cloudflare)
	return r.trust.Load().believes(addr) || within(known, addr)
}

// A client is who a request comes from and how, as far as those in front of us
// can be believed.
type client struct {
	addr  netip.Addr // invalid if nobody knows, as for a unix socket
	proto string     // http or https
	port  string     // that the visitor connected to; empty if it is our own

	forwarded bool // a proxy that is trusted stands between
}

// clientOf looks through the proxies that are trusted.
func (t *trust) clientOf(req *http.Request) client {
	c := client{addr: addrOf(req.RemoteAddr), proto: "http"}
	if req.TLS != nil {
		c.proto = "https"
	}
	if t == nil || !t.believes(c.addr) {
		return c
	}
	c.forwarded = true
	if proto := last(req.Header["X-Forwarded-Proto"]); proto == "http" || proto == "https" {
		c.proto, c.port = proto, "80"
		if proto == "https" {
			c.port = "443"
		}
		if port := last(req.Header["X-Forwarded-Port"]); port != "" && len(port) <= 5 && isDigits(port) {
			c.port = port
		}
	}
	if within(t.cloudflare, c.addr) {
		// Cloudflare's networks are also their customers' (Workers), but
		// they cannot set this header.
		if ips := req.Header["Cf-Connecting-Ip"]; len(ips) == 1 {
			if addr := addrOf(ips[0]); addr.IsValid() {
				c.addr = addr
				return c
			}
		}
	}
	if t.forwarded {
		c.addr = t.walk(c.addr, req.Header["Forwarded"], forwardedFor)
	} else {
		c.addr = t.walk(c.addr, req.Header["X-Forwarded-For"], strings.TrimSpace)
	}
	return c
}

// invented reports whether a header is one that makers of proxies tell apps
// about a request with, and says something else than we do. Apps that look for
// them believe any of them: a visitor could say that they are anybody, or have
// asked for another path than the one that has brought them here.
func (c client) invented(name string, values []string) bool {
	if !strings.HasSuffix(name, "p") && !strings.HasSuffix(name, "l") && name != "Proxy" {
		return false // every header of every request is looked at
	}
	switch strings.ToLower(strings.ReplaceAll(name, "_", "-")) {
	case "cf-connecting-ip", "true-client-ip", "client-ip", "x-client-ip", "x-cluster-client-ip", "fastly-client-ip":
		return len(values) != 1 || !c.addr.IsValid() || addrOf(values[0]) != c.addr
	case "x-original-url", "x-rewrite-url":
		return !c.forwarded
	case "proxy": // is HTTP_PROXY to what runs as CGI
		return true
	}
	return false
}

// walk goes from the nearest hop to the farthest, as long as each is said by
// one that is believed. What is farther may be the visitor's invention.
func (t *trust) walk(addr netip.Addr, lines []string, said func(string) string) netip.Addr {
	for _, line := range slices.Backward(lines) {
		for line != "" {
			hop := line
			if i := strings.LastIndexByte(line, ','); i >= 0 {
				line, hop = line[:i], line[i+1:]
			} else {
				line = ""
			}
			next := addrOf(said(hop))
			if !next.IsValid() {
				return addr
			}
			addr = next
			if !t.believes(addr) {
				return addr
			}
		}
	}
	return addr
}

// forwardedFor is the node in one element of a Forwarded header (RFC 7239),
// for="[2001:db8::1]:47011";proto=https. An element whose quotes hide a comma
// has been torn, and names no address then.
func forwardedFor(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, node, _ := strings.Cut(pair, "=")
		if strings.EqualFold(strings.TrimSpace(name), "for") {
			node = strings.TrimSpace(node)
			if len(node) >= 2 && node[0] == '"' && node[len(node)-1] == '"' {
				node = node[1 : len(node)-1]
			}
			return node
		}
	}
	return ""
}

// addrOf reads an address, with or without a port.
func addrOf(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// last is the last element of a list header: what the nearest proxy said.
func last(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:])
}
