// Package http2 serves HTTP/2 (RFC 9113) to visitors. Frames and heads are
// parsed by golang.org/x/net/http2, which others test; what is done about them
// is here, and made for a proxy with many short requests: one goroutine per
// connection reads, workers that are kept answer, and what several streams
// have to say at the same time goes out in one write.
package http2

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/berthhq/berth/router/wire"
)

const (
	// maxStreams is how many requests of a connection may be under way.
	maxStreams = 250

	// maxRunning also counts those that the visitor no longer wants, and
	// whose handler has not noticed yet.
	maxRunning = 2 * maxStreams

	// maxHead is how large the head of a request may be, and maxPath its
	// target, in bytes. HTTP/1.1 has the same limits.
	maxHead = wire.MaxHead
	maxPath = wire.MaxLine

	// What an app that stalls can cost, of each request and of each visitor.
	streamWindow = 512 << 10
	connWindow   = 4 << 20
)

// A Server has what its connections share.
type Server struct {
	Handler http.Handler
	Log     *slog.Logger // for panics of the handler; nil for none
	Limits  Limits

	workers workers

	mu    sync.Mutex // guards the fields below
	conns map[*conn]bool
	last  bool // no new request begins
}

// Limits are how long is waited for visitors. A field that is zero means what
// DefaultLimits has.
type Limits struct {
	Preface time.Duration // for a visitor's first words
	Idle    time.Duration // without a request under way
	Silence time.Duration // until we ask whether the visitor is still there
	Answer  time.Duration // until it has said so
	Write   time.Duration // for 64 KB of an answer, whatever holds them back
}

// DefaultLimits are for visitors from everywhere.
var DefaultLimits = Limits{
	Preface: 10 * time.Second,
	Idle:    2 * time.Minute,
	Silence: 30 * time.Second,
	Answer:  15 * time.Second,
	Write:   2 * time.Minute,
}

func (l Limits) orDefault() Limits {
	for _, f := range []struct{ is, or *time.Duration }{
		{&l.Preface, &DefaultLimits.Preface}, {&l.Idle, &DefaultLimits.Idle}, {&l.Silence, &DefaultLimits.Silence},
		{&l.Answer, &DefaultLimits.Answer}, {&l.Write, &DefaultLimits.Write},
	} {
		if *f.is == 0 {
			*f.is = *f.or
		}
	}
	return l
}

// Wires are what a connection is made of. Cork is what Conn writes to and
// reads from, if it speaks TLS, and Conn itself otherwise.
type Wires struct {
	Conn net.Conn
	Cork *wire.Cork
	TLS  *tls.ConnectionState
}

// Serve serves a connection to its end, which comes with ctx at the latest,
// and closes it. It returns when no request of it is under way any more.
func (s *Server) Serve(ctx context.Context, w Wires) {
	c := newConn(ctx, s, w)
	s.mu.Lock()
	if s.conns == nil {
		s.conns = map[*conn]bool{}
	}
	s.conns[c] = true
	last := s.last
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	}()
	if last {
		c.sayGoodbye()
	}
	c.serve()
}

// Shutdown has every connection end, also those to come, when its requests are
// answered. Visitors are asked first to begin nothing new, and what they have
// sent before they hear it is answered; what comes a second later is refused
// unread, which they may take elsewhere. It does not wait.
func (s *Server) Shutdown() {
	s.mu.Lock()
	s.last = true
	s.mu.Unlock()
	s.each((*conn).sayGoodbye)
	s.workers.end()
}

func (s *Server) each(do func(*conn)) {
	s.mu.Lock()
	var all []*conn
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		do(c)
	}
}
