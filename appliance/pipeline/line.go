package pipeline

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A line lets a few through at a time, first come, first served. Who waits can
// see whom they wait for. The zero line lets one through, and is ready to use.
type line struct {
	mu      sync.Mutex // guards the fields below
	places  int        // for how many; 0 is 1
	through []*turn    // in the order they got there
	waiting []*turn
}

// A turn is what somebody stands in line for.
type turn struct {
	who   string    // "ada"
	what  string    // "deploy of blog"
	since time.Time // when they got through

	begun chan struct{} // closed then
	moved chan struct{} // has a value when the turn has moved up
}

// enter returns once it is t's turn, with what ends it, or with ctx's error.
// If t has to wait, say is called with whose turn it is and how many others
// are before t, and again whenever that changes.
func (l *line) enter(ctx context.Context, t turn, say func(now turn, ahead int)) (leave func(), err error) {
	me := &t
	me.begun, me.moved = make(chan struct{}), make(chan struct{}, 1)

	l.mu.Lock()
	l.waiting = append(l.waiting, me)
	l.next()
	l.mu.Unlock()
	notify(me.moved)
	for {
		select {
		case <-me.begun:
			return func() { l.leave(me) }, nil
		case <-me.moved:
			if now, ahead, waits := l.place(me); waits {
				say(now, ahead)
			}
		case <-ctx.Done():
			l.leave(me)
			return nil, context.Cause(ctx)
		}
	}
}

// place returns whom t waits for, and how many wait before it.
func (l *line) place(t *turn) (now turn, ahead int, waits bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ahead = slices.Index(l.waiting, t)
	if ahead < 0 {
		return turn{}, 0, false
	}
	return *l.through[0], ahead, true
}

// leave ends a turn, or the wait for it.
func (l *line) leave(t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := func(other *turn) bool { return other == t }
	l.through = slices.DeleteFunc(l.through, gone)
	if i := slices.Index(l.waiting, t); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		for _, behind := range l.waiting[i:] {
			notify(behind.moved)
		}
	}
	l.next()
}

// busy tells whether somebody is through, or waits.
func (l *line) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.through)+len(l.waiting) > 0
}

// allow changes for how many there is place. Who is through already stays.
func (l *line) allow(places int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places = places
	l.next()
}

// next lets through those that there is place for. The caller holds mu.
func (l *line) next() {
	for len(l.waiting) > 0 && len(l.through) < max(1, l.places) {
		t := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.through = append(l.through, t)
		t.since = time.Now()
		close(t.begun)
		for _, behind := range l.waiting {
			notify(behind.moved)
		}
	}
}
