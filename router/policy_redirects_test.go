package router_test

import (
	"net/http"
	"testing"

	"github.com/berthhq/berth/router"
)

func TestRedirectsLeadWhereTheirOwnerSaid(t *testing.T) {
	d := guarded(t, router.Policy{Redirects: []router.Redirect{
		{From: "www.test", To: "blog.test"},
		{From: "Old.test", To: "https://new.test/archive/*", Status: 308},
		{From: "port.test", To: "https://blog.test:8443"},
		{From: "blog.test/only", To: "https://elsewhere.test/x?y=1", Status: 302},
		{From: "/feed", To: "/feed.xml", Status: 307},
		{From: "/docs/*", To: "/manual/*"},
		{From: "/ext/*", To: "https://ext.test/*", Status: 303},
		{From: "/gone/*", To: "/sorry"},
	}}, app(t, says("blog")), "www.test", "old.test", "port.test")

	for _, c := range []struct {
		url, location string
		status        int
	}{
		{"https://www.test/", "https://blog.test/", 301},
		{"https://www.test/a%2Fb?x=1;y=%zz", "https://blog.test/a%2Fb?x=1;y=%zz", 301},
		{"http://www.test/a", "http://blog.test/a", 301},
		{"https://WWW.test./a", "https://blog.test/a", 301},
		{"https://www.test//evil.test/", "https://blog.test//evil.test/", 301},
		{"https://old.test/a/b?q", "https://new.test/archive/a/b?q", 308},
		{"https://port.test/a", "https://blog.test:8443/a", 301},
		{"https://blog.test/only?z=2", "https://elsewhere.test/x?y=1", 302},
		{"https://old.test/only", "https://new.test/archive/only", 308},
		{"https://blog.test/feed?a=b", "https://blog.test/feed.xml?a=b", 307},
		{"https://blog.test/docs/a/b", "https://blog.test/manual/a/b", 301},
		{"https://blog.test/docs/", "https://blog.test/manual/", 301},
		{"https://blog.test/docs//evil.test", "https://blog.test/manual/evil.test", 301},
		{"https://blog.test/ext//evil.test", "https://ext.test/evil.test", 303},
		{"https://blog.test/ext/@evil.test", "https://ext.test/@evil.test", 303},
		{"https://blog.test/ext/%0d%0aSet-Cookie:x", "https://ext.test/%0d%0aSet-Cookie:x", 303},
		{"https://blog.test/gone/a/b", "https://blog.test/sorry", 301},
		{"https://blog.test/docs", "", 200},
		{"https://blog.test/feed/", "", 200},
		{"https://blog.test/", "", 200},
		{"http://www.test/.well-known/acme-challenge/x", "", 200},
	} {
		res, _ := d.come("GET", c.url)
		if got := res.Header.Get("Location"); res.StatusCode != c.status || got != c.location {
			t.Errorf("%s: %s to %q, want %d to %q", c.url, res.Status, got, c.status, c.location)
		}
	}
}

func TestAServiceCanBeServedByPlainHTTP(t *testing.T) {
	var plain http.Handler
	d := open(t, func(s *router.Server) {
		s.Plain = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { plain.ServeHTTP(w, req) })
	})
	plain = d.router.Redirect(443)
	addr := app(t, says("blog"))
	d.swap(router.Service{Name: "plain", Hosts: []string{"plain.test"}, Targets: []string{addr}, Policy: router.Policy{PlainHTTP: true}})
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{addr}})

	if res, body := d.come("GET", "http://plain.test/"); res.StatusCode != 200 || body != "blog" {
		t.Errorf("the service that wants it: %s %q", res.Status, body)
	}
	// Whoever connects may say that a proxy has had TLS for them.
	if res, _ := d.come("GET", "http://blog.test/", "X-Forwarded-Proto", "https"); res.StatusCode != 301 {
		t.Errorf("another, for a visitor: %s, want 301", res.Status)
	}
	if err := d.router.SetTrust(router.Trust{Proxies: []string{"127.0.0.0/8"}}); err != nil {
		t.Fatal(err)
	}
	// A redirect would come back for ever.
	if res, body := d.come("GET", "http://blog.test/", "X-Forwarded-Proto", "https"); res.StatusCode != 200 || body != "blog" {
		t.Errorf("for a trusted proxy's visitor by HTTPS: %s %q", res.Status, body)
	}
	if res, _ := d.come("GET", "http://blog.test/", "X-Forwarded-Proto", "http"); res.StatusCode != 301 {
		t.Errorf("for a trusted proxy's visitor by HTTP: %s, want 301", res.Status)
	}
}
