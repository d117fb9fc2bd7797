package http2

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	h2 "golang.org/x/net/http2"
)

// A stream is a request and its answer.
type stream struct {
	c  *conn
	id uint32
	life
	answer
	req *http.Request

	// The fields below are guarded by c.mu.
	running   bool // the handler has not returned
	closed    bool // nothing goes in or out any more
	saidAll   bool // the visitor has
	weSaidAll bool
	err       error // why it was closed

	window  int64 // of the visitor
	canSend sync.Cond
	stalled time.Time // since when a piece of the answer has been waiting; zero if none does
	late    bool      // what the handler writes comes too late

	incoming
	timers [2]*time.Timer // for reading and writing
}

// errReset is what reading and writing says when the stream has been reset.
var errReset = errors.New("the visitor does not want the answer")

// open makes a stream for a request that has come. The visitor has said all if
// it has no body.
func (c *conn) open(id uint32, saidAll bool) *stream {
	s := &stream{c: c, id: id, window: c.initial, saidAll: saidAll}
	s.life.values = c.ctx
	s.answer.s = s
	s.canSend.L, s.canRead.L = &c.mu, &c.mu
	s.incoming.room = streamWindow
	c.streams[id] = s
	c.idle = time.Time{}
	return s
}

// start has a worker answer the request.
func (c *conn) start(s *stream) {
	s.running = true
	c.running++
	c.working.Add(1)
	c.server.workers.do(s)
}

// run answers the request.
func (s *stream) run() {
	c := s.c
	defer c.working.Done()
	whole := s.handle() && s.answer.finish() == nil
	c.mu.Lock()
	defer c.mu.Unlock()
	s.running = false
	c.running--
	switch {
	case s.closed || c.dead:
	case !whole:
		c.resetUncounted(s.id, h2.ErrCodeInternal)
	case s.saidAll:
		c.close(s, nil)
	default:
		// The answer is complete, and the rest of the request not wanted.
		time.AfterFunc(unwanted, s.refuseRest)
	}
	s.dropBody()
	s.life.end()
	if c.claimFlush() {
		c.flush()
	}
}

// unwanted is how long the rest of a request may come that nobody wants. Some
// visitors, as curl before version 8, take a reset that is there when they read the
// answer for a failure, and do not show it.
const unwanted = 500 * time.Millisecond

// refuseRest has the visitor send no more (RFC 9113, 8.1).
func (s *stream) refuseRest() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if !s.closed && !s.c.dead {
		s.c.resetUncounted(s.id, h2.ErrCodeNo)
		s.c.flushLater()
	}
}

// handle reports whether the handler returned.
func (s *stream) handle() (whole bool) {
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler && s.c.server.Log != nil {
			s.c.server.Log.Error("panic in a handler", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
		}
	}()
	s.c.server.Handler.ServeHTTP(&s.answer, s.req)
	return true
}

// close has everyone return who waits for the stream, and forgets it. err is
// nil if all was said by both sides.
func (c *conn) close(s *stream, err error) {
	if s.closed {
		return
	}
	s.closed, s.err = true, err
	delete(c.streams, s.id)
	c.recent.add(s.id, false)
	if err != nil {
		s.dropBody()
		s.life.end()
	}
	for _, t := range s.timers {
		if t != nil {
			t.Stop()
		}
	}
	s.canSend.Broadcast()
	s.canRead.Broadcast()
	if len(c.streams) == 0 {
		c.idle = time.Now()
	}
}

// broken is why the handler cannot write any more, or nil.
func (s *stream) broken() error {
	switch {
	case s.late:
		return os.ErrDeadlineExceeded
	case s.err != nil:
		return s.err
	case s.closed || s.weSaidAll || s.c.dead || s.c.failed:
		return errGone
	}
	return nil
}

// waitForRoom waits until something has changed.
func (s *stream) waitForRoom() {
	if s.stalled.IsZero() {
		s.stalled = time.Now()
	}
	s.canSend.Wait()
}

// The two deadlines of a stream.
const (
	toRead = iota
	toWrite
)

// deadline has reading or writing fail from then on.
func (s *stream) deadline(what int, t time.Time) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.timers[what] != nil {
		s.timers[what].Stop()
		s.timers[what] = nil
	}
	if t.IsZero() || s.closed && !s.running {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		s.expire(what)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		if s.timers[what] == timer {
			s.expire(what)
		}
	})
	s.timers[what] = timer
}

func (s *stream) expire(what int) {
	if what == toRead {
		if s.incoming.err == nil {
			s.incoming.err = os.ErrDeadlineExceeded
		}
		s.canRead.Broadcast()
		return
	}
	s.late = true
	s.c.resetUncounted(s.id, h2.ErrCodeInternal)
	s.canSend.Broadcast()
	s.c.flushLater()
}
