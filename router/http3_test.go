package router_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/berthhq/berth/router"
)

// resetKey is that of all sockets of a test, as it is of all starts of a
// machine.
var resetKey = [32]byte{1, 2, 3}

// quicly opens a door that has HTTP/3 too.
func quicly(t *testing.T, change ...func(*router.Server)) (*door, *router.QUICSocket) {
	t.Helper()
	var socket *router.QUICSocket
	d := open(t, append(change, func(s *router.Server) {
		at := s.HTTPS.Addr().(*net.TCPAddr)
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port})
		if err != nil {
			t.Fatal(err)
		}
		socket = router.NewQUICSocket(conn, resetKey)
		socket.Begin(nil, nil)
		s.UDP = socket
	})...)
	t.Cleanup(func() { socket.Close() })
	return d, socket
}

// client3 speaks HTTP/3, and finds every host here.
func (d *door) client3() *http.Client {
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{RootCAs: d.roots},
		Dial: func(ctx context.Context, _ string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, d.https, tlsConf, conf)
		},
	}
	d.t.Cleanup(func() { transport.Close() })
	return &http.Client{Transport: transport}
}

func TestAppsAreReachedByHTTP3(t *testing.T) {
	d, _ := quicly(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		fmt.Fprintf(w, "%s %d %v %s", req.Method, n, err, req.Header.Get("X-Forwarded-Proto"))
	}))

	res, err := d.client3().Post("https://blog.test/", "text/plain", strings.NewReader(strings.Repeat("x", 3<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	if body := read(t, res.Body); res.Proto != "HTTP/3.0" || body != "POST 3145728 <nil> https" {
		t.Errorf("got %s %q, want the whole upload by HTTP/3.0", res.Proto, body)
	}
}

func TestVisitorsAreToldOfHTTP3WhereThereIsIt(t *testing.T) {
	with, _ := quicly(t)
	_, port, _ := net.SplitHostPort(with.https)
	for _, test := range []struct {
		door *door
		want string
	}{{with, `h3=":` + port + `"; ma=86400`}, {open(t), ""}} {
		test.door.blog(app(t, says("hello")))
		for _, http2 := range []bool{false, true} {
			res, err := test.door.client(http2).Get("https://blog.test/")
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := strings.Join(res.Header.Values("Alt-Svc"), "|"); got != test.want {
				t.Errorf("%s: Alt-Svc = %q, want %q", res.Proto, got, test.want)
			}
		}
	}
}

func TestHeadersOfHTTP3ThatAreTooLargeAreRefused(t *testing.T) {
	d, _ := quicly(t)
	d.blog(app(t, says("blog")))
	req, err := http.NewRequest(http.MethodGet, "https://blog.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X", strings.Repeat("x", 100<<10))

	res, err := d.client3().Do(req)

	if err == nil {
		res.Body.Close()
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %s, want 431", res.Status)
		}
	}
	if status, body := d.get("https://blog.test/"); status != 200 || body != "blog" {
		t.Errorf("afterwards got %d %q", status, body)
	}
}

// What arrives with the first packet can have been recorded and sent again by
// somebody else: a payment twice.
func TestNothingIsBelievedBeforeTheHandshakeIsDone(t *testing.T) {
	d, _ := quicly(t)
	d.blog(app(t, says("blog")))
	config := &tls.Config{RootCAs: d.roots, ServerName: "blog.test", NextProtos: []string{"h3"}, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	visit := func() *quic.Conn {
		t.Helper()
		conn, err := quic.DialAddrEarly(t.Context(), d.https, config, nil)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-conn.HandshakeComplete():
		case <-conn.Context().Done():
			t.Fatal(context.Cause(conn.Context()))
		}
		return conn
	}
	first := visit()
	until(t, "there is a session to take up", func() bool {
		_, ok := config.ClientSessionCache.Get("blog.test")
		return ok
	})
	first.CloseWithError(0, "")

	again := visit()
	defer again.CloseWithError(0, "")

	if state := again.ConnectionState(); !state.TLS.DidResume || state.Used0RTT {
		t.Errorf("resumed: %t, early data: %t; want a session taken up without it", state.TLS.DidResume, state.Used0RTT)
	}
}

func TestARequestOfHTTP3UnderWayIsFinished(t *testing.T) {
	d, _ := quicly(t)
	addr, arrived, finish := slow(t)
	d.blog(addr)
	answer := make(chan string, 1)
	go func() {
		res, err := d.client3().Get("https://blog.test/")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		answer <- fmt.Sprintf("%s %v", body, err)
	}()
	within(t, arrived, "the request")

	stopped := make(chan error, 1)
	go func() { stopped <- d.stop() }()
	finish <- struct{}{}

	if got := within(t, answer, "the answer"); got != "done <nil>" {
		t.Errorf("got %q, want done", got)
	}
	within(t, stopped, "Serve")
}

// What has no body has none at the app either: not every app expects of a GET
// that it comes in chunks.
func TestARequestOfHTTP3WithoutABodyHasNone(t *testing.T) {
	d, _ := quicly(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		fmt.Fprintf(w, "%s %d %v %q %v", req.Method, req.ContentLength, req.TransferEncoding, body, err)
	}))
	for _, c := range []struct {
		method string
		body   io.Reader
		want   string
	}{
		{"GET", nil, `GET 0 [] "" <nil>`},
		{"DELETE", nil, `DELETE 0 [] "" <nil>`},
		{"OPTIONS", nil, `OPTIONS 0 [] "" <nil>`},
		{"GET", struct{ io.Reader }{strings.NewReader("query")}, `GET -1 [chunked] "query" <nil>`},
		{"DELETE", strings.NewReader("which"), `DELETE 5 [] "which" <nil>`},
		{"POST", strings.NewReader(""), `POST 0 [] "" <nil>`},
	} {
		req, err := http.NewRequest(c.method, "https://blog.test/", c.body)
		if err != nil {
			t.Fatal(err)
		}
		res, err := d.client3().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, res.Body); got != c.want {
			t.Errorf("the app got %s, want %s", got, c.want)
		}
		res.Body.Close()
	}
}

// A GET that neither has a body nor ends would wait for ever.
func TestARequestOfHTTP3ThatDoesNotEndIsEnded(t *testing.T) {
	d, _ := quicly(t, func(s *router.Server) { s.LimitIdling(500 * time.Millisecond) })
	d.blog(app(t, says("hello")))
	body, say := io.Pipe()
	defer say.Close()
	req, _ := http.NewRequest("GET", "https://blog.test/", body)
	ended := make(chan error, 1)

	go func() {
		_, err := d.client3().Do(req)
		ended <- err
	}()

	if err := within(t, ended, "its end"); err == nil {
		t.Error("it was answered")
	}
}

// One socket goes from server to server, as it does from process to process,
// while visitors keep asking on connections old and new.
func TestASocketIsHandedOverWithoutLosingARequestOfHTTP3(t *testing.T) {
	first, socket := quicly(t)
	var arrived sync.Map // the letters that the app has got
	target := app(t, func(w http.ResponseWriter, req *http.Request) {
		arrived.Store(req.Header.Get("Letter"), true)
		if req.URL.Path == "/slow" {
			time.Sleep(300 * time.Millisecond) // what is tried here is a request that takes long
		}
		io.Copy(w, req.Body)
		io.WriteString(w, "hello")
	})
	first.blog(target)
	ctx, cancel := cancellable(t)
	var visitors sync.WaitGroup
	var asked, failed atomic.Int64
	for i := range 8 {
		visitors.Go(func() {
			client := first.client3()
			size := 0
			if i >= 6 {
				size = 1 << 20 // of which some is on its way when the socket changes hands
			}
			for n := 0; ctx.Err() == nil; n++ {
				if i == 4 || i == 5 {
					client = first.client3() // a new connection each time
				}
				letter := fmt.Sprintf("%d of visitor %d", n, i)
				err := ask3(client, []string{"/", "/slow"}[i%2], letter, size)
				if _, got := arrived.Load(letter); !got && isGoodbye(err) {
					// It has crossed the goodbye on its way: nobody has it,
					// and a browser asks again (RFC 9114, 5.2).
					client = first.client3()
					err = ask3(client, "/", letter, size)
				}
				if err != nil {
					failed.Add(1)
					t.Errorf("visitor %d, request %d: %v", i, n, err)
				}
				asked.Add(1)
			}
		})
	}
	everybody := func(n int64) {
		t.Helper()
		want := asked.Load() + n
		until(t, "they ask on", func() bool { return asked.Load() >= want })
	}
	everybody(20)

	last := first
	for range 3 {
		tags, rest, err := socket.Leave()
		if err != nil {
			t.Fatal(err)
		}
		next, its := takeOver(t, first, socket, target)
		its.Begin(tags, unixConn(t, rest))
		ended := make(chan error, 1)
		go func() { ended <- last.stop() }()
		everybody(20)
		within(t, ended, "the one before")
		socket.Close()
		last, socket = next, its
		everybody(20)
	}
	cancel()
	visitors.Wait()

	t.Logf("%d requests, %d failed", asked.Load(), failed.Load())
	if status, _ := first.client3().Get("https://blog.test/"); status == nil || status.StatusCode != 200 {
		t.Error("the last server does not serve")
	}
}

// takeOver starts another server with the same UDP socket.
func takeOver(t *testing.T, first *door, socket *router.QUICSocket, target string) (*door, *router.QUICSocket) {
	t.Helper()
	file, err := socket.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	conn, err := net.FilePacketConn(file)
	if err != nil {
		t.Fatal(err)
	}
	its := router.NewQUICSocket(conn.(*net.UDPConn), resetKey)
	t.Cleanup(func() { its.Close() })
	next := open(t, func(s *router.Server) { s.UDP, s.TLS = its, first.config })
	next.blog(target)
	return next, its
}

func unixConn(t *testing.T, f *os.File) *net.UnixConn {
	t.Helper()
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn)
}

// isGoodbye tells whether a request ended with the connection, which the server
// closed because it had nothing more to do.
func isGoodbye(err error) bool {
	closed, ok := errors.AsType[*quic.ApplicationError](err)
	if ok {
		return closed.Remote && closed.ErrorCode == quic.ApplicationErrorCode(http3.ErrCodeNoError)
	}
	h3, ok := errors.AsType[*http3.Error](err)
	return ok && h3.Remote && h3.ErrorCode == http3.ErrCodeNoError
}

// ask3 sends a letter, of so many bytes at least, and wants it back with hello.
func ask3(client *http.Client, path, letter string, size int) error {
	text := "a letter: " + strings.Repeat("x", size)
	req, err := http.NewRequest("POST", "https://blog.test"+path, strings.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Letter", letter)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != 200 || string(body) != text+"hello") {
		err = fmt.Errorf("%s %.100q, %d bytes", res.Status, body, len(body))
	}
	return err
}
