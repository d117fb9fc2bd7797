package router_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/bcrypt"

	"github.com/berthhq/berth/router"
)

// everyWay are a visitor's three ways to an app, each with connections of its
// own.
func (d *door) everyWay() map[string]*http.Client {
	return map[string]*http.Client{"HTTP/1.1": d.client(false), "HTTP/2": d.client(true), "HTTP/3": d.client3()}
}

// What an owner has set is about the app, and not about how a visitor comes.
func TestEverySettingHoldsByEveryProtocol(t *testing.T) {
	d, _ := quicly(t)
	long := strings.Repeat("text that is worth it ", 200)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	talks := app(t, func(w http.ResponseWriter, req *http.Request) {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Server", "secretive/1.0")
		io.WriteString(w, long)
	})
	stalls := app(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	drips := app(t, func(w http.ResponseWriter, req *http.Request) {
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		<-req.Context().Done()
	})
	json := []string{"Accept", "application/json"}
	large := func() io.Reader { return struct{ io.Reader }{io.LimitReader(zeros{}, 2000)} }
	for what, c := range map[string]struct {
		policy  router.Policy
		app     string
		headers []string
		body    func() io.Reader
		status  int
		says    string // in the body
		check   func(*http.Response, string) string
	}{
		"max body, which is told": {policy: router.Policy{MaxBody: 1000}, app: talks, headers: json,
			body: func() io.Reader { return strings.NewReader(strings.Repeat("x", 1001)) }, status: 413, says: `"code":"too-large"`},
		"max body, which shows":   {policy: router.Policy{MaxBody: 1000}, app: talks, headers: json, body: large, status: 413, says: `"code":"too-large"`},
		"max body, which is kept": {policy: router.Policy{MaxBody: 2000}, app: talks, body: large, status: 200, says: long},
		"time for the first byte": {policy: router.Policy{Timeouts: router.Timeouts{FirstByte: 300 * time.Millisecond}}, app: stalls, headers: json, status: 504, says: `"code":"H12"`},
		"time between two bytes": {policy: router.Policy{Timeouts: router.Timeouts{Idle: 300 * time.Millisecond}}, app: drips, status: 200, says: "half",
			check: func(_ *http.Response, body string) string { return wantEnd(body, " and an error") }},
		"HSTS": {policy: router.Policy{HSTS: router.HSTS{MaxAge: time.Hour, Subdomains: true}}, app: talks, status: 200,
			check: func(res *http.Response, _ string) string {
				return header(res, "Strict-Transport-Security", "max-age=3600; includeSubDomains")
			}},
		"allow list, outside": {policy: router.Policy{Allow: []string{"192.0.2.0/24"}}, app: talks, headers: json, status: 403, says: `"code":"not-allowed"`},
		"allow list, inside":  {policy: router.Policy{Allow: []string{"127.0.0.0/8"}}, app: talks, status: 200, says: long},
		"error page": {policy: router.Policy{Pages: map[string]string{"H14": "<b>{{code}} of ours</b>"}}, headers: []string{"Accept", "text/html"}, status: 503, says: "<b>H14 of ours</b>",
			check: func(res *http.Response, _ string) string {
				return header(res, "Content-Type", "text/html; charset=utf-8")
			}},
		"error in JSON": {headers: []string{"Accept", "application/problem+json"}, status: 503, says: `"title":"No web process"`,
			check: func(res *http.Response, _ string) string {
				return header(res, "Content-Type", "application/problem+json") + header(res, "Retry-After", "10")
			}},
		"compression, gzip": {policy: router.Policy{Compression: router.Compression{On: true}}, app: talks, headers: []string{"Accept-Encoding", "gzip"}, status: 200,
			check: func(res *http.Response, body string) string {
				r, err := gzip.NewReader(strings.NewReader(body))
				return header(res, "Content-Encoding", "gzip") + decoded(r, err, long)
			}},
		"compression, zstd": {policy: router.Policy{Compression: router.Compression{On: true}}, app: talks, headers: []string{"Accept-Encoding", "gzip;q=0.5, zstd"}, status: 200,
			check: func(res *http.Response, body string) string {
				r, err := zstd.NewReader(strings.NewReader(body))
				return header(res, "Content-Encoding", "zstd") + decoded(r, err, long)
			}},
		"headers": {policy: router.Policy{Headers: map[string]string{"X-Frame-Options": "DENY", "Server": ""}}, app: talks, status: 200, says: long,
			check: func(res *http.Response, _ string) string {
				return header(res, "X-Frame-Options", "DENY") + header(res, "Server", "")
			}},
		"password, none": {policy: router.Policy{Auth: router.Auth{Users: map[string]string{"ann": string(hash)}}}, app: talks, headers: json, status: 401, says: `"code":"login-needed"`},
		"password, right": {policy: router.Policy{Auth: router.Auth{Users: map[string]string{"ann": string(hash)}}}, app: talks,
			headers: []string{"Authorization", "Basic YW5uOnNlY3JldA=="}, status: 200, says: long},
		"maintenance": {policy: router.Policy{Maintenance: router.Maintenance{On: true}}, app: talks, headers: json, status: 503, says: `"code":"H80"`},
		"redirect": {policy: router.Policy{Redirects: []router.Redirect{{From: "/path", To: "https://wiki.test/other", Status: 308}}}, app: talks, status: 308,
			check: func(res *http.Response, _ string) string { return header(res, "Location", "https://wiki.test/other") }},
	} {
		if err := c.policy.Validate(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		s := router.Service{Name: "blog", Hosts: []string{"blog.test", "blog.example.org"}, Policy: c.policy}
		if c.app != "" {
			s.Targets = []string{c.app}
		}
		d.swap(s)
		for way, client := range d.everyWay() {
			t.Run(what+" by "+way, func(t *testing.T) {
				var body io.Reader
				if c.body != nil {
					body = c.body()
				}
				req, err := http.NewRequest(map[bool]string{false: "GET", true: "POST"}[body != nil], "https://blog.test/path", body)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = "blog.example.org" // HSTS is not for .test
				req.Header.Set("Accept-Encoding", "identity")
				for i := 0; i < len(c.headers); i += 2 {
					req.Header.Set(c.headers[i], c.headers[i+1])
				}

				res, err := client.Transport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				text, err := io.ReadAll(res.Body)
				got := string(text)
				if err != nil {
					got += " and an error"
				}

				if res.StatusCode != c.status || !strings.Contains(got, c.says) || res.Proto[:6] != way[:6] {
					t.Errorf("%s: %s %.200q, want %d and %.100q", res.Proto, res.Status, got, c.status, c.says)
				}
				if c.check != nil {
					if wrong := c.check(res, got); wrong != "" {
						t.Error(wrong)
					}
				}
			})
		}
	}
}

func header(res *http.Response, name, want string) string {
	if got := res.Header.Get(name); got != want {
		return fmt.Sprintf("%s: %q, want %q\n", name, got, want)
	}
	return ""
}

func decoded(r io.Reader, err error, want string) string {
	if err != nil {
		return err.Error()
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != want {
		return fmt.Sprintf("decoded to %d bytes, %v, want %d", len(got), err, len(want))
	}
	return ""
}

func wantEnd(got, want string) string {
	if !strings.HasSuffix(got, want) {
		return fmt.Sprintf("%.200q, want%s", got, want)
	}
	return ""
}

func TestTrailersGoBothWaysByEveryProtocol(t *testing.T) {
	d, _ := quicly(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Trailer", "X-Got")
		n, _ := io.Copy(w, req.Body)
		w.Header().Set("X-Got", fmt.Sprint(n, " ", req.Trailer.Get("X-Sum")))
	}))
	for way, client := range d.everyWay() {
		req, _ := http.NewRequest("POST", "https://blog.test/", nil)
		req.Trailer = http.Header{"X-Sum": nil}
		req.Body, req.ContentLength = io.NopCloser(&atEnd{strings.NewReader("hello"), func() { req.Trailer.Set("X-Sum", "42") }}), -1

		res, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		body := read(t, res.Body)
		res.Body.Close()

		if body != "hello" || res.Trailer.Get("X-Got") != "5 42" {
			t.Errorf("%s: got %q and the trailer %v, want 5 42 in it", way, body, res.Trailer)
		}
	}
}

// atEnd does something when all has been read.
type atEnd struct {
	io.Reader
	do func()
}

func (a *atEnd) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if err == io.EOF {
		a.do()
	}
	return n, err
}

func TestInterimAnswersArePassedOnByEveryProtocol(t *testing.T) {
	d, _ := quicly(t)
	more := make(chan struct{})
	d.blog(app(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, style := range []string{"a", "b"} {
			w.Header().Set("Link", "</"+style+".css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			<-more // the answer comes only after the hints are there
		}
		w.Header().Del("Link")
		io.WriteString(w, "done")
	}))
	for way, client := range d.everyWay() {
		var mu sync.Mutex
		var got []string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprint(code, " ", h.Get("Link")))
			more <- struct{}{}
			return nil
		}}
		req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", "https://blog.test/", nil)

		res, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		body := read(t, res.Body)
		res.Body.Close()

		mu.Lock()
		if hints := strings.Join(got, ", "); hints != "103 </a.css>; rel=preload, 103 </b.css>; rel=preload" || body != "done" || res.Header.Get("Link") != "" {
			t.Errorf("%s: %q, then %s %v %q", way, hints, res.Status, res.Header, body)
		}
		mu.Unlock()
	}
}

// Whatever their visitors speak, all that is under way at an app counts, and
// nothing of it holds up another app.
func TestAnAppThatStallsCostsOnlyItselfByEveryProtocol(t *testing.T) {
	d, _ := quicly(t)
	addr, arrived, finish := slow(t)
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{addr}, Policy: router.Policy{MaxRequests: 6}})
	d.swap(router.Service{Name: "wiki", Hosts: []string{"wiki.test"}, Targets: []string{app(t, says("wiki"))}})
	ways := d.everyWay()
	ask := func(way, host string) (int, string, error) {
		// On the connection that has the requests that stall, where there is one.
		req, _ := http.NewRequest("GET", "https://blog.test/", nil)
		req.Host = host
		res, err := ways[way].Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res.StatusCode, string(body), err
	}
	answers := make(chan error, 6)
	for way := range ways {
		for range 2 {
			go func() {
				status, body, err := ask(way, "blog.test")
				if err == nil && (status != 200 || body != "done") {
					err = fmt.Errorf("%s: got %d %q", way, status, body)
				}
				answers <- err
			}()
			within(t, arrived, "the request")
		}
	}

	for way := range ways {
		if status, body, err := ask(way, "blog.test"); status != 503 || !strings.Contains(body, "H11") {
			t.Errorf("%s: one more got %d %q, %v, want 503 H11", way, status, body, err)
		}
		if status, body, err := ask(way, "wiki.test"); status != 200 || body != "wiki" {
			t.Errorf("%s: the other app says %d %q, %v, want wiki", way, status, body, err)
		}
	}
	var all error
	for range 6 {
		finish <- struct{}{}
		all = errors.Join(all, within(t, answers, "the answer"))
	}
	if all != nil {
		t.Error(all)
	}
}

// A WebSocket is under way for as long as it is open.
func TestWebSocketsCountAmongTheRequestsOfAnApp(t *testing.T) {
	d := open(t)
	ended := make(chan struct{}, 2)
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{echo(t, ended)}, Policy: router.Policy{MaxRequests: 1}})
	first, _ := d.upgrade()

	res := d.raw("GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")

	if body := read(t, res.Body); res.StatusCode != 503 || !strings.Contains(body, "H11") {
		t.Errorf("one more got %s %q, want 503 H11", res.Status, body)
	}
	first.Close()
	within(t, ended, "the first to end")
	until(t, "there is room again", func() bool {
		return d.raw("GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").StatusCode == http.StatusSwitchingProtocols
	})
}

// A host is one by whatever protocol it is named, and no other's is believed.
func TestAHostIsFoundByEveryProtocolHoweverItIsSpelt(t *testing.T) {
	d, _ := quicly(t)
	addr, requests := seen(t)
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test", "my_app.test", "*.wild_card.test", "bücher.test"}, Targets: []string{addr}})
	for way, client := range d.everyWay() {
		for host, found := range map[string]bool{
			"blog.test": true, "BLOG.Test": true, "blog.test.": true, "blog.test:8443": true, "blog.test.:443": true,
			"my_app.test": true, "MY_app.test.": true, "a_b.wild_card.test": true, "xn--bcher-kva.test": true, "XN--bcher-KVA.test.": true,
			"my-app.test": false, "myapp.test": false, "wild_card.test": false, "blog.test.evil.test": false, "evil.test": false, "127.0.0.1": false, "xblog.test": false, "blog.test..": false,
		} {
			req, _ := http.NewRequest("GET", "https://blog.test/", nil)
			req.Host = host
			req.Header.Set("X-Forwarded-Host", "evil.test")

			res, err := client.Do(req)
			if err != nil {
				t.Errorf("%s: %s: %v", way, host, err)
				continue
			}
			body := read(t, res.Body)
			res.Body.Close()

			if !found {
				if res.StatusCode != 404 || !strings.Contains(body, "no-such-app") {
					t.Errorf("%s: %s: %s %q, want 404", way, host, res.Status, body)
				}
				continue
			}
			if got := within(t, requests, way+": "+host); res.StatusCode != 200 || got.Header.Get("X-Forwarded-Host") != got.Host || len(got.Header["X-Forwarded-Host"]) != 1 {
				t.Errorf("%s: %s: %s, the app got %s and %q", way, host, res.Status, got.Host, got.Header["X-Forwarded-Host"])
			}
		}
	}
}
