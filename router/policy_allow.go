package router

import (
	"fmt"
	"net/netip"
	"strings"
)

// networks reads addresses and networks. It returns also those that it could
// read when there is one that it could not.
func networks(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	var wrong error
	for _, s := range list {
		p, err := network(strings.TrimSpace(s))
		if err != nil {
			wrong = fmt.Errorf("%q is neither an address (192.0.2.7) nor a network (192.0.2.0/24)", s)
			continue
		}
		all = append(all, p)
	}
	return all, wrong
}

func network(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, err
		}
		if p.Addr().Is4In6() {
			return netip.Prefix{}, fmt.Errorf("%s: write it as IPv4", s)
		}
		return p.Masked(), nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// within reports whether one of the networks has addr, which is neither mapped
// nor has a zone.
func within(all []netip.Prefix, addr netip.Addr) bool {
	for _, p := range all {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// An allow is a list of those who may come in; nil allows all.
type allow struct{ networks []netip.Prefix }

func newAllow(list []string) *allow {
	if len(list) == 0 {
		return nil
	}
	all, _ := networks(list) // what cannot be read lets nobody in
	return &allow{all}
}

func (a *allow) has(addr netip.Addr) bool { return a == nil || within(a.networks, addr) }
