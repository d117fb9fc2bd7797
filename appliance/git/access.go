package git

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/berthhq/berth/appliance"
)

// An Access is what may be reached on somebody's behalf, and with what. The
// zero Access reaches public addresses, as nobody in particular.
type Access struct {
	// Anywhere is set for whoever may also reach this machine itself and the
	// private networks around it.
	Anywhere bool

	// Hosts are the hosts that an admin has allowed: "git.example.org", or
	// "[git.example.org]:2222" for another port than SSH's own. They may be in
	// a private network. Each has the public keys that it shows over SSH, as
	// lines of authorized_keys.
	Hosts map[string][]string

	Keys   []string         // private keys for SSH, in PEM
	Logins map[string]Login // by scheme and host: "https://git.example.org"
}

// A Login is a name and a password, or a token.
type Login struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// A ReachError says that an address is not for whoever asked.
type ReachError struct{ Addr string }

func (e *ReachError) Error() string {
	return fmt.Sprintf("%s is an address of this machine or of a private network", e.Addr)
}

// allows tells whether an admin has allowed the host, whatever its port.
func (a Access) allows(host string) bool {
	for known := range a.Hosts {
		if name, _ := splitHost(known); strings.EqualFold(name, host) {
			return true
		}
	}
	return false
}

// Dial connects to addr if it may be reached. What counts is the address that
// is connected to, not what a name led to a moment ago.
func (a Access) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 30 * time.Second}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if !a.Anywhere && !a.allows(host) {
		d.ControlContext = func(_ context.Context, _, addr string, _ syscall.RawConn) error { return public(addr) }
	}
	conn, err := d.DialContext(ctx, network, addr)
	return conn, explainReach(err, host)
}

// resolve returns an address of host that may be reached.
func (a Access) resolve(ctx context.Context, host string) (netip.Addr, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	if a.Anywhere || a.allows(host) {
		return found[0].Unmap(), nil
	}
	for _, ip := range found {
		if err = public(netip.AddrPortFrom(ip, 0).String()); err == nil {
			return ip.Unmap(), nil
		}
	}
	return netip.Addr{}, explainReach(err, host)
}

// explainReach adds to a ReachError what can be done.
func explainReach(err error, host string) error {
	if err == nil || !asReach(err) {
		return err
	}
	return appliance.WithHint(err, "an admin can allow the host: git:allow-host "+host)
}

// special are the networks that are not the public Internet, beside those
// that package netip knows.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // of providers, for their customers
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), // stand for IPv4 addresses
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("fec0::/10"),
}

// public returns nil if addr, host:port, is one of the public Internet, and
// not of this machine.
func public(addr string) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	inside := func(p netip.Prefix) bool { return p.Contains(ip) }
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || slices.ContainsFunc(special, inside) || ours(ip) {
		return &ReachError{ip.String()}
	}
	return nil
}

// ours tells whether this machine has the address. What it does not let in
// from outside may be reached from inside.
func ours(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // to be safe
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap() == ip
	})
}

// splitHost takes "[host]:port" and "host" apart.
func splitHost(s string) (host, port string) {
	if host, port, err := net.SplitHostPort(s); err == nil {
		return host, port
	}
	return strings.Trim(s, "[]"), ""
}
