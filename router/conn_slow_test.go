package router_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

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

// Who takes a little now and then is there for the answer.
func TestAVisitorWhoReadsSlowlyKeepsTheConnection(t *testing.T) {
	const limit = 2 * time.Second
	d := open(t, func(s *router.Server) { s.LimitWriting(limit) })
	ended := make(chan struct{}, 1)
	d.blog(endless(t, ended))
	conn, err := net.Dial("tcp", d.http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n")

	for began := time.Now(); time.Since(began) < 2*limit; {
		if _, err := io.CopyN(io.Discard, conn, 1<<20); err != nil {
			t.Fatalf("after %v: %v, want the answer to go on", time.Since(began), err)
		}
	}
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}
