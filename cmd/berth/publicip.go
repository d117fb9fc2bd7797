package main

import (
	"net"
	"net/netip"
)

// notPublic are the ranges that an interface may have and nobody outside can
// reach, beyond those that net/netip knows: shared address space (RFC 6598),
// documentation (RFC 5737, 3849), benchmarks (RFC 2544) and reserved ones.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001:db8::/32"),
}

// publicIP returns the address under which others reach this machine, an IPv4
// one if there is one, as far as its interfaces tell; or the zero Addr.
func publicIP() netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}
	}
	var found netip.Addr
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || !isPublic(prefix.Addr()) {
			continue
		}
		if prefix.Addr().Is4() {
			return prefix.Addr()
		}
		found = prefix.Addr()
	}
	return found
}

// publicIPs returns all the addresses under which others reach this machine:
// the one that is known, and those of its interfaces.
func publicIPs(known netip.Addr) (list []netip.Addr) {
	if known.IsValid() {
		list = append(list, known)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return list
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && isPublic(prefix.Addr()) && prefix.Addr() != known {
			list = append(list, prefix.Addr())
		}
	}
	return list
}

func isPublic(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
