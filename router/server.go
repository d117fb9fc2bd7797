package router

import (
	"context"
	"crypto/tls"
	"errors"
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
	TLS         *tls.Config // for HTTPS
	Plain       http.Handler
	Secure      http.Handler
	Grace       time.Duration // for requests under way when ctx is done
	Log         *slog.Logger
}

// Serve serves until ctx is done, and returns nil then, after the requests
// under way have ended or Grace has passed. It closes the listeners.
func (s *Server) Serve(ctx context.Context) error {
	// Requests outlive ctx by up to Grace, and none outlives Serve: this is
	// also what ends WebSockets, of which http.Server knows nothing.
	base, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()

	var running sync.WaitGroup
	var servers []*http.Server
	stopped := make(chan error, 2)
	serve := func(h http.Handler, l net.Listener, secure bool) {
		if l == nil {
			return
		}
		server := s.server(base, h)
		servers = append(servers, server)
		running.Go(func() {
			if secure {
				server.TLSConfig = s.TLS
				stopped <- server.ServeTLS(l, "", "")
				return
			}
			stopped <- server.Serve(l)
		})
	}
	serve(s.Plain, s.HTTP, false)
	serve(s.Secure, s.HTTPS, true)

	var err error
	select {
	case <-ctx.Done():
	case err = <-stopped:
	}
	s.shutdown(context.WithoutCancel(ctx), servers)
	running.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// server has no time limit for bodies: an upload takes as long as it takes,
// and an event stream does not end.
func (s *Server) server(base context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          debugLog(s.Log),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			SendPingTimeout:      30 * time.Second, // finds visitors who have gone without a word
			PingTimeout:          15 * time.Second,
			WriteByteTimeout:     time.Minute,
		},
	}
}

func (s *Server) shutdown(ctx context.Context, servers []*http.Server) {
	ctx, cancel := context.WithTimeout(ctx, s.Grace)
	defer cancel()
	var closing sync.WaitGroup
	for _, server := range servers {
		closing.Go(func() {
			if server.Shutdown(ctx) != nil {
				// Closing a listener that Shutdown has closed is all that
				// can go wrong.
				_ = server.Close()
			}
		})
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
