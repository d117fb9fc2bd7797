package router

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/router/wire"
)

// errUpload says that the visitor broke off in the middle of a request, or
// that what came could not be read.
var errUpload = errors.New("the body of the request broke off")

// An upload is the body of a request on its way to a target, for which it has
// a goroutine.
type upload struct {
	x     *exchange
	done  chan struct{}
	whole bool // everything has been sent, and nobody had to hurry it; set before done is closed

	unwanted atomic.Bool // the answer is complete, or there will be none from this target
}

// lastWait is how long an answer that is complete waits for the rest of its
// request to be sent: usually it has been, and only has not been noted.
const lastWait = 50 * time.Millisecond

// begin sends the body on l. It is called once, when there is a connection.
func (u *upload) begin(l *link) {
	u.done = make(chan struct{})
	u.x.sending()
	go func() {
		defer close(u.done)
		u.whole = u.copy(l)
		u.x.asked.Store(time.Now().UnixNano())
	}()
}

// copy reports whether all of the body has been sent.
func (u *upload) copy(l *link) bool {
	req := u.x.req
	chunked := req.ContentLength < 0
	buf := newMoving()
	defer buf.free()
	const room = 8 // for the size of a chunk, and its end
	var head [room + 2]byte
	for {
		b := buf.b
		// A chunk is written in one piece, with its size before it and the
		// end of the line behind it.
		n, err := req.Body.Read(b[room : len(b)-2])
		u.x.in.Add(int64(n))
		u.x.moved.Add(1)
		u.x.turn.Store(targetsTurn)
		piece := b[room : room+n]
		if chunked && n > 0 {
			size := strconv.AppendInt(head[:0], int64(n), 16)
			size = append(size, "\r\n"...)
			at := room - len(size)
			copy(b[at:], size)
			piece = append(b[at:room+n], "\r\n"...)
		}
		if n > 0 {
			if _, err := l.conn.Write(piece); err != nil {
				return false // the target has heard enough; perhaps it says why
			}
		}
		if err == io.EOF {
			return !chunked || u.end(l)
		}
		if err != nil {
			u.broken(err)
			return false
		}
		u.x.turn.Store(visitorsTurn)
		buf.fit(n)
	}
}

// broken has the exchange stopped because its body cannot be read, unless it is
// we who have ended that: what is left of the answer can still be sent.
func (u *upload) broken(err error) {
	if u.unwanted.Load() {
		return
	}
	if err != errTooLarge {
		err = errUpload
	}
	u.x.stop(err)
}

// end sends what is behind the last chunk.
func (u *upload) end(l *link) bool {
	b := append(make([]byte, 0, 64), "0\r\n"...)
	for name, values := range u.x.req.Trailer {
		for _, value := range values {
			if wire.ValidName(name) && !aboutOrigin(name) && !u.x.from.invented(name, values) {
				b = appendField(b, name, value)
			}
		}
	}
	_, err := l.conn.Write(append(b, "\r\n"...))
	return err == nil
}

// finishUpload returns when nobody reads the request's body any more.
func (x *exchange) finishUpload() {
	u := x.upload
	if u == nil || u.done == nil {
		return
	}
	select {
	case <-u.done:
		return
	case <-time.After(lastWait):
	}
	u.unwanted.Store(true)
	x.mu.Lock()
	if x.link != nil {
		x.link.stop()
	}
	x.mu.Unlock()
	// Only servers without deadlines refuse, and they can close the body.
	_ = http.NewResponseController(x.w.ResponseWriter).SetReadDeadline(time.Unix(1, 0))
	if x.own == nil {
		_ = x.req.Body.Close()
	}
	<-u.done
	u.whole = false // the connection has been told to stop
}

// here returns the request's body if all of it has come already and is small,
// so that it can go in one piece with the head.
func (x *exchange) appendBody(b []byte) []byte {
	req := x.req
	if req.Body == nil || req.Body == http.NoBody || req.ContentLength == 0 {
		return b
	}
	n := int(min(req.ContentLength, readSize))
	if x.own == nil || req.ContentLength < 0 || int64(n) < req.ContentLength || n > x.own.conn.r.Buffered() {
		x.upload = &upload{x: x}
		return b
	}
	at := len(b)
	b = slices.Grow(b, n)[:at+n]
	if _, err := io.ReadFull(req.Body, b[at:]); err != nil {
		x.upload = &upload{x: x} // it will see the error once more
		return b[:at]
	}
	x.in.Add(int64(n))
	_, _ = req.Body.Read(make([]byte, 1)) // it has ended, and is to know it
	return b
}
