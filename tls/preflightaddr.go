package certs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// addresses finds whether the name leads to this machine, and nowhere else.
func (c *check) addresses(ctx context.Context) {
	four, err := c.dns.addresses(ctx, c.name, dns.TypeA)
	six, err6 := c.dns.addresses(ctx, c.name, dns.TypeAAAA)
	if errors.Is(err, errLoop) || errors.Is(err6, errLoop) {
		c.problem(fmt.Sprintf("the CNAMEs of %s lead in a circle", c.name), "set "+c.records()+" instead of the CNAME")
		return
	}
	if err != nil || err6 != nil {
		if err == nil {
			err = err6
		}
		c.warn(fmt.Sprintf("the DNS of %s could not be asked: %v", c.name, err), "")
	}
	addrs := slices.Concat(four.addrs, six.addrs)
	if len(addrs) == 0 {
		if err == nil && err6 == nil {
			c.absent(four)
		}
		return
	}
	var elsewhere []netip.Addr
	chain := four.chain
	if len(chain) == 0 {
		chain = six.chain
	}
	for _, addr := range addrs[:min(len(addrs), 8)] {
		if !c.place(ctx, addr) {
			elsewhere = append(elsewhere, addr)
		}
	}
	for _, addr := range elsewhere {
		right := slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Is4() == addr.Is4() && !slices.Contains(elsewhere, a) })
		c.wrong(addr, chain, right)
	}
}

// absent says that the name leads nowhere.
func (c *check) absent(f found) {
	what, instead := "", ""
	if len(f.chain) > 0 {
		what = fmt.Sprintf("%s is a CNAME for %s, which has no address", c.name, f.chain[len(f.chain)-1])
		instead = " instead of the CNAME"
	} else {
		what = c.name + " has no A record"
		if len(c.mine(true)) == 0 && len(c.mine(false)) > 0 {
			what = c.name + " has no AAAA record"
		}
	}
	c.problem(what, "set "+c.records()+instead)
}

// wrong says that the name leads to another machine, too or only.
func (c *check) wrong(addr netip.Addr, chain []string, right bool) {
	kind := "AAAA"
	if addr.Is4() {
		kind = "A"
	}
	has, instead := c.name+" has ", ""
	if len(chain) > 0 {
		has = fmt.Sprintf("%s is a CNAME for %s, which has ", c.name, chain[len(chain)-1])
		instead = " instead of the CNAME"
	}
	what := fmt.Sprintf("%s%s %s, which is not this machine", has, kind, addr)
	if !everybodys(addr) && !c.p.private {
		what = fmt.Sprintf("%s%s %s, which nobody outside can reach", has, kind, addr)
	}
	mine := c.mine(addr.Is4())
	switch {
	case len(chain) > 0:
		c.problem(what, "set "+c.records()+instead)
	case right || len(mine) == 0 && len(c.p.Addresses) > 0:
		c.problem(what, "remove it")
	case addr.Is4():
		c.problem(what, "set "+c.records())
	default:
		c.problem(what, fmt.Sprintf("remove it, or set it to %s", mine[0]))
	}
}

// records are those that would lead to this machine.
func (c *check) records() string {
	kind, addrs := "A", c.mine(true)
	if len(addrs) == 0 {
		if addrs = c.mine(false); len(addrs) == 0 {
			return c.name + ". A to the address of this machine"
		}
		kind = "AAAA"
	}
	return fmt.Sprintf("%s. %s %s", c.name, kind, addrs[0])
}

// mine are the machine's addresses of one family.
func (c *check) mine(four bool) (list []netip.Addr) {
	for _, addr := range c.p.Addresses {
		if addr = addr.Unmap(); addr.IsValid() && addr.Is4() == four {
			list = append(list, addr)
		}
	}
	return list
}

// place finds what is at an address that the name leads to. It returns false
// if that is certainly another machine.
func (c *check) place(ctx context.Context, addr netip.Addr) bool {
	here := onInterface(addr)
	known := here || slices.Contains(c.mine(addr.Is4()), addr)
	if !everybodys(addr) && !c.p.private {
		// What is asked for comes from outside, and so may the answer's place:
		// the machine's own network is not looked around in.
		if c.public() || !known {
			return false
		}
	}
	ports := []int{c.p.HTTPPort, c.p.HTTPSPort}
	if ports[0] == 0 {
		ports[0] = 80
	}
	if ports[1] == 0 {
		ports[1] = 443
	}
	plain, secure := c.m.probe(ctx, c.name, addr, ports[0], ports[1])
	switch {
	case ctx.Err() != nil:
		c.warn(fmt.Sprintf("there was no time to check where %s leads", addr), "")
	case plain == us && secure == us:
	case plain == us || secure == us:
		// It can be proven by the one, and visitors come by both.
		other, whose := ports[0], plain
		if plain == us {
			other, whose = ports[1], secure
		}
		if whose == nobody {
			c.warn(fmt.Sprintf("port %d of %s does not answer, and the other one does", other, addr), "see to it that firewalls and routers let it in")
			break
		}
		c.warn(fmt.Sprintf("port %d of %s is answered by something else than Berth", other, addr), "find what has it, as in: docker ps; ss -ltnp; nft list ruleset")
	case c.p.Proxied != nil && c.p.Proxied(addr):
		c.warn(fmt.Sprintf("%s leads to a proxy (%s), so that it could not be checked whether that leads here", c.name, addr), "")
	case here && plain == another && secure == another:
		c.problem(fmt.Sprintf("ports %d and %d of %s are answered by something else than Berth", ports[0], ports[1], addr),
			"find what has them, as in: docker ps; ss -ltnp; nft list ruleset")
	case known:
		c.warn(fmt.Sprintf("it could not be checked from here whether ports %d and %d of %s lead to this machine", ports[0], ports[1], addr),
			"see to it that firewalls and routers let them in")
	case len(c.p.Addresses) == 0:
		c.warn(fmt.Sprintf("it could not be checked whether %s, where %s leads, is this machine, whose public address is not known", addr, c.name),
			"if it is, start the daemon with BERTH_IP="+addr.String())
	default:
		return false
	}
	return true
}

// onInterface tells whether a network interface of this machine has addr.
func onInterface(addr netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		return strings.HasPrefix(a.String(), addr.String()+"/")
	})
}
