package router_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

func TestAServiceHasPagesOfItsOwn(t *testing.T) {
	pages := map[string]string{
		"H14": "<h1>ours: {{status}} {{code}} {{title}}</h1>{{text}} {{request}}", "502": "<p>ours: bad gateway {{code}}", "default": "<p>ours: {{status}} {{unknown}}",
	}
	closed := listen(t)
	closed.Close()
	breaks := app(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })

	for _, c := range []struct {
		service      router.Service
		accept, want string
		contentType  string
	}{
		{router.Service{}, "text/html", "<h1>ours: 503 H14 No web process</h1>This app has no web process running. ", "text/html; charset=utf-8"},
		{router.Service{}, "application/json", `{"status":503,"code":"H14",`, "application/json"},
		{router.Service{}, "*/*", "503 No web process (H14)", "text/plain; charset=utf-8"},
		{router.Service{Targets: []string{breaks}}, "text/html", "<p>ours: bad gateway H13", "text/html; charset=utf-8"},
		{router.Service{Policy: router.Policy{Allow: []string{"10.0.0.1"}}}, "text/html", "<p>ours: 403 {{unknown}}", "text/html; charset=utf-8"},
	} {
		d := open(t)
		c.service.Name, c.service.Hosts, c.service.Policy.Pages = "blog", []string{"blog.test"}, pages
		d.swap(c.service)
		res, body := d.come("GET", "https://blog.test/", "Accept", c.accept)
		if !strings.HasPrefix(body, c.want) || res.Header.Get("Content-Type") != c.contentType || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%+v for %s: %v %q, want %q", c.service, c.accept, res.Header, body, c.want)
		}
		if csp := res.Header.Get("Content-Security-Policy"); csp != "" {
			t.Errorf("%+v: the owner's page may load nothing: %s", c.service, csp)
		}
	}
}

func TestAnAppsErrorWithoutAWordGetsThePageIfWanted(t *testing.T) {
	addr := app(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-App", "1")
		switch req.URL.Path {
		case "/empty":
			w.WriteHeader(500)
		case "/absent":
			w.WriteHeader(404)
		case "/words":
			http.Error(w, "the app's own words", 500)
		case "/streamed":
			w.WriteHeader(500)
			w.(http.Flusher).Flush()
		case "/good":
		}
	})
	pages := map[string]string{"500": "<p>ours: {{code}} {{title}} {{request}}"}
	wanted := guarded(t, router.Policy{Pages: pages, PagesForEmpty: true}, addr)
	unwanted := guarded(t, router.Policy{Pages: pages}, addr)

	for _, c := range []struct {
		d                          *door
		method, path, accept, want string
		status                     int
	}{
		{wanted, "GET", "/empty", "text/html", "<p>ours: 500 Internal Server Error ", 500},
		{wanted, "HEAD", "/empty", "text/html", "", 500},
		{wanted, "GET", "/empty", "*/*", "", 500},
		{wanted, "GET", "/absent", "text/html", "", 404},
		{wanted, "GET", "/words", "text/html", "the app's own words\n", 500},
		{wanted, "GET", "/streamed", "text/html", "", 500},
		{wanted, "GET", "/good", "text/html", "", 200},
		{unwanted, "GET", "/empty", "text/html", "", 500},
	} {
		res, body := c.d.come(c.method, "https://blog.test"+c.path, "Accept", c.accept)
		if res.StatusCode != c.status || !strings.HasPrefix(body, c.want) || c.want == "" && body != "" || res.Header.Get("X-App") != "1" {
			t.Errorf("%s %s for %s: %s %v %q, want %q", c.method, c.path, c.accept, res.Status, res.Header, body, c.want)
		}
	}
}
