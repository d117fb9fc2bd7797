package router

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/router/http2"
)

// A Server answers on the machine's web ports. A listener that is nil is not
// served.
type Server struct {
	HTTP, HTTPS net.Listener
	UDP         *QUICSocket // for HTTP/3, at the port of HTTPS
	TLS         *tls.Config // for HTTPS
	Plain       http.Handler
	Secure      http.Handler
	Grace       time.Duration // for requests under way when ctx is done

	// Alone tells, when ctx is done, whether nobody else accepts what comes
	// meanwhile. All who come then wait, so it has to be short: everything is
	// served on until what takes long has ended, and only then is nobody let
	// in any more. nil is never.
	Alone func() bool

	Log *slog.Logger

	writeTimeout time.Duration // for one write by HTTP/1.1 and 3; 0 for the default
	quicIdle     time.Duration // of a connection of HTTP/3 without a request; 0 for the default
	http2Limits  http2.Limits
}

// Serve serves until ctx is done, and returns nil then, after the requests
// under way have ended or Grace has passed. It closes the listeners.
func (s *Server) Serve(ctx context.Context) error {
	// Requests outlive ctx by up to Grace, and none outlives Serve.
	base, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()

	var running sync.WaitGroup
	var entrances []*entrance
	stopped := make(chan error, 2)
	var requests underWay
	serve := func(h http.Handler, l net.Listener, config *tls.Config) {
		if l == nil {
			return
		}
		e := newEntrance(base, l, requests.counting(h), config, s.Log)
		if s.writeTimeout > 0 {
			e.writeTimeout = s.writeTimeout
		}
		e.http2.Limits = s.http2Limits
		entrances = append(entrances, e)
		running.Go(func() { stopped <- e.serve() })
	}
	serve(s.Plain, s.HTTP, nil)
	if s.HTTPS != nil {
		serve(s.advertise(s.Secure), s.HTTPS, overTLS(s.TLS))
	}
	quicCtx, stopQUIC := context.WithCancel(ctx)
	defer stopQUIC()
	running.Go(func() {
		if err := s.serveQUIC(quicCtx, requests.counting(s.Secure)); err != nil && s.Log != nil {
			// Visitors have the other ways in.
			s.Log.Error("serve", "err", err)
		}
	})

	var err error
	select {
	case <-ctx.Done():
	case err = <-stopped:
	}
	alone := err == nil && s.Alone != nil && s.Alone()
	if alone {
		requests.awaitOld(s.Grace)
	}
	stopQUIC()
	if alone {
		for _, e := range entrances {
			e.endTunnels()
		}
	}
	s.shutdown(context.WithoutCancel(ctx), entrances)
	running.Wait()
	return err
}

func (s *Server) shutdown(ctx context.Context, entrances []*entrance) {
	ctx, cancel := context.WithTimeout(ctx, s.Grace)
	defer cancel()
	var closing sync.WaitGroup
	for _, e := range entrances {
		closing.Go(func() { e.shutdown(ctx) })
	}
	closing.Wait()
}

// underWay counts requests, apart from those that never end by themselves: the
// ones that ask for a WebSocket.
type underWay struct {
	turn atomic.Int32
	n    [2]atomic.Int64 // of even and odd turns
}

func (u *underWay) counting(h http.Handler) http.Handler {
	if h == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if len(req.Header["Upgrade"]) == 0 {
			n := &u.n[u.turn.Load()&1]
			n.Add(1)
			defer n.Add(-1)
		}
		h.ServeHTTP(w, req)
	})
}

// awaitOld returns when what was under way when it was called has ended, or
// after limit.
func (u *underWay) awaitOld(limit time.Duration) {
	old := &u.n[(u.turn.Add(1)-1)&1]
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(limit); old.Load() > 0; {
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}
