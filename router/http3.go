package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

const (
	// lingering is how long handshakes that have begun, and requests that are
	// on their way, are still waited for before a visitor is told to go
	// elsewhere: longer than it takes them to arrive.
	lingering = time.Second

	// silence is how long no request must have been under way before what
	// visitors keep open is closed. Most close it themselves when told to.
	silence = 500 * time.Millisecond

	// surge is how many handshakes a second are believed. Beyond it, a visitor
	// has to show first that it is where it says it is.
	surge = 200

	// advertised is for how long visitors may remember that there is HTTP/3,
	// in seconds: a day, after which it may have been switched off.
	advertised = 86400
)

// advertise has h tell its visitors that there is HTTP/3 at the same port.
func (s *Server) advertise(h http.Handler) http.Handler {
	if s.UDP == nil || s.HTTPS == nil {
		return h
	}
	_, port, _ := net.SplitHostPort(s.HTTPS.Addr().String())
	value := []string{fmt.Sprintf(`h3=":%s"; ma=%d`, port, advertised)}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header()["Alt-Svc"] = value
		h.ServeHTTP(w, req)
	})
}

// serveQUIC serves HTTP/3 until ctx is done, and returns nil then, after the
// requests under way have ended or Grace has passed. It returns at once if
// there is no socket for it.
func (s *Server) serveQUIC(ctx context.Context, h http.Handler) error {
	if s.UDP == nil {
		return nil
	}
	key := quic.StatelessResetKey(s.UDP.key)
	transport := &quic.Transport{
		Conn: s.UDP, ConnectionIDGenerator: s.UDP,
		StatelessResetKey: &key, VerifySourceAddress: new(crowd).tooLarge,
	}
	defer transport.Close()
	ln, err := transport.ListenEarly(http3.ConfigureTLSConfig(s.TLS), &quic.Config{
		HandshakeIdleTimeout:       5 * time.Second,
		MaxIdleTimeout:             2 * time.Minute,
		MaxIncomingStreams:         250,
		MaxIncomingUniStreams:      8,
		MaxStreamReceiveWindow:     1 << 20, // what an app that stalls can cost, of each request
		MaxConnectionReceiveWindow: 4 << 20, // and of each visitor
		Allow0RTT:                  false,   // what is sent that early can be sent again by others
	})
	if err != nil {
		return fmt.Errorf("HTTP/3: %w", err)
	}
	defer ln.Close()
	var requests counted
	limits := waits{idle: cmp.Or(s.quicIdle, idleTimeout), write: cmp.Or(s.writeTimeout, writeTimeout)}
	server := &http3.Server{
		Handler:        limits.with(requests.of(h)),
		MaxHeaderBytes: 64 << 10,
		ConnContext:    limits.begin,
		Logger:         s.Log,
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.ServeListener(ln) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("HTTP/3: %w", errors.Join(err, server.Close()))
	case <-ctx.Done():
	}
	// Who begins a handshake now does so with whoever reads the socket next.
	s.UDP.deaf.Store(true)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Grace)
	defer cancel()
	select {
	case <-time.After(lingering):
	case <-grace.Done():
	}
	go func() {
		defer cancel()
		requests.awaitSilence(grace)
	}()
	// Every connection is told which requests are answered here: those that it
	// has sent. What crosses that word on its way is refused unread, which a
	// visitor may take elsewhere without asking (RFC 9114, 5.2).
	_ = server.Shutdown(grace) // what does not end in time is ended
	<-stopped
	return nil
}

// counted counts the requests under way.
type counted struct{ n atomic.Int64 }

func (c *counted) of(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c.n.Add(1)
		defer c.n.Add(-1)
		h.ServeHTTP(w, req)
	})
}

// awaitSilence returns when no request has been under way for a while.
func (c *counted) awaitSilence(ctx context.Context) {
	tick := time.NewTicker(silence / 10)
	defer tick.Stop()
	for quiet := 0; quiet < 10; quiet++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if c.n.Load() > 0 {
			quiet = -1
		}
	}
}

// A crowd is those who begin a handshake in the same second.
type crowd struct {
	mu     sync.Mutex // guards the fields below
	second int64
	n      int
}

func (c *crowd) tooLarge(net.Addr) bool {
	now := time.Now().Unix()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.second != now {
		c.second, c.n = now, 0
	}
	c.n++
	return c.n > surge
}
