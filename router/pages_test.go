package router_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

func TestPagesHaveTheFormThatTheVisitorAsksFor(t *testing.T) {
	d := open(t)
	d.blog()

	for url, words := range map[string][]string{
		"https://blog.test/":    {"503", "H14", "No web process"},
		"https://unknown.test/": {"404", "no-such-app", "nothing here"},
	} {
		for accept, want := range map[string]string{
			"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8": "text/html; charset=utf-8",
			"*/*":                               "text/plain; charset=utf-8",
			"":                                  "text/plain; charset=utf-8",
			"application/json":                  "application/json",
			"application/json, text/plain, */*": "application/json",
			"application/problem+json":          "application/problem+json",
			"application/vnd.api+json":          "application/json",
			"application/json;q=0.5, text/html;q=0.4":      "application/json",
			"application/json;q=0.4, TEXT/HTML ; q=0.5":    "text/html; charset=utf-8",
			"application/json;q=0, text/html;q=0":          "text/plain; charset=utf-8",
			"image/avif,image/webp,*/*;q=0.8":              "text/plain; charset=utf-8",
			"application/json;q=7, text/html;q=nan, */*;q": "text/plain; charset=utf-8",
		} {
			req, _ := http.NewRequest("GET", url, nil)
			req.Header.Set("Accept", accept)
			res, err := d.client(true).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := read(t, res.Body)
			res.Body.Close()
			if got := res.Header.Get("Content-Type"); got != want || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s for %q: %v, want %s that is not stored", url, accept, res.Header, want)
			}
			if isHTML := strings.Contains(body, "<h1>"); isHTML != strings.HasPrefix(want, "text/html") {
				t.Errorf("%s for %q: the body is %q", url, accept, body)
			}
			if isJSON := json.Valid([]byte(body)); isJSON != strings.HasSuffix(want, "json") {
				t.Errorf("%s for %q: the body is %q", url, accept, body)
			}
			for _, word := range words {
				if !strings.Contains(body, word) {
					t.Errorf("%s for %q: %q is missing in %q", url, accept, word, body)
				}
			}
			if strings.Contains(body, "blog") {
				t.Errorf("%s for %q names the app: %q", url, accept, body)
			}
		}
	}
}

// The request's id is the one thing on a page that a visitor can choose.
func TestAPageEscapesWhatTheVisitorSent(t *testing.T) {
	d := open(t)
	d.blog()

	res := d.raw("GET /<script> HTTP/1.1\r\nHost: blog.test\r\nAccept: text/html\r\nX-Request-Id: <script>alert(1)</script>\r\nConnection: close\r\n\r\n")

	if body := read(t, res.Body); strings.Contains(body, "<script>") || !strings.Contains(body, res.Header.Get("X-Request-Id")) {
		t.Errorf("body = %q, want our own request id and no script", body)
	}
}

func TestAPageHasNoBodyForHEAD(t *testing.T) {
	d := open(t)
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}})

	res, err := d.client(false).Head("https://unknown.test/")
	if err != nil {
		t.Fatal(err)
	}

	if body, _ := io.ReadAll(res.Body); len(body) > 0 || res.StatusCode != 404 || res.ContentLength <= 0 {
		t.Errorf("HEAD got %s, length %d, %q", res.Status, res.ContentLength, body)
	}
	for _, proto := range []bool{false, true} {
		if res, err = d.client(proto).Head("https://blog.test/"); err != nil || res.StatusCode != 503 || res.ContentLength <= 0 {
			t.Fatalf("HEAD got %v, %v", res, err)
		}
	}
	if got := written(t, d.router.Metrics())["berth_router_response_bytes_total{app=blog}"]; got != 0 {
		t.Errorf("%v bytes are counted, and none went out", got)
	}
}

// speaks starts a target that answers everything with the same bytes, and
// hangs up.
func speaks(t *testing.T, answer string) string {
	t.Helper()
	return accepts(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		io.WriteString(conn, answer)
		conn.Close()
	})
}

func TestEachWayToFailHasItsCode(t *testing.T) {
	closed := listen(t)
	closed.Close()
	d := open(t)

	for want, s := range map[string]router.Service{
		"503 H14":         {},
		"502 H21":         {Targets: []string{closed.Addr().String()}},
		"502 H13":         {Targets: []string{speaks(t, "")}},
		"502 H17":         {Targets: []string{speaks(t, "220 mail.test ESMTP\r\n")}},
		"503 H80":         {Policy: router.Policy{Maintenance: router.Maintenance{On: true}}},
		"403 not-allowed": {Policy: router.Policy{Allow: []string{"192.0.2.1"}}},
	} {
		s.Name, s.Hosts = "blog", []string{"blog.test"}
		d.swap(s)
		res, body := d.come("GET", "https://blog.test/", "Accept", "application/json")
		status, code, _ := strings.Cut(want, " ")
		if !strings.HasPrefix(res.Status, status) || !strings.Contains(body, `"code":"`+code+`"`) {
			t.Errorf("%s %s, want %s", res.Status, body, want)
		}
		again, retry := strings.HasPrefix(res.Status, "503") || code == "H21", res.Header.Get("Retry-After")
		if again != (retry != "") {
			t.Errorf("%s: Retry-After %q", want, retry)
		}
	}
}
