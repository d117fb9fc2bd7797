package router

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/router/wire"
)

// An answer is the http.ResponseWriter of HTTP/1.1. What is written goes out
// with Flush, or when it is much, or at the end.
type answer struct {
	conn   *conn
	req    *http.Request
	header http.Header
	status int // 0 until WriteHeader

	begun   bool   // the head is in out, or has gone
	last    bool   // the connection ends with this answer
	bare    bool   // the answer has no body, whatever the header says
	chunked bool   // the body's length is not known beforehand
	length  int64  // what is left of the body's length, if it is known
	out     []byte // what has been written last and not sent; before begun, the body
	err     error  // of writing

	body     *incoming // of the request; nil if it has none
	upgraded bool      // the connection is the handler's, until it returns
}

// incoming is a request's body that knows whether it has been read.
type incoming struct {
	io.ReadCloser
	conn  *conn
	req   *http.Request
	ended atomic.Bool

	// trailed is set with ended, if there was a trailer. Where that ends is
	// read in more than one way, so the connection ends with the answer.
	trailed atomic.Bool
}

func (i *incoming) Read(b []byte) (int, error) {
	n, err := i.ReadCloser.Read(b)
	if err == io.EOF && !i.ended.Load() {
		i.trailed.Store(len(i.req.Trailer) > 0)
		i.ended.Store(true)
		i.conn.watchVisitor() // there is nothing more to read
	}
	return n, err
}

// run answers the request, and reports whether the connection can go on.
func (a *answer) run() (goesOn bool) {
	defer func() {
		a.conn.endWatch()
		a.free()
		if v := recover(); v != nil {
			goesOn = false
			if v != http.ErrAbortHandler && a.conn.entrance.log != nil {
				a.conn.entrance.log.Error("panic in a handler", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			}
		}
	}()
	a.last = a.req.Close
	a.conn.startWatch()
	if a.req.Body != http.NoBody {
		a.body = &incoming{ReadCloser: a.req.Body, conn: a.conn, req: a.req}
		a.req.Body = a.body
	} else {
		a.conn.watchVisitor()
	}
	a.conn.entrance.handler.ServeHTTP(a, a.req)
	a.conn.endWatch()
	if a.upgraded {
		return false
	}
	unread := a.body != nil && !a.body.ended.Load()
	if unread && a.req.ContentLength >= 0 && a.req.ContentLength <= int64(a.conn.r.Buffered()) {
		_, err := io.Copy(io.Discard, a.body)
		unread = err != nil
	}
	a.last = a.last || unread || a.body != nil && a.body.trailed.Load()
	if a.finish() != nil {
		return false
	}
	if unread {
		a.conn.linger()
	}
	return !a.last
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status != 0 || a.upgraded {
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("status %d", status))
	}
	if status < 200 {
		a.inform(status)
		return
	}
	a.status = status
	a.bare = a.req.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	a.length = -1
	if text := a.header["Content-Length"]; len(text) > 0 {
		n, err := strconv.ParseInt(text[0], 10, 64)
		if len(text) != 1 || err != nil || n < 0 {
			delete(a.header, "Content-Length")
		} else {
			a.length = n
		}
	}
	if a.length >= 0 || a.bare {
		a.begin()
	}
}

// inform sends an interim answer.
func (a *answer) inform(status int) {
	if !a.req.ProtoAtLeast(1, 1) {
		return
	}
	a.room()
	a.out = appendStatus(a.out, a.req, status)
	a.out = appendHeader(a.out, a.header)
	a.out = append(a.out, "\r\n"...)
	a.Flush()
}

// begin puts the head together.
func (a *answer) begin() {
	a.begun = true
	var body []byte
	if len(a.out) > 0 {
		body = append(body, a.out...)
		a.out = a.out[:0]
	}
	if a.length < 0 && !a.bare {
		a.chunked = a.req.ProtoAtLeast(1, 1)
		a.last = a.last || !a.chunked
	}
	if a.body != nil && a.body.trailed.Load() {
		a.last = true
	}
	if a.body != nil && !a.body.ended.Load() && a.req.Header["Expect"] != nil {
		a.last = true // nobody knows whether the body will come
	}
	if a.conn.entrance.closing.Load() || strings.EqualFold(a.header.Get("Connection"), "close") {
		a.last = true
	}
	a.room()
	b := appendStatus(a.out, a.req, a.status)
	b = appendHeader(b, a.header)
	if a.length >= 0 && a.status != http.StatusNoContent {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, a.length, 10)
		b = append(b, "\r\n"...)
	}
	if a.chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if a.header["Date"] == nil {
		b = append(b, "Date: "...)
		b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
		b = append(b, "\r\n"...)
	}
	switch {
	case a.last:
		b = append(b, "Connection: close\r\n"...)
	case !a.req.ProtoAtLeast(1, 1):
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	a.out = append(b, "\r\n"...)
	if len(body) > 0 {
		a.put(body)
	}
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	switch {
	case a.upgraded:
		return 0, http.ErrHijacked
	case a.bare:
		return 0, http.ErrBodyNotAllowed
	case len(b) == 0 || a.err != nil:
		return 0, a.err
	}
	if !a.begun {
		if a.room(); len(a.out)+len(b) <= readSize/2 {
			// Perhaps that is all, and its length can be told.
			a.out = append(a.out, b...)
			return len(b), nil
		}
		a.begin()
	}
	if a.length >= 0 {
		if int64(len(b)) > a.length {
			return 0, http.ErrContentLength
		}
		a.length -= int64(len(b))
	}
	a.put(b)
	if a.err != nil {
		return 0, a.err
	}
	return len(b), nil
}

// put sends a piece of the body, or keeps it until there is more.
func (a *answer) put(b []byte) {
	a.room()
	if a.chunked {
		a.out = strconv.AppendInt(a.out, int64(len(b)), 16)
		a.out = append(a.out, "\r\n"...)
	}
	if len(a.out)+len(b)+2 <= readSize {
		a.out = append(a.out, b...)
		b = nil
	}
	if b != nil {
		a.conn.cork.Hold()
		a.send()
		a.write(b)
	}
	if a.chunked {
		a.out = append(a.out, "\r\n"...)
	}
}

// room sees to it that there is somewhere to put together what is to be sent.
func (a *answer) room() {
	if a.out == nil {
		a.out = smalls.Get()[:0]
	}
}

func (a *answer) free() {
	if a.out != nil {
		smalls.Put(a.out)
	}
	a.out = nil
}

func (a *answer) send() {
	if len(a.out) > 0 {
		a.write(a.out)
		a.out = a.out[:0]
	}
}

func (a *answer) write(b []byte) {
	if a.err == nil {
		a.conn.limitWriting()
		_, a.err = a.conn.Conn.Write(b)
	}
}

// Flush sends what has been written.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is what http.ResponseController calls.
func (a *answer) FlushError() error {
	if a.status != 0 && !a.begun {
		a.begin()
	}
	if a.out != nil {
		a.send()
	}
	if err := a.conn.cork.Release(); a.err == nil {
		a.err = err
	}
	return a.err
}

// finish sends what is left of the answer.
func (a *answer) finish() error {
	if a.status == 0 {
		a.status, a.length = http.StatusOK, -1
		a.bare = a.req.Method == http.MethodHead
	}
	if !a.begun {
		if _, announced := a.header["Trailer"]; !announced {
			a.length = 0
			if a.out != nil {
				a.length = int64(len(a.out))
			}
			if a.header["Content-Type"] == nil && a.length > 0 {
				a.header["Content-Type"] = []string{http.DetectContentType(a.out)}
			}
			a.begin()
			a.length = 0
		} else {
			a.begin()
		}
	}
	if a.chunked {
		a.room()
		a.out = append(a.out, "0\r\n"...)
		a.out = appendTrailer(a.out, a.header)
		a.out = append(a.out, "\r\n"...)
	}
	if a.length > 0 && !a.bare && a.err == nil {
		a.err = io.ErrUnexpectedEOF // the visitor must not take it for whole
		return a.err
	}
	return a.FlushError()
}

// EnableFullDuplex is for http.ResponseController: it always is.
func (a *answer) EnableFullDuplex() error { return nil }

// SetReadDeadline is for http.ResponseController.
func (a *answer) SetReadDeadline(t time.Time) error { return a.conn.tcp.SetReadDeadline(t) }

// SetWriteDeadline is for http.ResponseController.
func (a *answer) SetWriteDeadline(t time.Time) error { return a.conn.tcp.SetWriteDeadline(t) }

func appendStatus(b []byte, req *http.Request, status int) []byte {
	if req.ProtoAtLeast(1, 1) {
		b = append(b, "HTTP/1.1 "...)
	} else {
		b = append(b, "HTTP/1.0 "...)
	}
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	return append(b, "\r\n"...)
}

// appendHeader leaves out what only the answer itself can know.
func appendHeader(b []byte, h http.Header) []byte {
	for name, values := range h {
		switch name {
		case "Connection", "Content-Length", "Transfer-Encoding", "Keep-Alive", "Proxy-Connection":
			continue
		}
		if strings.HasPrefix(name, http.TrailerPrefix) || !wire.ValidName(name) {
			continue
		}
		for _, value := range values {
			b = appendField(b, name, value)
		}
	}
	return b
}

func appendTrailer(b []byte, h http.Header) []byte {
	for name, values := range h {
		name, ok := strings.CutPrefix(name, http.TrailerPrefix)
		if !ok {
			continue
		}
		for _, value := range values {
			b = appendField(b, name, value)
		}
	}
	for _, names := range h["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			for _, value := range h[name] {
				b = appendField(b, name, value)
			}
		}
	}
	return b
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	at := len(b)
	b = append(b, value...)
	for i, c := range b[at:] {
		if c == '\r' || c == '\n' || c == 0 {
			b[at+i] = ' '
		}
	}
	return append(b, "\r\n"...)
}
