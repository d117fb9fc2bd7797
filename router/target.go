package router

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A target is one process that answers, and our connections to it.
type target struct {
	addr        string       // host:port
	outstanding atomic.Int64 // requests that it has now
	standing                 // whether it gets more

	http2 multiplexed

	mu      sync.Mutex
	kept    []*link // that no request uses; the last one was used last
	sweeper *time.Timer
}

const (
	// keepIdle is how long a connection to a target is kept without use. It
	// has to be shorter than what apps do by default (Gunicorn 2 s, Node and
	// Uvicorn 5 s): otherwise an app closes a connection just when we send a
	// POST on it, which nobody may repeat. A new connection on the same
	// machine costs little.
	keepIdle = 1500 * time.Millisecond

	// maxKept is how many connections to a target are kept.
	maxKept = 256
)

func newTarget(addr string) *target { return &target{addr: addr} }

func (t *target) dial(ctx context.Context) (*link, error) {
	conn, err := dial(ctx, "tcp", t.addr)
	if err != nil {
		return nil, err
	}
	return newLink(t, conn), nil
}

// take returns the kept connection that was used last, or nil.
func (t *target) take() *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.kept)
	if n == 0 {
		return nil
	}
	l := t.kept[n-1]
	t.kept[n-1] = nil
	t.kept = t.kept[:n-1]
	l.reused = true
	return l
}

// keep takes back a connection on which nothing is under way.
func (t *target) keep(l *link) {
	l.since = time.Now()
	t.mu.Lock()
	if len(t.kept) == maxKept {
		t.mu.Unlock()
		l.close()
		return
	}
	t.kept = append(t.kept, l)
	if len(t.kept) == 1 {
		if t.sweeper == nil {
			t.sweeper = time.AfterFunc(keepIdle, t.sweep)
		} else {
			t.sweeper.Reset(keepIdle)
		}
	}
	t.mu.Unlock()
}

// sweep closes what has been idle for too long.
func (t *target) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := 0
	for old < len(t.kept) && time.Since(t.kept[old].since) >= keepIdle {
		t.kept[old].close()
		old++
	}
	t.kept = append(t.kept[:0], t.kept[old:]...)
	if len(t.kept) > 0 {
		t.sweeper.Reset(max(keepIdle-time.Since(t.kept[0].since), time.Millisecond))
	}
}

// closeIdle closes the kept connections that no request uses.
func (t *target) closeIdle() {
	t.http2.closeIdle()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.kept {
		l.close()
	}
	t.kept = nil
}
