package router

import (
	"bufio"
	"errors"
	"os"
	"sync"
	"time"
)

// watchAfter is how long a request takes before somebody looks whether its
// visitor is still there. Most are over by then.
const watchAfter = 250 * time.Millisecond

// A watch notices that the visitor of a slow request hangs up, by reading
// ahead while nobody else reads.
type watch struct {
	timer *time.Timer

	mu   sync.Mutex
	on   bool
	gone func() // called when the visitor hangs up
	late func() // called when the request is a slow one
	slow bool   // it is
	r    *bufio.Reader
	done chan struct{} // closed by the goroutine that reads; nil if none does
}

// startWatch is called when a request has come.
func (c *conn) startWatch() {
	if c.watch.timer == nil {
		c.watch.timer = time.AfterFunc(watchAfter, c.look)
		return
	}
	c.watch.timer.Reset(watchAfter)
}

// watchVisitor is called when all of the request has been read. Nobody may
// read from the connection until endWatch.
func (c *conn) watchVisitor() {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on {
		return
	}
	w.on, w.r = true, c.r
	if w.slow {
		w.timer.Reset(watchAfter) // it has looked already, too early
	}
}

// slow has gone called when the visitor hangs up, as long as somebody watches,
// and late when the request takes a while. The request's context ends when the
// visitor hangs up, too.
func (c *conn) slow(gone, late func()) {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone, w.late = gone, late
}

func (c *conn) look() {
	w := &c.watch
	w.mu.Lock()
	w.slow = true
	late := w.late
	if !w.on || w.done != nil {
		w.mu.Unlock()
		if late != nil {
			late()
		}
		return
	}
	done := make(chan struct{})
	w.done = done
	r := w.r
	_ = c.tcp.SetReadDeadline(time.Time{}) // a connection without limits is closed
	w.mu.Unlock()

	defer close(done)
	if late != nil {
		late()
	}
	if _, err := r.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.hungUp()
	}
}

// endWatch returns when nobody else reads from the connection any more.
func (c *conn) endWatch() {
	w := &c.watch
	w.mu.Lock()
	w.timer.Stop()
	w.on, w.slow = false, false
	done := w.done
	w.done = nil
	w.mu.Unlock()
	if done == nil {
		return
	}
	_ = c.tcp.SetReadDeadline(time.Unix(1, 0)) // as above
	<-done
	c.readBy = time.Time{}
	_ = c.tcp.SetReadDeadline(time.Time{})
}

func (c *conn) hungUp() {
	c.watch.mu.Lock()
	gone := c.watch.gone
	c.watch.mu.Unlock()
	c.cancel()
	if gone != nil {
		gone()
	}
}
