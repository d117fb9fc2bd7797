package router

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// A response is a ResponseWriter that another goroutine can cut, whatever the
// handler is waiting for: the visitor's next byte, room in the visitor's
// receive window, or a WebSocket.
type response struct {
	http.ResponseWriter
	sight *sight

	mu    sync.Mutex
	begun bool     // the answer's header has been written
	ended bool     // the handler has returned, so the connection is no longer ours
	isCut bool     // cut has been called
	conn  net.Conn // set when hijacked
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if status >= 200 {
		w.mu.Lock()
		w.begun = true
		w.sight.status = status
		if w.isCut {
			w.stopWriting()
		}
		w.mu.Unlock()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.sight.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	w.sight.out += int64(n)
	return n, err
}

func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.sight.status = http.StatusSwitchingProtocols
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = conn
	if w.isCut {
		conn.Close()
	}
	if rw.Reader.Buffered() > 0 {
		// The reverse proxy reads from conn only, and would lose what the
		// visitor sent right behind the request.
		conn = &eager{conn, rw.Reader}
	}
	return conn, rw, nil
}

// An eager connection has been read from before it was hijacked.
type eager struct {
	net.Conn
	r *bufio.Reader
}

func (e *eager) Read(b []byte) (int, error) { return e.r.Read(b) }

// CloseWrite passes on that the app has said all it will say.
func (e *eager) CloseWrite() error {
	if c, ok := e.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// cut has everything return that waits for the visitor. An answer that has
// not begun can still be written, so that the visitor gets a page.
func (w *response) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	if w.ended {
		return
	}
	if w.conn != nil {
		w.conn.Close()
		return
	}
	// Only servers without deadlines refuse, and there is nothing else to try.
	_ = http.NewResponseController(w.ResponseWriter).SetReadDeadline(time.Unix(1, 0))
	if w.begun {
		w.stopWriting()
	}
}

func (w *response) stopWriting() {
	// As above.
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
}

func (w *response) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

func (w *response) hijacked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn != nil
}
