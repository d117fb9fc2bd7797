package router_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

// v2 is a PROXY protocol header, version 2.
func v2(command byte, from, to string, further string) string {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	family := byte(0x21)
	if src.Addr().Is4() {
		family = 0x11
	}
	body := append(src.Addr().AsSlice(), dst.Addr().AsSlice()...)
	body = binary.BigEndian.AppendUint16(body, src.Port())
	body = binary.BigEndian.AppendUint16(body, dst.Port())
	body = append(body, further...)
	head := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family)
	head = binary.BigEndian.AppendUint16(head, uint16(len(body)))
	return string(head) + string(body)
}

// behind opens a door whose listeners hear the PROXY protocol from whom trust
// names.
func behind(t *testing.T, trust router.Trust) *door {
	t.Helper()
	d := open(t, func(s *router.Server) {
		r := s.Plain.(*router.Router)
		s.HTTP, s.HTTPS = r.Listener(s.HTTP), r.Listener(s.HTTPS)
	})
	if err := d.router.SetTrust(trust); err != nil {
		t.Fatal(err)
	}
	return d
}

const request = "GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\n\r\n"

func TestThePROXYProtocolSaysWhoTheVisitorIs(t *testing.T) {
	d := behind(t, router.Trust{ProxyProtocol: []string{"127.0.0.1"}})
	addr, requests := seen(t)
	d.blog(addr)

	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n":  "192.0.2.1",
		"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n": "2001:db8::1",
		"PROXY UNKNOWN\r\n": "127.0.0.1",
		"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n":                  "127.0.0.1",
		v2(1, "192.0.2.1:1", "198.51.100.1:443", ""):                                     "192.0.2.1",
		v2(1, "[2001:db8::1]:1", "[2001:db8::2]:443", "\x04\x00\x03abc"):                 "2001:db8::1",
		v2(1, "[::ffff:192.0.2.1]:1", "[::ffff:198.51.100.1]:443", ""):                   "192.0.2.1",
		v2(0, "192.0.2.1:1", "198.51.100.1:443", ""):                                     "127.0.0.1",
		"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00":                                         "127.0.0.1",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x03abc":                                      "127.0.0.1",
		v2(1, "192.0.2.1:1", "198.51.100.1:443", strings.Repeat("x", 4<<10-12)):          "192.0.2.1",
		"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8::2 65535 65535\r\n": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		res := d.raw(header + request)
		if res.StatusCode != 200 {
			t.Errorf("%q: %s", header, res.Status)
			continue
		}
		if got := within(t, requests, header).Header.Get("X-Forwarded-For"); got != want {
			t.Errorf("%q: the visitor is %s, want %s", header, got, want)
		}
	}

	// Before TLS, and in pieces.
	conn, err := net.Dial("tcp", d.https)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, b := range []byte(v2(1, "192.0.2.9:1", "198.51.100.1:443", "\x04\x00\x01x")) {
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: d.roots, ServerName: "blog.test"})
	io.WriteString(secure, request)
	if res, err := http.ReadResponse(bufio.NewReader(secure), nil); err != nil || res.StatusCode != 200 {
		t.Fatalf("over TLS: %v, %v", res, err)
	}
	got := within(t, requests, "over TLS").Header
	if got.Get("X-Forwarded-For") != "192.0.2.9" || got.Get("X-Forwarded-Port") != "443" || got.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("over TLS: %v, want 192.0.2.9 at 443", got)
	}
}

// A load balancer that forgets the header would have all visitors come from
// its own address, which may be one that is let in; and a visitor whose bytes
// it passes on raw could write the header.
func TestWhoHasToSayWhoTheVisitorIsAndDoesNotIsRefused(t *testing.T) {
	d := behind(t, router.Trust{ProxyProtocol: []string{"127.0.0.1"}})
	addr, requests := seen(t)
	d.blog(addr)

	for _, header := range []string{
		"",
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n",
		"PROXY TCP4  192.0.2.1 198.51.100.1 56324 443\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n",
		"PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n",
		"PROXY TCP6 192.0.2.1 198.51.100.1 1 443\r\n",
		"PROXY TCP6 fe80::1%eth0 fe80::2 1 443\r\n",
		"PROXY UDP4 192.0.2.1 198.51.100.1 1 443\r\n",
		"proxy TCP4 192.0.2.1 198.51.100.1 1 443\r\n",
		"PROXY UNKNOWN " + strings.Repeat("x", 107) + "\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x11\x11\x00\x0c" + strings.Repeat("\x01", 12),
		"\r\n\r\n\x00\r\nQUIT\n\x22\x11\x00\x0c" + strings.Repeat("\x01", 12),
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0b" + strings.Repeat("\x01", 11),
		"\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8" + strings.Repeat("\x01", 216),
		v2(1, "192.0.2.1:1", "198.51.100.1:443", strings.Repeat("x", 4<<10)),
	} {
		conn, err := net.Dial("tcp", d.http)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, header+request)
		answer, _ := io.ReadAll(conn) // a reset is as good as an end
		conn.Close()
		if strings.Contains(string(answer), " 200 ") {
			t.Errorf("%q: %q", header, answer)
		}
	}
	select {
	case req := <-requests:
		t.Errorf("the app got a request from %s", req.Header.Get("X-Forwarded-For"))
	default:
	}
}

func TestNobodyElseIsHeardOverThePROXYProtocol(t *testing.T) {
	d := behind(t, router.Trust{ProxyProtocol: []string{"10.0.0.1"}})
	addr, requests := seen(t)
	d.blog(addr)

	if res := d.raw("PROXY TCP4 10.0.0.1 198.51.100.1 56324 443\r\n" + request); res.StatusCode != 400 {
		t.Errorf("a header from a visitor: %s, want 400", res.Status)
	}
	if res := d.raw(request); res.StatusCode != 200 {
		t.Errorf("none: %s", res.Status)
	}
	if got := within(t, requests, "a request at the app").Header.Get("X-Forwarded-For"); got != "127.0.0.1" {
		t.Errorf("the visitor is %s, want 127.0.0.1", got)
	}
}

// One that connects and says nothing must hold up nobody else.
func TestAPROXYHeaderThatDoesNotComeHoldsUpNobody(t *testing.T) {
	d := behind(t, router.Trust{ProxyProtocol: []string{"127.0.0.1"}})
	d.blog(app(t, says("blog")))
	var silent []net.Conn
	for range 20 {
		conn, err := net.Dial("tcp", d.http)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}

	if res := d.raw("PROXY UNKNOWN\r\n" + request); res.StatusCode != 200 {
		t.Errorf("behind silent connections: %s", res.Status)
	}
	for i, conn := range silent {
		if answer, err := io.ReadAll(conn); err == nil && strings.Contains(string(answer), " 200 ") {
			t.Errorf("silent connection %d got %q", i, answer)
		}
	}
}
