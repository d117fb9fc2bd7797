package certs_test

import (
	"strings"
	"testing"

	certs "github.com/berthhq/berth/tls"
)

func TestOnlyNamesThatAPublicCACouldCertifyArePublic(t *testing.T) {
	for _, host := range []string{
		"example.com", "blog.example.com", "Blog.Example.COM", "blog.example.com.", "a.b.c.d.co.uk",
		"xn--bcher-kva.example.net", "1.2.3.4.example.org", "my-app.dev", "localhost.example.com",
		"notlocal.org", "mysslip.io", "sslip.io.example.com", strings.Repeat("a", 63) + ".com",
	} {
		if !certs.Public(host) {
			t.Errorf("Public(%q) = false, want true", host)
		}
	}
	for _, host := range []string{
		"", ".", "blog", "localhost", "blog.localhost", "LOCALHOST.", "printer.local", "x.internal", "x.test",
		"x.invalid", "x.example", "router.home.arpa", "x.onion",
		"sslip.io", "blog.203-0-113-9.sslip.io", "203.0.113.9.nip.io", "x.NIP.io.",
		"203.0.113.9", "2001:db8::1", "[2001:db8::1]", "::1", "1.2.3.4:443",
		"*.example.com", "a..com", ".com", "-a.com", "a-.com", "a_b.com", "a b.com", "bücher.de", "a/b.com",
		"x'.com", strings.Repeat("a", 64) + ".com", strings.Repeat("abcdefg.", 40) + "com",
	} {
		if certs.Public(host) {
			t.Errorf("Public(%q) = true, want false", host)
		}
	}
}
