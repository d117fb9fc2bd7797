package router_test

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

func TestBrowsersAreToldToComeByHTTPS(t *testing.T) {
	const name = "Strict-Transport-Security"
	own := app(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(name, "max-age=1") })
	silent := app(t, says("blog"))
	hosts := []string{"example.com", "inner.example.com", "localhost", "blog.localhost", "192.0.2.1", "2001:db8::1", "blog.192.0.2.1.sslip.io", "blog.io", "nas"}
	d := open(t)
	client := d.client(false)
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: d.roots, ServerName: "blog.test"}
	get := func(url, host string, headers ...string) []string {
		t.Helper()
		req, _ := http.NewRequest("GET", url, nil)
		req.Host = host
		if len(headers) > 0 {
			req.Header.Set(headers[0], headers[1])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.Header[name]
	}

	policy := router.Policy{HSTS: router.HSTS{MaxAge: time.Hour, Except: []string{"Inner.example.com"}}, MaxBody: 10, Maintenance: router.Maintenance{Allow: []string{"10.0.0.1"}}}
	d.swap(router.Service{Name: "blog", Hosts: hosts, Targets: []string{silent}, Policy: policy})
	for host, want := range map[string]bool{
		"example.com": true, "EXAMPLE.com.:443": true, "blog.io": true,
		"inner.example.com": false, "localhost": false, "blog.localhost:8443": false, "192.0.2.1": false, "[2001:db8::1]": false, "blog.192.0.2.1.sslip.io": false, "nas": false,
	} {
		got := get("https://blog.test/", host)
		if has := len(got) == 1 && got[0] == "max-age=3600"; has != want || !want && got != nil {
			t.Errorf("%s: %q, want it %v", host, got, want)
		}
	}
	if got := get("http://blog.test/", "example.com"); got != nil {
		t.Errorf("by plain HTTP: %q, which browsers ignore (RFC 6797, 8.1)", got)
	}

	for want, h := range map[string]router.HSTS{
		"max-age=15724800; includeSubDomains":          router.DefaultPolicy().HSTS,
		"max-age=31536000; includeSubDomains; preload": {MaxAge: 31536000 * time.Second, Subdomains: true, Preload: true},
		"max-age=0": {MaxAge: time.Hour, Forget: true},
	} {
		d.swap(router.Service{Name: "blog", Hosts: hosts, Targets: []string{silent}, Policy: router.Policy{HSTS: h}})
		if got := get("https://blog.test/", "example.com"); len(got) != 1 || got[0] != want {
			t.Errorf("%+v: %q, want %q", h, got, want)
		}
		// Our own pages say it too, and redirects.
		d.swap(router.Service{Name: "blog", Hosts: hosts, Policy: router.Policy{HSTS: h}})
		if got := get("https://blog.test/", "example.com"); len(got) != 1 || got[0] != want {
			t.Errorf("%+v: a page says %q, want %q", h, got, want)
		}
		d.swap(router.Service{Name: "blog", Hosts: hosts, Policy: router.Policy{HSTS: h, Redirects: []router.Redirect{{From: "example.com", To: "www.example.com"}}}})
		if got := get("https://blog.test/", "example.com"); len(got) != 1 || got[0] != want {
			t.Errorf("%+v: a redirect says %q, want %q", h, got, want)
		}
	}
	d.swap(router.Service{Name: "blog", Hosts: hosts, Targets: []string{own}, Policy: policy})
	if got := get("https://blog.test/", "example.com"); len(got) != 1 || got[0] != "max-age=1" {
		t.Errorf("an app that speaks for itself: %q, want its own", got)
	}
	d.swap(router.Service{Name: "blog", Hosts: hosts, Targets: []string{silent}})
	if got := get("https://blog.test/", "example.com"); got != nil {
		t.Errorf("the zero policy says %q, want nothing", got)
	}
}
