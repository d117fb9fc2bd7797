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
	gone func()
	r    *bufio.Reader
	done chan struct{} // closed by the goroutine that reads; nil if none does
}

// watchVisitor begins to watch. Nobody may read from the connection until
// endWatch.
func (c *conn) watchVisitor() {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on {
		return
	}
	w.on, w.r = true, c.r
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, c.look)
		return
	}
	w.timer.Reset(watchAfter)
}

// whenGone has f called when the visitor hangs up, as long as somebody
// watches. The request's context ends then, too.
func (c *conn) whenGone(f func()) {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = f
}

func (c *conn) look() {
	w := &c.watch
	w.mu.Lock()
	if !w.on || w.done != nil {
		w.mu.Unlock()
		return
	}
	done := make(chan struct{})
	w.done = done
	r := w.r
	_ = c.tcp.SetReadDeadline(time.Time{}) // a connection without limits is closed
	w.mu.Unlock()

	defer close(done)
	if _, err := r.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.hungUp()
	}
}

// endWatch returns when nobody else reads from the connection any more.
func (c *conn) endWatch() {
	w := &c.watch
	w.mu.Lock()
	if !w.on {
		w.mu.Unlock()
		return
	}
	w.timer.Stop()
	w.on = false
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
