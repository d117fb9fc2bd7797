package router

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// HTTP2 is the protocol of a service whose processes speak HTTP/2 without TLS
// (h2c), as gRPC servers do.
const HTTP2 = "h2c"

// speaksHTTP2 reports whether the target is to get the request by HTTP/2. gRPC
// exists nowhere else.
func (x *exchange) speaksHTTP2() bool {
	return x.gen.protocol == HTTP2 ||
		x.req.ProtoMajor >= 2 && strings.HasPrefix(only(x.req.Header["Content-Type"]), "application/grpc")
}

// multiplexed are a target's connections that speak HTTP/2. Most targets have
// none.
type multiplexed struct {
	transport atomic.Pointer[http.Transport]
}

func (m *multiplexed) get() *http.Transport {
	if t := m.transport.Load(); t != nil {
		return t
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	m.transport.CompareAndSwap(nil, &http.Transport{
		Protocols:              &protocols,
		DialContext:            dialOnce,
		DisableCompression:     true, // what the app compressed is passed on as it is
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxAnswerHead,
	})
	return m.transport.Load()
}

func (m *multiplexed) closeIdle() {
	if t := m.transport.Load(); t != nil {
		t.CloseIdleConnections()
	}
}

// askHTTP2 is ask by HTTP/2. Bodies go both ways for as long as the exchange
// lasts.
func (x *exchange) askHTTP2() (*http.Response, error) {
	ctx, done := x.context()
	x.done = done
	out := x.req.Clone(ctx)
	removeHopByHop(out.Header)
	for name, values := range out.Header {
		if aboutOrigin(name) || x.from.invented(name, values) {
			delete(out.Header, name)
		}
	}
	host := hostFor(x.req.Host)
	for _, f := range x.origin(host) {
		out.Header.Set(f.name, f.value)
	}
	if names(x.req.Header["Te"], "trailers") {
		out.Header.Set("Te", "trailers")
	}
	out.RequestURI, out.Host = "", host
	if uri, err := url.ParseRequestURI(target11(x.req)); err == nil {
		out.URL = uri
	}
	out.URL.Scheme = "http"
	return x.search(func(t *target) (*http.Response, error) {
		x.at(t)
		out.URL.Host = t.addr
		if out.Body != nil && out.Body != http.NoBody {
			x.upload = &upload{x: x, done: make(chan struct{})}
			out.Body = &streamed{u: x.upload}
		} else {
			x.asked.Store(x.began.UnixNano())
		}
		return t.http2.get().RoundTrip(out)
	})
}

// A streamed body is an upload that a transport reads. Closing it does not
// close the visitor's: the next target may need it.
type streamed struct {
	u *upload

	mu      sync.Mutex // guards the fields below
	reading bool
	closed  bool
}

func (s *streamed) Read(b []byte) (int, error) {
	if !s.begin() {
		return 0, http.ErrBodyReadAfterClose
	}
	defer s.end()
	x := s.u.x
	x.turn.Store(visitorsTurn)
	n, err := x.req.Body.Read(b)
	x.in.Add(int64(n))
	x.moved.Add(1)
	x.turn.Store(targetsTurn)
	switch {
	case err == io.EOF:
		x.asked.Store(time.Now().UnixNano())
	case err != nil:
		s.u.broken(err)
	}
	return n, err
}

func (s *streamed) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = !s.closed
	return s.reading
}

func (s *streamed) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading = false; s.closed {
		close(s.u.done)
	}
}

// Close does not wait for who reads, but the upload goes on as long as they do.
func (s *streamed) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && !s.reading {
		close(s.u.done)
	}
	s.closed = true
	return nil
}
