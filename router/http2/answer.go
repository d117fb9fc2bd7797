package http2

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// An answer is the http.ResponseWriter of a stream. What is written goes out
// with Flush, or when it is much, or at the end.
type answer struct {
	s      *stream
	header http.Header
	status int     // 0 until WriteHeader
	fields *fields // of the head, from WriteHeader until it is sent
	sent   bool    // the head has been put into the connection's output; guarded by c.mu
	bare   bool    // the answer has no body, whatever the header says
	length int64   // what is left of the body's length; negative if it is not known
	kept   *[keptSize]byte
	n      int // bytes in kept: what has been written last
	err    error

	complete bool // the handler has returned
}

const keptSize = 4 << 10

var kepts = sync.Pool{New: func() any { return new([keptSize]byte) }}

func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("status %d", status))
	}
	if status < 200 {
		if status != http.StatusSwitchingProtocols { // which HTTP/2 does not have
			a.inform(status)
		}
		return
	}
	a.status, a.length = status, -1
	a.bare = a.s.req.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	if text := a.header["Content-Length"]; len(text) > 0 {
		if a.length = length(text); a.length < 0 {
			delete(a.header, "Content-Length")
		}
	}
	a.fields = newFields(a.header)
}

// inform sends an interim answer.
func (a *answer) inform(status int) {
	f := newFields(a.header)
	c := a.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if status == http.StatusContinue {
		a.s.expects = false
	}
	if a.s.broken() == nil {
		c.encode(":status", strconv.Itoa(status))
		f.encode(c, "content-length")
		c.headers(a.s.id, false)
		c.flushLater()
	}
	f.free()
}

func (a *answer) WriteString(s string) (int, error) { return a.Write([]byte(s)) }

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	switch {
	case a.bare && a.s.req.Method == http.MethodHead:
		return len(b), nil
	case a.bare:
		return 0, http.ErrBodyNotAllowed
	case len(b) == 0 || a.err != nil:
		return 0, a.err
	}
	rest := b
	if a.length >= 0 {
		if int64(len(b)) > a.length {
			return 0, http.ErrContentLength
		}
		a.length -= int64(len(b))
	}
	if a.n+len(b) > keptSize {
		// The last piece of a body is kept, so that it can say that it is
		// the last.
		now := len(b)
		if a.length == 0 {
			now -= min(now, keptSize)
		}
		a.send(b[:now])
		rest = b[now:]
	}
	if len(rest) > 0 && a.err == nil {
		if a.kept == nil {
			a.kept = kepts.Get().(*[keptSize]byte)
		}
		a.n += copy(a.kept[a.n:], rest)
	}
	if a.err != nil {
		return 0, a.err
	}
	return len(b), nil
}

// send sends the head, if it has not been sent, what was kept, and b.
func (a *answer) send(b []byte) {
	c := a.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	a.sendHead(b, false)
	a.sendKept(false)
	a.sendBody(b, false)
	c.flushLater()
}

// sendHead also finds out what kind of body it is, if nobody has said. The
// caller has c.mu, as with those that follow.
func (a *answer) sendHead(b []byte, end bool) {
	c := a.s.c
	if a.sent || a.err != nil {
		return
	}
	if a.err = a.s.broken(); a.err != nil {
		return
	}
	a.sent = true
	c.encode(":status", statusText(a.status))
	f := a.fields
	f.encode(c, "")
	if a.n > 0 {
		b = a.kept[:a.n]
	}
	if len(b) > 0 && !f.typed {
		c.encode("content-type", http.DetectContentType(b))
	}
	if !f.dated {
		c.encode("date", time.Now().UTC().Format(http.TimeFormat))
	}
	if a.complete && !f.measured && !a.bare {
		c.encode("content-length", strconv.Itoa(a.n))
	}
	c.headers(a.s.id, end)
	a.s.weSaidAll = end
	f.free()
	a.fields = nil
}

func (a *answer) sendKept(end bool) {
	if a.kept != nil {
		n := a.n
		a.n = 0
		a.sendBody(a.kept[:n], end)
	}
}

func (a *answer) sendBody(b []byte, end bool) {
	s := a.s
	for len(b) > 0 && a.err == nil {
		var n int
		if n, a.err = s.c.claim(s, len(b)); a.err == nil {
			last := end && n == len(b)
			s.c.data(s.id, b[:n], last)
			s.weSaidAll = last
			b = b[n:]
		}
	}
	s.stalled = time.Time{}
}

func statusText(status int) string {
	switch status {
	case http.StatusOK:
		return "200"
	case http.StatusNotModified:
		return "304"
	case http.StatusNotFound:
		return "404"
	}
	return strconv.Itoa(status)
}

// Flush sends what has been written.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is what http.ResponseController calls.
func (a *answer) FlushError() error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.bare && a.err == nil {
		a.s.c.mu.Lock()
		defer a.s.c.mu.Unlock()
		return a.s.broken()
	}
	a.send(nil)
	return a.err
}

var errShort = errors.New("the answer is shorter than it says")

// finish sends what is left of the answer.
func (a *answer) finish() error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	c := a.s.c
	trailer := trailerOf(a.header)
	defer trailer.free()
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		if a.kept != nil {
			kepts.Put(a.kept)
			a.kept = nil
		}
	}()
	if a.length > 0 && !a.bare {
		return errShort // the visitor must not take it for whole
	}
	a.complete = true
	more := len(trailer.list) > 0
	a.sendHead(nil, a.n == 0 && !more)
	a.sendKept(!more)
	switch {
	case a.err != nil:
		return a.err
	case a.s.weSaidAll:
		return nil
	}
	if err := a.s.broken(); err != nil {
		return err
	}
	if more {
		trailer.encode(c, "")
		c.headers(a.s.id, true)
	} else {
		c.data(a.s.id, nil, true)
	}
	a.s.weSaidAll = true
	return nil
}

// EnableFullDuplex is for http.ResponseController: it always is.
func (a *answer) EnableFullDuplex() error { return nil }

// SetReadDeadline is for http.ResponseController.
func (a *answer) SetReadDeadline(t time.Time) error {
	a.s.deadline(toRead, t)
	return nil
}

// SetWriteDeadline is for http.ResponseController.
func (a *answer) SetWriteDeadline(t time.Time) error {
	a.s.deadline(toWrite, t)
	return nil
}

var _ io.StringWriter = (*answer)(nil)
