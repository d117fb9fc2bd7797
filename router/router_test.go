package router_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

func TestAHostLeadsToItsServiceHoweverItIsSpelt(t *testing.T) {
	r := router.New(nil)
	addr := app(t, says("blog"))
	if _, err := r.Swap(router.Service{Name: "blog", Hosts: []string{"Blog.test", "[::1]", "192.0.2.7"}, Targets: []string{addr}}); err != nil {
		t.Fatal(err)
	}

	for host, want := range map[string]int{
		"blog.test":           200,
		"BLOG.test":           200,
		"blog.test:8443":      200,
		"blog.test.":          200,
		"blog.test.:443":      200,
		"[::1]":               200,
		"[::1]:443":           200,
		"[0:0:0:0:0:0:0:1]:1": 200,
		"192.0.2.7:80":        200,
		"":                    404,
		"test":                404,
		"x.blog.test":         404,
		"blog.test..":         404,
		"blog.test@evil.test": 404,
		"[::2]":               404,
		"[":                   404,
		":443":                404,
	} {
		w := httptest.NewRecorder()
		req := httptest.NewRequest("GET", "/", nil)
		req.Host = host
		r.ServeHTTP(w, req)
		if w.Code != want || r.Serves(host) != (want == 200) {
			t.Errorf("host %q: status %d, serves %v, want status %d", host, w.Code, r.Serves(host), want)
		}
	}
}

func TestAHostThatIsTakenChangesNothing(t *testing.T) {
	d := open(t)
	d.router.Handle("berth.test", says("appliance"))
	d.blog(app(t, says("blog")))
	other := app(t, says("other"))

	for _, host := range []string{"blog.test", "BERTH.test."} {
		old, err := d.router.Swap(router.Service{Name: "other", Hosts: []string{"free.test", host}, Targets: []string{other}})
		if !errors.Is(err, router.ErrHostTaken) || old != nil {
			t.Errorf("Swap with %s = %v, %v, want ErrHostTaken", host, old, err)
		}
	}

	if d.router.Serves("free.test") {
		t.Error("free.test is served, want a refused swap to change nothing")
	}
	for url, want := range map[string]string{"https://blog.test/": "blog", "https://berth.test/": "appliance"} {
		if _, body := d.get(url); body != want {
			t.Errorf("%s says %q, want %q", url, body, want)
		}
	}
}

func TestASwapReplacesTheHostsToo(t *testing.T) {
	d := open(t)
	addr := app(t, says("blog"))
	d.swap(router.Service{Name: "blog", Hosts: []string{"old.test", "both.test"}, Targets: []string{addr}})

	d.swap(router.Service{Name: "blog", Hosts: []string{"both.test", "new.test"}, Targets: []string{addr}})

	for host, want := range map[string]bool{"old.test": false, "both.test": true, "new.test": true} {
		if got := d.router.Serves(host); got != want {
			t.Errorf("Serves(%s) = %v, want %v", host, got, want)
		}
	}
	if old := d.router.Remove("blog"); old == nil {
		t.Error("Remove = nil, want what served")
	}
	if old := d.router.Remove("blog"); old != nil {
		t.Error("the second Remove returned a generation, want nil")
	}
	if status, _ := d.get("https://both.test/"); status != 404 {
		t.Errorf("status after Remove = %d, want 404", status)
	}
}

// Whoever may connect can send any Host with any SNI and any form of request
// line; none of it may lead to an app by another name than its own.
func TestAnUnknownHostGetsAPageThatNamesNoApp(t *testing.T) {
	d := open(t)
	d.blog(app(t, says("secret of blog")))

	answers := map[string]*http.Response{
		"plain":         d.raw("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n"),
		"no host":       d.raw("GET / HTTP/1.0\r\n\r\n"),
		"absolute form": d.raw("GET http://unknown.test/ HTTP/1.1\r\nHost: unknown.test\r\n\r\n"),
		"SNI of blog":   d.sni("blog.test", "GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n"),
		"no SNI":        d.sni("", "GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n"),
		"forwarded":     d.raw("GET / HTTP/1.1\r\nHost: unknown.test\r\nX-Forwarded-Host: blog.test\r\nForwarded: host=blog.test\r\n\r\n"),
	}

	for name, res := range answers {
		body := read(t, res.Body)
		if res.StatusCode != 404 || strings.Contains(body, "blog") || !strings.Contains(body, "no-such-app") {
			t.Errorf("%s: %d %q, want 404 and no word of blog", name, res.StatusCode, body)
		}
	}
}

// Attack: one proxy goes by the one host, and the next by the other.
func TestAnAbsoluteFormRequestNamesTheHostOfItsHostField(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) { fmt.Fprint(w, req.Host, req.RequestURI) }))

	res := d.raw("GET http://blog.test/a?b HTTP/1.1\r\nHost: blog.test\r\n\r\n")
	if body := read(t, res.Body); body != "blog.test/a?b" {
		t.Errorf("the app saw %q, want blog.test/a?b", body)
	}

	for _, host := range []string{"unknown.test", "blog.test:80", "", "blog.test\r\nHost: unknown.test"} {
		if res := d.raw("GET http://blog.test/ HTTP/1.1\r\nHost: " + host + "\r\n\r\n"); res.StatusCode != 400 {
			t.Errorf("with Host: %q it got %s, want 400", host, res.Status)
		}
	}
}

func TestRequestsThatMakeNoSenseAreRefused(t *testing.T) {
	d := open(t)
	d.blog(app(t, says("blog")))

	for _, request := range []string{
		"GET / HTTP/1.1\r\n\r\n", // no Host
		"GET / HTTP/1.1\r\nHost: blog.test\r\nHost: wiki.test\r\n\r\n", // two
		"GET / HTTP/1.1\r\nHost: blog.test/x y\r\n\r\n",
		"CONNECT blog.test:443 HTTP/1.1\r\nHost: blog.test\r\n\r\n",
		"GET x:y HTTP/1.1\r\nHost: blog.test\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
	} {
		if res := d.raw(request); res.StatusCode != 400 {
			t.Errorf("%q got %s, want 400", request, res.Status)
		}
	}
}

func (d *door) sni(name, request string) *http.Response {
	d.t.Helper()
	conn, err := tls.Dial("tcp", d.https, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	io.WriteString(conn, request)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return res
}
