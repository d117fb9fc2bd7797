package pipeline

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A line lets one through at a time, first come, first served. Who waits can
// see whom they wait for. The zero line is ready to use.
type line struct {
	mu      sync.Mutex // guards the fields below
	now     *turn      // who is through; nil when nobody is
	waiting []*turn
}

// A turn is what somebody stands in line for.
type turn struct {
	who   string    // "ada"
	what  string    // "deploy of blog"
	since time.Time // when they got through

	through chan struct{} // closed then
}

// enter returns once it is t's turn, with what ends it, or with ctx's error.
// If t has to wait, say is called with whose turn it is and how many others
// are before t.
func (l *line) enter(ctx context.Context, t turn, say func(now turn, ahead int)) (leave func(), err error) {
	me := &t
	me.through = make(chan struct{})

	l.mu.Lock()
	if l.now == nil {
		me.since = time.Now()
		l.now = me
		l.mu.Unlock()
		return l.leave, nil
	}
	now, ahead := *l.now, len(l.waiting)
	l.waiting = append(l.waiting, me)
	l.mu.Unlock()
	say(now, ahead)

	select {
	case <-me.through:
		return l.leave, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, me); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	} else {
		l.next() // it became our turn just now
	}
	return nil, context.Cause(ctx)
}

func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next()
}

// next lets the next one through. The caller holds mu.
func (l *line) next() {
	l.now = nil
	if len(l.waiting) == 0 {
		return
	}
	l.now, l.waiting = l.waiting[0], l.waiting[1:]
	l.now.since = time.Now()
	close(l.now.through)
}
