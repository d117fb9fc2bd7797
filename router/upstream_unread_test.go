package router

import (
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/appliance/await"
)

// What may have been read may have been acted upon. The kernel knows whether
// it can have been.
func TestOnlyWhatATargetCannotHaveReadIsUnread(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n"
	for name, c := range map[string]struct {
		before func(*net.TCPConn)        // at the target, sending the request
		after  func(*net.TCPConn, *link) // and here
		want   bool
		either bool // it cannot be told
	}{
		"it had closed the connection": {
			before: func(c *net.TCPConn) { c.Close() },
			want:   true,
		},
		"it read the request and died": {
			after: func(c *net.TCPConn, _ *link) { io.ReadFull(c, make([]byte, len(head))); c.Close() },
		},
		"it read half of the request and died": {
			after: func(c *net.TCPConn, _ *link) { io.ReadFull(c, make([]byte, len(head)/2)); c.Close() },
		},
		"it closed the connection when the request was there": {
			after: func(c *net.TCPConn, _ *link) { c.Close() },
		},
		"it had said that it will say no more, and read on": {
			before: func(c *net.TCPConn) { c.CloseWrite() },
			after:  func(c *net.TCPConn, _ *link) { io.ReadFull(c, make([]byte, len(head))); c.Close() },
		},
		"it had said that it will say no more, read half and broke off": {
			before: func(c *net.TCPConn) { c.CloseWrite() },
			after: func(c *net.TCPConn, l *link) {
				io.ReadFull(c, make([]byte, len(head)/2))
				untilAcknowledged(t, l)
				c.Close()
			},
		},
		"it had said that it will say no more, read half and broke off at once": {
			before: func(c *net.TCPConn) { c.CloseWrite() },
			after:  func(c *net.TCPConn, _ *link) { io.ReadFull(c, make([]byte, len(head)/2)); c.Close() },
			either: true,
		},
		"it broke the connection off": {
			before: func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			l, err := newTarget(listener.Addr().String()).dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			accepted, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			app := accepted.(*net.TCPConn)
			defer app.Close()
			// The first request on it, so that the connection has a past.
			ask := func() error { return l.send([]byte(head), false) }
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			io.ReadFull(app, make([]byte, len(head)))
			io.WriteString(app, "HTTP/1.1 204 No Content\r\n\r\n")
			req, _ := http.NewRequest("GET", "http://blog.test/", nil)
			if _, err := l.receive(req); err != nil {
				t.Fatal(err)
			}
			if c.before != nil {
				c.before(app)
			}

			// It is not reused yet, so nobody looks whether it is closed: it
			// is a moment later that it is.
			err = ask()
			if c.after != nil {
				c.after(app, l)
			}
			if err == nil {
				_, err = l.receive(req)
			}
			l.reused = true

			if err == nil {
				t.Fatal("it was answered")
			}
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
				if got := l.unread(method, err); got != c.want && !c.either {
					t.Errorf("unread(%s, %v) = %v, want %v", method, err, got, c.want)
				}
			}
			for _, method := range []string{"POST", "PATCH", "LOCK", "PROPPATCH", "get"} {
				if l.unread(method, err) {
					t.Errorf("%s is sent again after %v: it may be done twice", method, err)
				}
			}
		})
	}
}

// untilAcknowledged waits for the target's kernel, which does not do so at once.
func untilAcknowledged(t *testing.T, l *link) {
	t.Helper()
	await.That(t, "what was sent is acknowledged", func() bool {
		pending := -1
		if err := l.raw.Control(func(fd uintptr) { pending, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
			t.Fatal(err)
		}
		return pending == 0
	})
}
