package router

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// An http2Door serves the connections on which visitors have chosen HTTP/2,
// each after its handshake.
type http2Door struct {
	server *http.Server // its settings; it serves nothing itself
	http2  *http2.Server

	mu    sync.Mutex // guards the field below
	conns map[*lastWord]bool
}

// newHTTP2Door has no time limit for bodies: an upload takes as long as it
// takes, and an event stream does not end.
func newHTTP2Door(h http.Handler, log *slog.Logger) *http2Door {
	d := &http2Door{
		http2: &http2.Server{}, conns: map[*lastWord]bool{},
		server: &http.Server{
			Handler:        h,
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
	// It refuses settings of TLS only, and there are none.
	_ = http2.ConfigureServer(d.server, d.http2)
	return d
}

// serve serves a connection to its end.
func (d *http2Door) serve(ctx context.Context, conn *tls.Conn) {
	g := &lastWord{Conn: conn}
	d.enter(g)
	defer d.leave(g)
	d.http2.ServeConn(g, &http2.ServeConnOpts{Context: ctx, BaseConfig: d.server, Handler: d.server.Handler})
}

func (d *http2Door) enter(g *lastWord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[g] = true
}

func (d *http2Door) leave(g *lastWord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, g)
}

// sayGoodbye asks visitors to begin nothing new on their connections. What
// they have sent before they hear it is answered.
func (d *http2Door) sayGoodbye() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for g := range d.conns {
		g.say()
	}
}

// shutdown ends every connection when the requests that have come on it by now
// are answered. What comes later is not looked at, and visitors know that.
func (d *http2Door) shutdown(ctx context.Context) {
	// Without listeners and connections of its own all that it does is to
	// tell http2.
	_ = d.server.Shutdown(ctx)
}
