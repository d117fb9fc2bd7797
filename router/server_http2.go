package router

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// An http2Door serves the connections on which visitors have chosen HTTP/2. It
// is net/http's own, which gets no other connection, and each only after its
// handshake.
type http2Door struct {
	server *http.Server
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
	addr   net.Addr
}

// newHTTP2Door has no time limit for bodies: an upload takes as long as it
// takes, and an event stream does not end.
func newHTTP2Door(base context.Context, l net.Listener, h http.Handler, log *slog.Logger) *http2Door {
	return &http2Door{
		addr: l.Addr(), conns: make(chan net.Conn), closed: make(chan struct{}),
		server: &http.Server{
			Handler:        h,
			BaseContext:    func(net.Listener) context.Context { return base },
			IdleTimeout:    idleTimeout,
			MaxHeaderBytes: 64 << 10,
			ErrorLog:       debugLog(log),
			HTTP2: &http.HTTP2Config{
				MaxConcurrentStreams: 250,
				SendPingTimeout:      30 * time.Second, // finds visitors who have gone without a word
				PingTimeout:          15 * time.Second,
				WriteByteTimeout:     time.Minute,
			},
		},
	}
}

// enter reports whether the connection is the door's now.
func (d *http2Door) enter(conn *tls.Conn) bool {
	select {
	case d.conns <- conn:
		return true
	case <-d.closed:
		return false
	}
}

// Accept is how net/http gets the next connection.
func (d *http2Door) Accept() (net.Conn, error) {
	select {
	case conn := <-d.conns:
		return conn, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *http2Door) Addr() net.Addr { return d.addr }

func (d *http2Door) Close() error {
	d.close.Do(func() { close(d.closed) })
	return nil
}
