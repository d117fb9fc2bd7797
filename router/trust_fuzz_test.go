package router

import (
	"net/http"
	"net/netip"
	"testing"
)

// Whatever a visitor sends, a proxy adds the visitor's address behind it, and
// that is who they are.
func FuzzWhatAVisitorSaysOfItself(f *testing.F) {
	for _, said := range []string{"", "6.6.6.6", "6.6.6.6, 127.0.0.1", `for="6.6.6.6`, `for=6.6.6.6;by="`, ",,", "127.0.0.1,", "[::1", "\x00"} {
		f.Add(said)
	}
	proxies := Trust{Proxies: []string{"127.0.0.1", "10.0.0.0/8", "cloudflare"}}
	forwardedFor, err := proxies.compile()
	if err != nil {
		f.Fatal(err)
	}
	proxies.Header = "Forwarded"
	forwarded, err := proxies.compile()
	if err != nil {
		f.Fatal(err)
	}
	visitor := netip.MustParseAddr("192.0.2.1")
	f.Fuzz(func(t *testing.T, said string) {
		for _, lines := range [][]string{{said + ", 192.0.2.1, 10.0.0.1"}, {said, "192.0.2.1,10.0.0.1"}, {said + ",192.0.2.1", "10.0.0.1"}} {
			req := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{
				"X-Forwarded-For": lines, "Forwarded": {said}, "Cf-Connecting-Ip": {said}, "X-Real-Ip": {said},
			}}
			if c := forwardedFor.clientOf(req); c.addr != visitor {
				t.Errorf("X-Forwarded-For %q: %v", lines, c.addr)
			}
		}
		for _, lines := range [][]string{{said + ", for=192.0.2.1"}, {said, `For="192.0.2.1:99";proto=http`}} {
			req := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"Forwarded": lines, "X-Forwarded-For": {said}}}
			if c := forwarded.clientOf(req); c.addr != visitor {
				t.Errorf("Forwarded %q: %v", lines, c.addr)
			}
		}
	})
}
