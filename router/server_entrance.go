package router

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/router/http2"
	"github.com/berthhq/berth/router/wire"
)

// handshakeTimeout is for all of a TLS handshake.
const handshakeTimeout = 10 * time.Second

// An entrance is one listener, and the connections that came in by it.
type entrance struct {
	listener net.Listener
	handler  http.Handler
	tls      *tls.Config // nil for plain HTTP
	base     context.Context
	log      *slog.Logger
	http2    *http2.Server

	writeTimeout time.Duration // for one write

	closing atomic.Bool // no new connection is accepted, and no request begins after another
	running sync.WaitGroup

	mu    sync.Mutex         // guards the fields below
	over  bool               // what there still is, is broken off
	conns map[net.Conn]*conn // nil for what does not speak HTTP/1.1, or not yet
}

func newEntrance(base context.Context, l net.Listener, h http.Handler, config *tls.Config, log *slog.Logger) *entrance {
	e := &entrance{listener: l, handler: h, tls: config, base: base, log: log, conns: map[net.Conn]*conn{}, writeTimeout: writeTimeout}
	if h == nil {
		e.handler = http.NotFoundHandler()
	}
	e.http2 = &http2.Server{Handler: e.handler, Log: log}
	e.running.Add(1) // for serve
	return e
}

// serve accepts connections until the listener is closed.
func (e *entrance) serve() error {
	defer e.running.Done()
	pause := 5 * time.Millisecond
	for {
		tcp, err := e.listener.Accept()
		if err != nil && e.closing.Load() {
			return nil
		}
		if err != nil {
			// Out of file descriptors, say, which passes.
			if temporary, ok := errors.AsType[interface {
				error
				Temporary() bool
			}](err); ok && temporary.Temporary() {
				time.Sleep(pause)
				pause = min(2*pause, time.Second)
				continue
			}
			return err
		}
		pause = 5 * time.Millisecond
		e.running.Go(func() { e.welcome(tcp) })
	}
}

// welcome serves a connection to its end.
func (e *entrance) welcome(tcp net.Conn) {
	defer tcp.Close()
	if !e.enter(tcp, nil) {
		return
	}
	defer e.leave(tcp)
	cork := &wire.Cork{Conn: tcp}
	base, cancel := context.WithCancel(e.base)
	defer cancel()
	ctx := context.WithValue(base, http.LocalAddrContextKey, tcp.LocalAddr())
	c := &conn{entrance: e, Conn: cork, tcp: tcp, cork: cork, ctx: ctx, cancel: cancel, remote: tcp.RemoteAddr().String()}
	if e.tls != nil {
		secure := tls.Server(cork, e.tls)
		if !e.handshake(secure, tcp) {
			return
		}
		state := secure.ConnectionState()
		c.Conn, c.tls = secure, &state
		switch state.NegotiatedProtocol {
		case "h2":
			e.http2.Serve(ctx, http2.Wires{Conn: secure, Cork: cork, TLS: &state})
			return
		case "", "http/1.1", "http/1.0":
		default:
			return // a protocol that ends with the handshake, as acme-tls/1 does
		}
	}
	if !e.enter(tcp, c) {
		return
	}
	c.base = (&http.Request{RemoteAddr: c.remote, TLS: c.tls}).WithContext(ctx)
	c.serve()
}

func (e *entrance) handshake(secure *tls.Conn, tcp net.Conn) bool {
	_ = tcp.SetDeadline(time.Now().Add(handshakeTimeout)) // a connection without limits is closed, and will tell
	if err := secure.HandshakeContext(e.base); err != nil {
		if e.log != nil {
			e.log.Debug("TLS handshake", slog.String("from", tcp.RemoteAddr().String()), slog.Any("error", err))
		}
		if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader) {
			// Whoever has typed http:// is to know; if they have gone, nobody is.
			_, _ = io.WriteString(tcp, "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nthis port speaks HTTPS\n")
		}
		return false
	}
	_ = tcp.SetDeadline(time.Time{}) // as above
	return true
}

func looksLikeHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// enter notes a connection, or what it has become; false says that it has to
// go.
func (e *entrance) enter(tcp net.Conn, c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return false
	}
	e.conns[tcp] = c
	return true
}

func (e *entrance) leave(tcp net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, tcp)
}

// shutdown lets requests under way end until ctx does, and then ends them. It
// returns when no connection is left. No request is lost that a visitor has
// sent: connections on which nothing happens are closed only after all had a
// moment to hear that they should send the next one elsewhere.
func (e *entrance) shutdown(ctx context.Context) {
	e.closing.Store(true)
	// It may be closed already. Whoever else has the socket goes on with it.
	_ = e.listener.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.running.Wait()
	}()
	e.closeIdle()
	e.http2.Shutdown()
	turn := time.NewTicker(lingering)
	defer turn.Stop()
	for {
		select {
		case <-ended:
			return
		case <-turn.C:
			e.closeIdle()
			continue
		case <-ctx.Done():
		}
		break
	}
	// Those who speak WebSocket are told; there is a moment for that.
	e.endTunnels()
	select {
	case <-ended:
		return
	case <-time.After(2 * farewell):
	}
	e.mu.Lock()
	e.over = true
	for tcp := range e.conns {
		tcp.Close()
	}
	e.mu.Unlock()
	<-ended
}

// endTunnels ends what connections have become that were upgraded.
func (e *entrance) endTunnels() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		if c == nil {
			continue
		}
		if t := c.tunnel.Load(); t != nil {
			e.running.Go(func() { t.x.stop(errCut) })
		}
	}
}

// closeIdle closes the connections that have had no request since it was
// called the last time. The others end with theirs.
func (e *entrance) closeIdle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for tcp, c := range e.conns {
		switch {
		case c == nil:
		case c.state.CompareAndSwap(connIdleLong, connClosing):
			e.running.Go(func() { c.part(tcp) })
		default:
			c.state.CompareAndSwap(connIdle, connIdleLong)
		}
	}
}

// overTLS is a configuration that also offers HTTP.
func overTLS(config *tls.Config) *tls.Config {
	if config == nil {
		config = &tls.Config{}
	}
	config = config.Clone()
	// Every record is as large as it can be: answers to visitors far away
	// come in one piece anyway, and small records cost as much as large ones.
	config.DynamicRecordSizingDisabled = true
	for _, protocol := range []string{"h2", "http/1.1"} {
		if !slices.Contains(config.NextProtos, protocol) {
			config.NextProtos = append(config.NextProtos, protocol)
		}
	}
	return config
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
