package router_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	h2 "golang.org/x/net/http2"

	"github.com/berthhq/berth/router"
)

// endless is an app whose answer has no end. It tells when nobody wants more.
func endless(t *testing.T, ended chan<- struct{}) string {
	return app(t, func(w http.ResponseWriter, _ *http.Request) {
		for b := make([]byte, 64<<10); ; {
			if _, err := w.Write(b); err != nil {
				ended <- struct{}{}
				return
			}
		}
	})
}

func TestAVisitorWhoTakesNothingOfAnAnswerLosesTheConnection(t *testing.T) {
	d := open(t, func(s *router.Server) { s.LimitWriting(300 * time.Millisecond) })
	for name, dial := range map[string]func() (net.Conn, error){
		"HTTP": func() (net.Conn, error) { return net.Dial("tcp", d.http) },
		"HTTPS": func() (net.Conn, error) {
			return tls.Dial("tcp", d.https, &tls.Config{ServerName: "blog.test", RootCAs: d.roots})
		},
	} {
		ended := make(chan struct{}, 1)
		d.blog(endless(t, ended))
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n")

		within(t, ended, "the app to be rid of the visitor")

		// What has been sent may still be there, but it has an end.
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
			t.Errorf("%s: the connection is still open", name)
		}
		if r := d.router.Remove("blog").Drain(t.Context(), 20*time.Second); r.Cut > 0 {
			t.Errorf("%s: %+v, want nothing left of the visitor", name, r)
		}
	}
}

// By HTTP/2 and HTTP/3 it is a stream that is full: the connection says that it
// is there for as long as it likes.
func TestAVisitorWhoTakesNothingOfAnAnswerLosesTheStream(t *testing.T) {
	d, _ := quicly(t, func(s *router.Server) { s.LimitWriting(300 * time.Millisecond) })
	for way, client := range map[string]*http.Client{"HTTP/2": d.client(true), "HTTP/3": d.client3()} {
		ended := make(chan struct{}, 1)
		d.blog(endless(t, ended))

		res, err := client.Get("https://blog.test/")
		if err != nil {
			t.Fatalf("%s: %v", way, err)
		}

		within(t, ended, way+": the app to be rid of the visitor")
		if _, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("%s: the answer looks like a whole one", way)
		}
		res.Body.Close()
		d.blog(app(t, says("still here")))
		if res, err := client.Get("https://blog.test/"); err != nil || read(t, res.Body) != "still here" {
			t.Errorf("%s: the connection is of no use any more: %v", way, err)
		}
	}
}

// Who takes a little now and then is there for the answer.
func TestAVisitorWhoReadsSlowlyKeepsTheConnection(t *testing.T) {
	const limit = 2 * time.Second
	d, _ := quicly(t, func(s *router.Server) { s.LimitWriting(limit) })
	ended := make(chan struct{}, 10)
	d.blog(endless(t, ended))
	bodies := map[string]io.Reader{}
	for way, client := range d.everyWay() {
		res, err := client.Get("https://blog.test/")
		if err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		defer res.Body.Close()
		bodies[way] = res.Body
	}

	for began := time.Now(); time.Since(began) < 2*limit; {
		for way, body := range bodies {
			if _, err := io.CopyN(io.Discard, body, 256<<10); err != nil {
				t.Fatalf("%s: after %v: %v, want the answer to go on", way, time.Since(began), err)
			}
		}
		time.Sleep(limit / 20) // what is tried here is slowness
	}
}

// Slowloris: a head that comes a byte at a time. To QUIC it is a stream in use,
// and by HTTP/2 a frame that is still coming.
func TestAHeadThatNeverEndsEndsTheConnection(t *testing.T) {
	d, _ := quicly(t, func(s *router.Server) { s.LimitIdling(time.Second) })
	d.blog(app(t, says("hello")))
	trickle := func(w io.Writer, gone <-chan struct{}) {
		for {
			select {
			case <-gone:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if _, err := w.Write([]byte{'x'}); err != nil {
				return
			}
		}
	}

	overTCP, err := tls.Dial("tcp", d.https, &tls.Config{ServerName: "blog.test", RootCAs: d.roots, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer overTCP.Close()
	frames := h2.NewFramer(overTCP, overTCP)
	io.WriteString(overTCP, h2.ClientPreface)
	frames.WriteSettings()
	overTCP.Write([]byte{0, 0x20, 0, byte(h2.FrameHeaders), 0x5, 0, 0, 0, 1}) // 8 KB of a head are to come
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, overTCP)
	}()
	go trickle(overTCP, gone)
	within(t, gone, "HTTP/2: the end of the connection")

	overUDP, err := quic.DialAddr(t.Context(), d.https, &tls.Config{ServerName: "blog.test", RootCAs: d.roots, NextProtos: []string{"h3"}},
		&quic.Config{KeepAlivePeriod: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer overUDP.CloseWithError(0, "")
	for range 10 {
		stream, err := overUDP.OpenStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stream.Write([]byte{0x1, 0x60, 0}) // the same
		go trickle(stream, overUDP.Context().Done())
	}
	within(t, overUDP.Context().Done(), "HTTP/3: the end of the connection")

	for way, client := range d.everyWay() {
		if res, err := client.Get("https://blog.test/"); err != nil || read(t, res.Body) != "hello" {
			t.Errorf("%s: others are not served: %v", way, err)
		}
	}
}

// A request that takes long is no idleness.
func TestAConnectionOfHTTP3IsKeptAsLongAsARequestIsUnderWay(t *testing.T) {
	const limit = 500 * time.Millisecond
	d, _ := quicly(t, func(s *router.Server) { s.LimitIdling(limit) })
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(3 * limit): // what is tried here is a request that takes long
			io.WriteString(w, "done")
		case <-req.Context().Done():
		}
	}))
	client := d.client3()
	for range 2 {
		res, err := client.Get("https://blog.test/")
		if err != nil {
			t.Fatal(err)
		}
		if body := read(t, res.Body); body != "done" {
			t.Errorf("got %q, want done", body)
		}
	}
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}
