package http2

import (
	"time"

	h2 "golang.org/x/net/http2"
)

// Patience is how long a connection waits for what.
type patience struct {
	timer *time.Timer
	begun time.Time
	heard time.Time // when the last frame came
	asked time.Time // when the visitor was asked whether they are still there; zero if they have answered
	idle  time.Time // since when no request has been under way; zero if one is
}

func (p *patience) begin(c *conn) {
	now := time.Now()
	p.begun, p.heard, p.idle = now, now, now
	p.timer = time.AfterFunc(min(c.limits.Preface, c.limits.Silence), c.tend)
}

// tend looks after what takes too long.
func (c *conn) tend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return
	}
	now := time.Now()
	next := c.limits.Silence
	// due reports whether it has been so long since t, and has us called when
	// it will have been.
	due := func(t time.Time, limit time.Duration) bool {
		left := limit - now.Sub(t)
		if left > 0 {
			next = min(next, left)
		}
		return left <= 0
	}
	if !c.settled && due(c.begun, c.limits.Preface) {
		c.breakOff()
		return
	}
	if !c.idle.IsZero() && due(c.idle, c.limits.Idle) {
		c.conclude()
	}
	if !c.asked.IsZero() && c.heard.After(c.asked) {
		c.asked = time.Time{}
	}
	switch {
	case !c.asked.IsZero():
		if due(c.asked, c.limits.Answer) {
			c.breakOff()
			return
		}
	case due(c.heard, c.limits.Silence):
		c.asked = now
		next = min(next, c.limits.Answer)
		c.ping(false, [8]byte{'h', 'e', 'l', 'l', 'o', '?'})
		c.flushLater()
	}
	for id, s := range c.streams {
		if !s.stalled.IsZero() && due(s.stalled, c.limits.Write) {
			c.resetUncounted(id, h2.ErrCodeCancel)
		}
	}
	c.flushLater()
	c.timer.Reset(next)
}
