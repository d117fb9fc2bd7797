package router

import (
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
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
	Log         *slog.Logger
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
	serve := func(h http.Handler, l net.Listener, config *tls.Config) {
		if l == nil {
			return
		}
		e := newEntrance(base, l, h, config, s.Log)
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
		if err := s.serveQUIC(quicCtx); err != nil && s.Log != nil {
			// Visitors have the other ways in.
			s.Log.Error("serve", "err", err)
		}
	})

	var err error
	select {
	case <-ctx.Done():
	case err = <-stopped:
	}
	stopQUIC()
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

// debugLog is for what net/http has to say: the misdeeds of visitors, mostly.
func debugLog(l *slog.Logger) *log.Logger {
	if l == nil {
		return log.New(discard{}, "", 0)
	}
	return slog.NewLogLogger(l.Handler(), slog.LevelDebug)
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
