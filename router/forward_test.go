package router_test

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// seen starts an app that hands over each request it gets.
func seen(t *testing.T) (addr string, requests <-chan *http.Request) {
	c := make(chan *http.Request, 10)
	return app(t, func(_ http.ResponseWriter, req *http.Request) { c <- req }), c
}

// Attack: www。example.org, with a dot of another script, is found as
// www.example.org, and the app sends its user a link with the host that it was
// given. Read otherwise that is a name below .org, which anybody could have.
func TestAnAppGetsTheHostByWhichItWasFound(t *testing.T) {
	d := open(t)
	addr, requests := seen(t)
	d.swap(router.Service{Name: "blog", Hosts: []string{"www.blog.test", "bücher.test"}, Targets: []string{addr}})

	for sent, want := range map[string]string{
		"www.blog.test": "www.blog.test", "WWW.blog.test:8443": "WWW.blog.test:8443",
		"www\u3002blog.test": "www.blog.test", "www\uff0eblog\uff61test:8443": "www.blog.test:8443", "\uff37ww.blog.test": "www.blog.test",
		"www.blo\u00adg.test": "www.blog.test", "bücher.test:80": "xn--bcher-kva.test:80", "xn--bcher-kva.test": "xn--bcher-kva.test",
	} {
		d.raw("GET / HTTP/1.1\r\nHost: " + sent + "\r\nConnection: close\r\n\r\n")
		got := within(t, requests, sent)
		if got.Host != want || got.Header.Get("X-Forwarded-Host") != want || !strings.Contains(got.Header.Get("Forwarded"), `host="`+want+`"`) {
			t.Errorf("%q: the app got %q, %v, want %q", sent, got.Host, got.Header, want)
		}
	}
}

// Attack: what a visitor may not say in the head, they say behind the body, and
// the app adds one to the other.
func TestTrailersSayNoMoreAboutTheVisitorThanHeaders(t *testing.T) {
	d := open(t)
	trailers := make(chan http.Header, 1)
	d.blog(app(t, func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		trailers <- req.Trailer
	}))

	d.raw("POST / HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Forwarded-For, X-Real-Ip, Client-Ip\r\n\r\n" +
		"1\r\na\r\n0\r\nX-Sum: 1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nClient-IP: 6.6.6.6\r\n\r\n")

	got := within(t, trailers, "the trailers")
	for name, values := range got {
		if len(values) > 0 && name != "X-Sum" {
			t.Errorf("the app got %s: %s", name, values)
		}
	}
	if got.Get("X-Sum") != "1" {
		t.Errorf("trailers = %v, want the sum", got)
	}
}

func TestTheAppLearnsWhereTheRequestCameFrom(t *testing.T) {
	d := open(t)
	addr, requests := seen(t)
	d.blog(addr)
	_, httpPort, _ := net.SplitHostPort(d.http)
	_, httpsPort, _ := net.SplitHostPort(d.https)

	for url, want := range map[string]map[string]string{
		"http://blog.test/":  {"X-Forwarded-Proto": "http", "X-Forwarded-Port": httpPort},
		"https://blog.test/": {"X-Forwarded-Proto": "https", "X-Forwarded-Port": httpsPort},
	} {
		d.get(url)
		got := within(t, requests, "a request at the app")
		want["X-Forwarded-For"] = "127.0.0.1"
		want["X-Forwarded-Host"] = "blog.test"
		for name, value := range want {
			if v := got.Header[name]; len(v) != 1 || v[0] != value {
				t.Errorf("%s: %s = %q, want %q", url, name, v, value)
			}
		}
		if got.Host != "blog.test" {
			t.Errorf("Host = %q, want blog.test", got.Host)
		}
		if id := got.Header.Get("X-Request-Id"); len(id) < 20 {
			t.Errorf("X-Request-Id = %q, want a new one", id)
		}
		if at := got.Header.Get("X-Request-Start"); !regexp.MustCompile(`^\d{13}$`).MatchString(at) {
			t.Errorf("X-Request-Start = %q, want milliseconds", at)
		}
	}
}

// An app that trusts these headers, as it must behind a proxy, would take any
// visitor for any other. Frameworks that follow CGI read X_Forwarded_For as
// X-Forwarded-For, so that spelling is the same attack; naming our headers in
// Connection, to have them removed as hop-by-hop ones, is another.
func TestWhatAVisitorSaysOfItsOriginIsDropped(t *testing.T) {
	d := open(t)
	addr, requests := seen(t)
	d.blog(addr)
	_, port, _ := net.SplitHostPort(d.http)

	d.raw("GET / HTTP/1.1\r\nHost: BLOG.test:81\r\n" +
		"X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n" +
		"X-Forwarded-Proto: evil\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: evil\r\nX-Forwarded-Prefix: evil\r\n" +
		"Forwarded: for=evil\r\nX-Real-IP: evil\r\nX-Request-Start: evil\r\nX_REQUEST_ID: evil\r\nX-Request-Id: e vil\r\n" +
		"X-Custom: kept\r\nConnection: X-Forwarded-For, X-Hop\r\nX-Hop: evil\r\n\r\n")

	got := within(t, requests, "a request at the app")
	for name, values := range got.Header {
		if all := strings.Join(values, " "); strings.Contains(all, "6.6.6.6") || strings.Contains(all, "vil") {
			t.Errorf("the app got %s: %s", name, all)
		}
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "BLOG.test:81", "X-Forwarded-Port": port, "X-Custom": "kept",
	} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s = %q, want %q", name, v, want)
		}
	}
	if got.Host != "BLOG.test:81" {
		t.Errorf("Host = %q, want it as the visitor sent it", got.Host)
	}
}

func TestAGoodRequestIDIsKept(t *testing.T) {
	d := open(t)
	addr, requests := seen(t)
	d.blog(addr)
	const good = "0123456789-abcdef-0123"

	for id, kept := range map[string]bool{good: true, "short": false, strings.Repeat("x", 201): false, good + "<b>": false} {
		d.raw("GET / HTTP/1.1\r\nHost: blog.test\r\nX-Request-Id: " + id + "\r\n\r\n")
		got := within(t, requests, "a request at the app").Header.Get("X-Request-Id")
		if (got == id) != kept {
			t.Errorf("X-Request-Id %q became %q, want kept = %v", id, got, kept)
		}
	}
}

func TestTheRequestLineIsPassedOnAsItIs(t *testing.T) {
	d := open(t)
	addr, requests := seen(t)
	d.blog(addr)

	for _, uri := range []string{"/", "/?", "/a%2Fb/../c//d", "//x", "/?a=1;b=2&c=%zz&&=", "/caf%C3%A9?q=%20+", "/~!$&'()*+,;=:@"} {
		d.raw("GET " + uri + " HTTP/1.1\r\nHost: blog.test\r\n\r\n")
		if got := within(t, requests, "a request at the app").RequestURI; got != uri {
			t.Errorf("the app saw %q, want %q", got, uri)
		}
	}
}

func TestWhatTheAppAnswersIsPassedOn(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/redirect" {
			http.Redirect(w, req, "http://blog.test/elsewhere", http.StatusFound)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "not really gzip")
		w.Header().Set("X-Sum", "42")
	}))

	for _, http2 := range []bool{false, true} {
		res, err := d.client(http2).Get("https://blog.test/")
		if err != nil {
			t.Fatal(err)
		}
		body := read(t, res.Body)
		if res.StatusCode != http.StatusTeapot || body != "not really gzip" || len(res.Header["Set-Cookie"]) != 2 ||
			res.Header.Get("Content-Encoding") != "gzip" || res.Trailer.Get("X-Sum") != "42" || (res.ProtoMajor == 2) != http2 {
			t.Errorf("HTTP/2 %v: %s %v %q trailer %v", http2, res.Proto, res.Status, body, res.Trailer)
		}
		res, err = d.client(http2).Get("https://blog.test/redirect")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "http://blog.test/elsewhere" {
			t.Errorf("HTTP/2 %v: redirect came as %s to %s", http2, res.Status, res.Header.Get("Location"))
		}
	}
}

func TestAKeptConnectionIsUsedAgain(t *testing.T) {
	d := open(t)
	remote := make(chan string, 2)
	d.blog(app(t, func(_ http.ResponseWriter, req *http.Request) { remote <- req.RemoteAddr }))

	d.get("https://blog.test/")
	first := within(t, remote, "the first request")
	d.get("https://blog.test/")

	if second := within(t, remote, "the second request"); second != first {
		t.Errorf("the second request came from %s, want the connection of the first, %s", second, first)
	}
}

func TestATargetThatIsNoLongerUsedLosesItsConnections(t *testing.T) {
	d := open(t)
	closed := make(chan struct{}, 1)
	addr := watched(t, closed)
	other := app(t, says("other"))

	for name, change := range map[string]func(){
		"SetTargets": func() { d.router.SetTargets("blog", []string{other}) },
		"Swap":       func() { d.blog(other) },
		"Remove":     func() { d.router.Remove("blog") },
	} {
		// A connection is also closed when it has been idle for long, which
		// must not be what is seen here. A busy machine gets another chance.
		atOnce := false
		for try := 0; try < 5 && !atOnce; try++ {
			d.blog(addr)
			d.get("https://blog.test/")
			began := time.Now()
			change()
			within(t, closed, name+" to close the kept connection")
			atOnce = time.Since(began) < time.Second
		}
		if !atOnce {
			t.Errorf("%s closed the kept connection only when it had been idle for long", name)
		}
	}
}
