package router

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/berthhq/berth/router/http2"
)

// waits are for how long a visitor of HTTP/3 is waited for.
type waits struct {
	idle  time.Duration // without a request under way
	write time.Duration // for one write, as with HTTP/1.1
}

// maxRunning is how many requests of a connection may be under way, those
// among them that the visitor has taken back and whose app has not noticed yet.
const maxRunning = 500

// A visit is a connection of HTTP/3. It ends when no request of it has been
// under way for a while, whatever else its visitor keeps it busy with: heads
// that come a byte at a time are streams to QUIC, and not idle. It also ends
// when most of what it asks for is taken back at once (CVE-2023-44487), as by
// HTTP/2: QUIC counts only the streams that are there.
type visit struct {
	idle  time.Duration
	timer *time.Timer
	conn  *quic.Conn

	mu     sync.Mutex // guards the fields below
	n      int        // requests under way
	resets *http2.Resets
}

type visitKey struct{}

// begin notes a connection in the context of its requests.
func (p waits) begin(ctx context.Context, c *quic.Conn) context.Context {
	v := &visit{idle: p.idle, conn: c, resets: http2.NewResets()}
	v.timer = time.AfterFunc(p.idle, func() {
		v.mu.Lock()
		idle := v.n == 0
		v.mu.Unlock()
		if idle {
			v.end(http3.ErrCodeNoError, "idle")
		}
	})
	context.AfterFunc(c.Context(), func() { v.timer.Stop() })
	return context.WithValue(ctx, visitKey{}, v)
}

// end ends the connection, which may have ended already.
func (v *visit) end(code http3.ErrCode, why string) {
	_ = v.conn.CloseWithError(quic.ApplicationErrorCode(code), why)
}

// enter reports whether there is room for one more request.
func (v *visit) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.n++
	v.timer.Stop()
	return v.n <= maxRunning
}

// leave reports whether the visitor may go on.
func (v *visit) leave(takenBack bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.n--; v.n == 0 {
		v.timer.Reset(v.idle)
	}
	return !takenBack || v.resets.Spend(time.Now())
}

// with has requests answered under these limits.
func (p waits) with(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body := &taken{ReadCloser: req.Body}
		req.Body = body
		if v, ok := req.Context().Value(visitKey{}).(*visit); ok {
			defer func() {
				if !v.leave(req.Context().Err() != nil || body.back.Load()) {
					v.end(http3.ErrCodeExcessiveLoad, "requests that are taken back")
				}
			}()
			if !v.enter() {
				v.end(http3.ErrCodeExcessiveLoad, "requests under way")
				panic(http.ErrAbortHandler)
			}
		}
		if !p.findBody(w, req) {
			panic(http.ErrAbortHandler)
		}
		h.ServeHTTP(&brisk{ResponseWriter: w, limit: p.write}, req)
	})
}

// taken is a body that notes when its visitor takes it back.
type taken struct {
	io.ReadCloser
	back atomic.Bool
}

func (t *taken) Read(b []byte) (int, error) {
	n, err := t.ReadCloser.Read(b)
	if err != nil && err != io.EOF {
		if e, ok := errors.AsType[*http3.Error](err); ok && e.Remote {
			t.back.Store(true)
		}
	}
	return n, err
}

// findBody finds out whether a request has a body at all that says no length of
// it: by HTTP/3 that shows only at its end, which comes with the head of most.
// Apps would get it as a chunked body of nothing, which many of them do not
// expect of a GET, and which nobody may send again. It returns false if neither
// a body nor the end comes.
func (p waits) findBody(w http.ResponseWriter, req *http.Request) bool {
	if req.ContentLength >= 0 || req.Method != http.MethodGet && req.Method != http.MethodHead && req.Method != http.MethodOptions && req.Method != http.MethodDelete {
		return true
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(min(headTimeout, p.idle))) // HTTP/3 takes it
	first := make([]byte, 1)
	n, err := req.Body.Read(first)
	_ = control.SetReadDeadline(time.Time{}) // as above
	switch {
	case n > 0:
		req.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(&prefix{first}, req.Body), req.Body}
	case err == io.EOF:
		req.Body, req.ContentLength = http.NoBody, 0
	}
	return n > 0 || err == io.EOF
}

// A brisk answer has a write fail that a visitor takes nothing of for long. QUIC
// itself waits for as long as the visitor says that they are there.
type brisk struct {
	http.ResponseWriter
	limit time.Duration

	mu   sync.Mutex // guards the fields below
	by   time.Time  // the limit set
	told bool       // somebody else has set one, which holds
}

// hurry sets the limit of the next write.
func (h *brisk) hurry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if by := time.Now().Add(h.limit); !h.told && by.Sub(h.by) > min(slack, h.limit/4) {
		h.by = by
		_ = http.NewResponseController(h.ResponseWriter).SetWriteDeadline(by) // HTTP/3 takes it
	}
}

func (h *brisk) WriteHeader(status int) {
	h.hurry()
	h.ResponseWriter.WriteHeader(status)
}

func (h *brisk) Write(b []byte) (int, error) {
	h.hurry()
	return h.ResponseWriter.Write(b)
}

// Flush is for handlers that look for an http.Flusher.
func (h *brisk) Flush() { _ = h.FlushError() } // who wants to know asks the controller

// FlushError is what http.ResponseController calls.
func (h *brisk) FlushError() error {
	h.hurry()
	return http.NewResponseController(h.ResponseWriter).Flush()
}

// SetWriteDeadline is what http.ResponseController calls.
func (h *brisk) SetWriteDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told, h.by = !t.IsZero(), time.Time{}
	return http.NewResponseController(h.ResponseWriter).SetWriteDeadline(t)
}

// Unwrap is for http.ResponseController.
func (h *brisk) Unwrap() http.ResponseWriter { return h.ResponseWriter }
