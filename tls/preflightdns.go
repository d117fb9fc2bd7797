package certs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// dnsPatience is how long one name server may take.
const dnsPatience = 2 * time.Second

// A resolver asks name servers for one check.
type resolver struct {
	servers []string // that look up for us, with ports
	port    string   // of authoritative ones; "" if they are not to be asked
	private bool     // even of those that are not public
	zones   map[string][]string
}

// resolver returns what asks the given servers, or the machine's. Whoever sets
// a record wants to see it at once, and what a resolver remembers may be hours
// old, so the zone's own servers are asked if a public CA would ask them.
func (c *check) resolver(servers []string) *resolver {
	r := &resolver{servers: servers, private: c.p.private, port: c.p.dnsPort, zones: map[string][]string{}}
	if len(r.servers) == 0 {
		if system, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
			for _, server := range system.Servers {
				r.servers = append(r.servers, net.JoinHostPort(server, system.Port))
			}
		}
	}
	if r.port == "" && c.public() {
		r.port = "53"
	}
	return r
}

// found is what DNS has for a name.
type found struct {
	addrs []netip.Addr
	chain []string // the names that the name is another name for, in order
}

// errLoop is for CNAMEs that lead to each other.
var errLoop = errors.New("CNAMEs lead in a circle")

// addresses returns the A or AAAA records that name leads to.
func (r *resolver) addresses(ctx context.Context, name string, qtype uint16) (f found, err error) {
	at := dns.Fqdn(name)
	for range 10 {
		answer, err := r.ask(ctx, at, qtype)
		if err != nil {
			return f, err
		}
		before := at
		for range answer.Answer { // its records need not be in order
			for _, record := range answer.Answer {
				if c, ok := record.(*dns.CNAME); ok && strings.EqualFold(c.Hdr.Name, at) && !strings.EqualFold(c.Target, at) {
					at = c.Target
					f.chain = append(f.chain, normal(at))
					break
				}
			}
			if len(f.chain) > 10 {
				return f, errLoop
			}
		}
		for _, record := range answer.Answer {
			var ip net.IP
			switch record := record.(type) {
			case *dns.A:
				ip = record.A
			case *dns.AAAA:
				ip = record.AAAA
			}
			if addr, ok := netip.AddrFromSlice(ip); ok && strings.EqualFold(record.Header().Name, at) {
				f.addrs = append(f.addrs, addr.Unmap())
			}
		}
		if len(f.addrs) > 0 || strings.EqualFold(at, before) {
			return f, nil
		}
	}
	return f, errLoop
}

// ask returns the answer of who knows best: the zone's own servers, if they can
// be reached.
func (r *resolver) ask(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	if r.port != "" {
		for _, server := range r.authorities(ctx, name) {
			answer, err := exchange(ctx, server, name, qtype, false)
			if err == nil && answer.Authoritative && (answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError) {
				return answer, nil
			}
		}
	}
	return r.recursive(ctx, name, qtype)
}

func (r *resolver) recursive(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	err := errors.New("this machine has no name server (/etc/resolv.conf)")
	for _, server := range r.servers[:min(len(r.servers), 3)] {
		var answer *dns.Msg
		if answer, err = exchange(ctx, server, name, qtype, true); err != nil {
			continue
		}
		if answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError {
			return answer, nil
		}
		err = fmt.Errorf("the name server answers %s for %s", dns.RcodeToString[answer.Rcode], normal(name))
	}
	return nil, err
}

// authorities returns the addresses of two servers of the zone that name is in.
func (r *resolver) authorities(ctx context.Context, name string) (servers []string) {
	answer, err := r.recursive(ctx, name, dns.TypeNS)
	if err != nil {
		return nil
	}
	zone := ""
	for _, record := range append(answer.Answer, answer.Ns...) {
		switch record.(type) {
		case *dns.NS, *dns.SOA:
			if zone == "" && dns.IsSubDomain(record.Header().Name, name) {
				zone = strings.ToLower(record.Header().Name)
			}
		}
	}
	if zone == "" {
		return nil
	}
	if servers, ok := r.zones[zone]; ok {
		return servers
	}
	r.zones[zone] = nil
	if answer, err = r.recursive(ctx, zone, dns.TypeNS); err != nil {
		return nil
	}
	for _, record := range answer.Answer {
		if ns, ok := record.(*dns.NS); ok && len(servers) < 2 {
			servers = append(servers, r.server(ctx, ns.Ns)...)
		}
	}
	r.zones[zone] = servers
	return servers
}

// server returns an address of a name server. Who owns a zone chooses what its
// servers are called, so one that is not public is none: it could be anything
// in this machine's network.
func (r *resolver) server(ctx context.Context, name string) []string {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := r.recursive(ctx, name, qtype)
		if err != nil {
			continue
		}
		for _, record := range answer.Answer {
			var ip net.IP
			switch record := record.(type) {
			case *dns.A:
				ip = record.A
			case *dns.AAAA:
				ip = record.AAAA
			}
			if addr, ok := netip.AddrFromSlice(ip); ok && (r.private || everybodys(addr.Unmap())) {
				return []string{net.JoinHostPort(addr.Unmap().String(), r.port)}
			}
		}
	}
	return nil
}

// exchange asks one server one question: by UDP, and by TCP if there is no
// answer in that or not all of it.
func exchange(ctx context.Context, server, name string, qtype uint16, recurse bool) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	question.RecursionDesired = recurse
	question.SetEdns0(1232, false)
	client := &dns.Client{Timeout: dnsPatience}
	answer, _, err := client.ExchangeContext(ctx, question, server)
	if err == nil && !answer.Truncated {
		return answer, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	client.Net = "tcp"
	answer, _, err = client.ExchangeContext(ctx, question, server)
	return answer, err
}

// everybodys tells whether an address is one that everybody can reach.
func everybodys(addr netip.Addr) bool {
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !sharedSpace.Contains(addr)
}

// sharedSpace is what providers use between themselves and customers (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
