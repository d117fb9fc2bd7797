package router_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

func TestPlainHTTPIsSentToHTTPS(t *testing.T) {
	var plain http.Handler
	d := open(t, func(s *router.Server) {
		s.Plain = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { plain.ServeHTTP(w, req) })
	})
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test", "::1"}})
	d.router.Handle("berth.test", says("appliance"))

	for _, c := range []struct {
		port              int
		request, location string
		status            int
	}{
		{443, "GET / HTTP/1.1\r\nHost: blog.test", "https://blog.test/", 301},
		{443, "HEAD /a%2Fb?x=1;y=%zz HTTP/1.1\r\nHost: blog.test", "https://blog.test/a%2Fb?x=1;y=%zz", 301},
		{443, "POST /form HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 0", "https://blog.test/form", 308},
		{443, "GET / HTTP/1.1\r\nHost: BLOG.test.:80", "https://blog.test/", 301},
		{8443, "GET /x HTTP/1.1\r\nHost: blog.test:8080", "https://blog.test:8443/x", 301},
		{8443, "GET / HTTP/1.1\r\nHost: [::1]:8080", "https://[::1]:8443/", 301},
		{443, "GET / HTTP/1.1\r\nHost: berth.test", "https://berth.test/", 301},
		{443, "GET //evil.test/x HTTP/1.1\r\nHost: blog.test", "https://blog.test//evil.test/x", 301},
		{443, "GET http://blog.test/x HTTP/1.1\r\nHost: blog.test", "https://blog.test/x", 301},
		{443, "GET http://blog.test/x HTTP/1.1\r\nHost: evil.test", "", 400},
		// https://blog.test@evil.test/ would lead to evil.test.
		{443, "GET x:@evil.test/ HTTP/1.1\r\nHost: blog.test", "", 400},
		{443, "GET / HTTP/1.1\r\nHost: unknown.test", "", 404},
		{443, "GET http://unknown.test/ HTTP/1.1\r\nHost: unknown.test", "", 404},
	} {
		plain = d.router.Redirect(c.port)
		res := d.raw(c.request + "\r\nConnection: close\r\n\r\n")
		if location := res.Header.Get("Location"); res.StatusCode != c.status || location != c.location {
			t.Errorf("%q at %d: %s to %q, want %d to %q", c.request, c.port, res.Status, location, c.status, c.location)
		}
		if body := read(t, res.Body); strings.Contains(body, "appliance") {
			t.Errorf("%q: %q, want no content in the clear", c.request, body)
		}
	}
}
