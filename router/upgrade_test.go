package router_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// echo is an app that upgrades to a protocol which gives back each line, and
// tells when that has ended.
func echo(t *testing.T, ended chan<- struct{}) string {
	return app(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") != "websocket" || req.Header.Get("Connection") != "Upgrade" {
			http.Error(w, "no upgrade", http.StatusBadRequest)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Websocket-Accept: x\r\n\r\n")
		rw.Flush()
		io.Copy(conn, rw.Reader)
		ended <- struct{}{}
	})
}

// upgrade opens a WebSocket through the door, and has a line echoed.
func (d *door) upgrade() (net.Conn, *bufio.Reader) {
	d.t.Helper()
	conn, err := tls.Dial("tcp", d.https, &tls.Config{ServerName: "blog.test", RootCAs: d.roots})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "GET /ws HTTP/1.1\r\nHost: blog.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nfirst\n")
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if res.StatusCode != 101 || res.Header.Get("Sec-Websocket-Accept") != "x" {
		d.t.Fatalf("upgrade got %s %v, want 101", res.Status, res.Header)
	}
	if line, err := r.ReadString('\n'); line != "first\n" {
		d.t.Fatalf("echo = %q, %v, want first", line, err)
	}
	return conn, r
}

func TestAWebSocketSpeaksBothWays(t *testing.T) {
	d := open(t)
	ended := make(chan struct{}, 1)
	d.blog(echo(t, ended))
	conn, r := d.upgrade()

	for i := range 100 {
		fmt.Fprintf(conn, "line %d\n", i)
		if line, err := r.ReadString('\n'); line != fmt.Sprintf("line %d\n", i) {
			t.Fatalf("echo = %q, %v, want line %d", line, err, i)
		}
	}
	conn.Close()

	within(t, ended, "the app to see the end")
	until(t, "it is counted", func() bool { return d.router.Stats("blog") == router.Stats{Requests: 1} })
}

// An upgrade leads to whatever the two of them agree on.
func TestAnyProtocolMayBeUpgradedTo(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		protocol := req.Header.Get("Upgrade")
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nhello from the app\n", protocol)
		rw.Flush()
		io.Copy(conn, rw.Reader)
	}))
	for _, method := range []string{"GET", "POST"} {
		for _, protocol := range []string{"tcp", "berth-test/1.0"} {
			conn, err := tls.Dial("tcp", d.https, &tls.Config{ServerName: "blog.test", RootCAs: d.roots})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(conn, "%s /attach HTTP/1.1\r\nHost: blog.test\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nfirst\n", method, protocol)
			r := bufio.NewReader(conn)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != 101 || res.Header.Get("Upgrade") != protocol {
				t.Fatalf("%s %s: got %s %v, want 101", method, protocol, res.Status, res.Header)
			}
			fmt.Fprint(conn, "\x00second\n")
			for _, want := range []string{"hello from the app\n", "first\n", "\x00second\n"} {
				if line, err := r.ReadString('\n'); line != want {
					t.Fatalf("%s %s: got %q, %v, want %q", method, protocol, line, err, want)
				}
			}
		}
	}
}

func TestAWebSocketIsUnderWayUntilTheDrainCutsIt(t *testing.T) {
	d := open(t)
	ended := make(chan struct{}, 1)
	d.blog(echo(t, ended))
	conn, r := d.upgrade()

	old := d.blog(app(t, says("new")))
	report := make(chan router.Report, 1)
	go func() { report <- old.Drain(t.Context(), 300*time.Millisecond) }()
	fmt.Fprint(conn, "still here\n")

	if line, err := r.ReadString('\n'); line != "still here\n" {
		t.Errorf("during the drain echo = %q, %v", line, err)
	}
	if r := within(t, report, "the drain"); r.Cut != 1 || r.Served != 0 || r.Took < 300*time.Millisecond {
		t.Errorf("report = %+v, want one cut at the limit", r)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the WebSocket lives on after the drain")
	}
	within(t, ended, "the app to see the end")
}

func TestAWebSocketWhoseVisitorDoesNotReadIsCutToo(t *testing.T) {
	d := open(t)
	flooding := make(chan struct{})
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Websocket-Accept: x\r\n\r\nfirst\n")
		rw.Flush()
		// Until nothing moves any more.
		for conn.SetWriteDeadline(time.Now().Add(200*time.Millisecond)) == nil {
			if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
				break
			}
		}
		close(flooding)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		conn.Read(make([]byte, 1))
	}))
	d.upgrade()
	within(t, flooding, "the connection to be full")

	report := make(chan router.Report, 1)
	go func() { report <- d.router.Remove("blog").Drain(t.Context(), 0) }()

	if r := within(t, report, "the drain"); r.Cut != 1 {
		t.Errorf("report = %+v, want one cut", r)
	}
}

func TestAnAppMayRefuseToUpgrade(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not here", http.StatusForbidden) }))

	res := d.raw("GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")

	if body := read(t, res.Body); res.StatusCode != 403 || !strings.Contains(body, "not here") {
		t.Errorf("got %s %q, want the app's 403", res.Status, body)
	}
}
