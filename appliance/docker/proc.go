package docker

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"iter"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// routes returns where this machine has routes to, but for the default one.
func routes() []netip.Prefix {
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil // Docker itself refuses what overlaps a route
	}
	var found []netip.Prefix
	for fields := range rows(table) {
		if len(fields) < 8 {
			continue
		}
		to, ok := parseIP(fields[1])
		mask, ok2 := parseIP(fields[7])
		if !ok || !ok2 || mask.IsUnspecified() {
			continue
		}
		ones := 0
		for _, b := range mask.AsSlice() {
			for ; b&0x80 != 0; b <<= 1 {
				ones++
			}
		}
		found = append(found, netip.PrefixFrom(to, ones))
	}
	return found
}

// embeddedDNS is where Docker's name server listens in every container that
// is on a network of its own.
var embeddedDNS = netip.MustParseAddr("127.0.0.11")

// listening returns what is listened on in the network of a process of this
// machine.
func listening(pid int) ([]netip.AddrPort, error) {
	var found []netip.AddrPort
	for _, table := range []string{"tcp", "tcp6"} {
		content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/net/" + table)
		if errors.Is(err, fs.ErrNotExist) && table == "tcp6" {
			continue // a machine without IPv6
		}
		if err != nil {
			return nil, err
		}
		for fields := range rows(content) {
			const listen = "0A"
			if len(fields) < 4 || fields[3] != listen {
				continue
			}
			if a, ok := parseAddrPort(fields[1]); ok && a.Addr() != embeddedDNS {
				found = append(found, a)
			}
		}
	}
	return found, nil
}

// rows yields the fields of each line of a table of /proc but for its heading.
func rows(table []byte) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		heading := true
		for line := range strings.Lines(string(table)) {
			if !heading && !yield(strings.Fields(line)) {
				return
			}
			heading = false
		}
	}
}

// parseAddrPort reads an address as in "0100007F:1F90".
func parseAddrPort(s string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(s, ":")
	a, ok := parseIP(address)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(a, uint16(n)), ok && err == nil
}

// parseIP reads an address that the kernel has printed word by word, each in
// the byte order of this machine: "0100007F" is 127.0.0.1 on most.
func parseIP(s string) (netip.Addr, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	return netip.AddrFromSlice(b)
}
