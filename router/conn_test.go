package router_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// dial opens a connection over TLS and sends what no client would.
func (d *door) dial(text string) (net.Conn, *bufio.Reader) {
	d.t.Helper()
	conn, err := tls.Dial("tcp", d.https, &tls.Config{ServerName: "blog.test", RootCAs: d.roots})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(conn, text)
	return conn, bufio.NewReader(conn)
}

// Attack: the app takes for a second request what the door takes for the body
// of the first, so that it gets by whatever the door would have said to it. So
// whatever the door refuses, the app sees nothing of, and the connection ends.
func TestNothingOfASmuggledRequestReachesTheApp(t *testing.T) {
	d := open(t)
	var seen atomic.Int32
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		if req.URL.Path == "/smuggled" {
			seen.Add(1)
		}
	}))
	const inner = "GET /smuggled HTTP/1.1\r\nHost: blog.test\r\n\r\n"

	for name, text := range map[string]string{
		"CL.TE":           "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"TE in HTTP/1.0":  "POST / HTTP/1.0\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"TE with a space": "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner,
		"TE continued":    "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + inner,
		"two lengths":     "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n" + inner,
		"bare LF":         "POST / HTTP/1.1\r\nHost: blog.test\r\nX: y\nContent-Length: 44\r\n\r\n" + inner,
		"chunk of minus":  "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + inner,
		"chunk in hex":    "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + inner,
		"chunk too long":  "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + inner,
		"chunk's bare LF": "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n" + inner,
		"trailer's LF":    "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\n" + inner,
		"chunk overrun":   "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + inner,
		"extension's LF":  "POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n1;\nxx\r\n4c\r\n0\r\n\r\n" + inner,
	} {
		_, r := d.dial(strings.ReplaceAll(text, "%d", fmt.Sprint(len(inner)+5)))
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			continue // ended without a word, which is as good
		}
		io.Copy(io.Discard, res.Body)
		if !res.Close {
			t.Errorf("%s: %s, and the connection goes on", name, res.Status)
		}
		if next, err := http.ReadResponse(r, nil); err == nil {
			t.Errorf("%s: what was hidden was answered with %s", name, next.Status)
		}
	}

	if n := seen.Load(); n > 0 {
		t.Errorf("the app saw %d smuggled requests", n)
	}
}

func TestAnExtensionOfAChunkIsNotPassedOn(t *testing.T) {
	d := open(t)
	l := listen(t)
	d.blog(l.Addr().String())
	d.dial("POST / HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n3;evil=1\r\nabc\r\n0\r\n\r\n")

	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	var raw strings.Builder
	for !strings.HasSuffix(raw.String(), "0\r\n\r\n") {
		c, err := r.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		raw.WriteByte(c)
	}

	if !strings.HasSuffix(raw.String(), "\r\n\r\n3\r\nabc\r\n0\r\n\r\n") || strings.Contains(raw.String(), "evil") {
		t.Errorf("the app got %q, want the chunk without its extension", raw.String())
	}
}

func TestRequestsThatComeAtOnceAreAnsweredInTheirOrder(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		fmt.Fprint(w, req.URL.Path, string(b))
	}))
	_, r := d.dial("GET /1 HTTP/1.1\r\nHost: blog.test\r\n\r\n" +
		"POST /2 HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /3 HTTP/1.1\r\nHost: blog.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n" +
		"GET /4 HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\n\r\n")

	for _, want := range []string{"/1", "/2abc", "/3def", "/4"} {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body := read(t, res.Body); body != want {
			t.Errorf("got %q, want %q", body, want)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after Connection: close there is %v, want the end", err)
	}
}

func TestAnOldVisitorGetsAnswersItUnderstands(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/stream" {
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, "hello")
	}))

	_, r := d.dial("GET / HTTP/1.0\r\nHost: blog.test\r\nConnection: keep-alive\r\n\r\nGET /stream HTTP/1.0\r\nHost: blog.test\r\n\r\n")
	all := read(t, r)

	first, second, _ := strings.Cut(all, "hello")
	if !strings.HasPrefix(first, "HTTP/1.0 200") || !strings.Contains(first, "Connection: keep-alive") || !strings.Contains(first, "Content-Length: 5") {
		t.Errorf("the first answer is %q", first)
	}
	if !strings.HasPrefix(second, "HTTP/1.0 200") || strings.Contains(second, "chunked") || !strings.HasSuffix(second, "\r\n\r\nhello") {
		t.Errorf("the second answer is %q, want one that ends with the connection", second)
	}
}

func TestAnAnswerWithoutABodyHasNone(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
		}
	}))

	_, r := d.dial("HEAD / HTTP/1.1\r\nHost: blog.test\r\n\r\nGET /204 HTTP/1.1\r\nHost: blog.test\r\n\r\n" +
		"GET /304 HTTP/1.1\r\nHost: blog.test\r\n\r\nGET / HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\n\r\n")

	for _, c := range []struct {
		method string
		status int
		body   string
	}{{"HEAD", 200, ""}, {"GET", 204, ""}, {"GET", 304, ""}, {"GET", 200, "hello"}} {
		res, err := http.ReadResponse(r, &http.Request{Method: c.method})
		if err != nil {
			t.Fatal(err)
		}
		if body := read(t, res.Body); res.StatusCode != c.status || body != c.body || len(res.TransferEncoding) > 0 {
			t.Errorf("%s: %s %q %v, want %d %q", c.method, res.Status, body, res.TransferEncoding, c.status, c.body)
		}
		if c.method == "HEAD" && res.ContentLength != 5 {
			t.Errorf("HEAD says a length of %d, want 5", res.ContentLength)
		}
	}
}

// The app answers it: it may refuse a body before it is sent.
func TestWhoAsksFirstIsAnsweredByTheApp(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/no" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		b, _ := io.ReadAll(req.Body)
		w.Write(b)
	}))
	const head = " HTTP/1.1\r\nHost: blog.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

	conn, r := d.dial("POST /yes" + head)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 100 {
		t.Fatalf("got %v, %v, want 100 before the body", res, err)
	}
	io.WriteString(conn, "hello")
	if res, err := http.ReadResponse(r, nil); err != nil || read(t, res.Body) != "hello" {
		t.Errorf("got %v, %v, want the body back", res, err)
	}

	_, r = d.dial("POST /no" + head)
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 403 || !res.Close {
		t.Errorf("got %v, %v, want 403 and the end, with the body unsent", res, err)
	}
}

func TestEarlyHintsArePassedOn(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Del("Link")
		io.WriteString(w, "hello")
	}))

	_, r := d.dial("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n")

	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 103 || res.Header.Get("Link") == "" {
		t.Fatalf("got %v, %v, want 103 with its Link", res, err)
	}
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 200 || res.Header.Get("Link") != "" || read(t, res.Body) != "hello" {
		t.Errorf("got %v, %v, want the answer without the Link", res, err)
	}
}

func TestATargetThatIsTooLongIsRefused(t *testing.T) {
	d := open(t)
	d.blog(app(t, says("blog")))

	for n, want := range map[int]int{8 << 10: 200, 40 << 10: 414} {
		_, r := d.dial("GET /" + strings.Repeat("x", n) + " HTTP/1.1\r\nHost: blog.test\r\n\r\n")
		if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != want {
			t.Errorf("%d bytes: %v, %v, want %d", n, res, err, want)
		}
	}
}

// Attack (slowloris): connections that send a head a byte at a time, to have
// all that the door can serve.
func TestAHeadThatComesTooSlowlyEndsTheConnection(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a limit of 10 s")
	}
	t.Parallel()
	d := open(t)
	d.blog(app(t, says("blog")))
	conn, r := d.dial("GET / HTTP/1.1\r\nHost: blog.test\r\n")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Millisecond):
				io.WriteString(conn, "X: y\r\n")
			}
		}
	}()
	began := time.Now()

	res, err := http.ReadResponse(r, nil)

	if err == nil && res.StatusCode != 408 || time.Since(began) > 15*time.Second {
		t.Errorf("got %v, %v after %s, want 408 or the end after 10 s", res, err, time.Since(began))
	}
}
