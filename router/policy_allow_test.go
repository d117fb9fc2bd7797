package router_test

import (
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

func TestOnlyAddressesThatAreAllowedComeIn(t *testing.T) {
	d := guarded(t, router.Policy{Allow: []string{"192.0.2.7", "10.0.0.0/8", " 2001:db8::/32 "}}, app(t, says("blog")))

	for from, want := range map[string]int{
		"192.0.2.7": 200, "10.255.0.1": 200, "2001:db8::1": 200, "::ffff:10.0.0.1": 200, "[2001:db8::1]:443": 200, "10.0.0.1:80": 200,
		"192.0.2.8": 403, "11.0.0.1": 403, "2001:db9::1": 403, "::ffff:11.0.0.1": 403, "127.0.0.1": 403, "nonsense": 403, "": 403,
		// The visitor adds to the left, the proxy to the right.
		"10.0.0.1, 6.6.6.6": 403, "6.6.6.6, 10.0.0.1": 200, "10.0.0.1, 6.6.6.6, 127.0.0.1": 403, "10.0.0.1, nonsense": 403,
	} {
		res, body := d.come("GET", "https://blog.test/", "X-Forwarded-For", from)
		if res.StatusCode != want {
			t.Errorf("from %q: %s, want %d", from, res.Status, want)
		}
		if want == 403 && (!strings.Contains(body, "not-allowed") || strings.Contains(body, "10.0.0")) {
			t.Errorf("from %q: %q, want our page, and nothing of who may", from, body)
		}
	}
}

func TestMaintenanceIsForAllButThoseWhoWorkOnIt(t *testing.T) {
	d := guarded(t, router.Policy{
		Maintenance: router.Maintenance{On: true, HTML: "<h1>Back at nine</h1> {{code}} {{request}}", RetryAfter: 90_000_000_000, Allow: []string{"10.0.0.1"}},
		Auth:        router.Auth{Users: map[string]string{"ann": hash(t, "secret")}},
	}, app(t, says("blog")))

	res, body := d.come("GET", "https://blog.test/", "Accept", "text/html")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "90" || res.Header.Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(body, "<h1>Back at nine</h1> H80 ") || !strings.Contains(body, res.Header.Get("X-Request-Id")) {
		t.Errorf("a browser got %s %v %q", res.Status, res.Header, body)
	}
	if res, body := d.come("GET", "https://blog.test/", "Accept", "application/json"); res.StatusCode != 503 || !strings.Contains(body, `"code":"H80"`) {
		t.Errorf("a program got %s %q, want JSON", res.Status, body)
	}
	if res, body := d.come("GET", "https://blog.test/", "X-Forwarded-For", "10.0.0.1", "Authorization", basic("ann", "secret")); res.StatusCode != 200 || body != "blog" {
		t.Errorf("who works on it got %s %q", res.Status, body)
	}

	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Policy: router.Policy{Maintenance: router.Maintenance{On: true}}})
	if res, body := d.come("GET", "https://blog.test/", "Accept", "text/html"); res.StatusCode != 503 || res.Header.Get("Retry-After") != "300" || !strings.Contains(body, "Down for maintenance") {
		t.Errorf("without HTML: %s %v %q", res.Status, res.Header, body)
	}
}
