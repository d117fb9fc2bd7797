package router

import "sync"

// live are the exchanges of a generation that are under way, to be stopped
// when it is cut. A context for each of them would cost more than this.
type live struct {
	mu    sync.Mutex
	first *exchange
	cut   bool
}

// add notes an exchange. What comes after the cut is cut at once.
func (l *live) add(x *exchange) {
	l.mu.Lock()
	if x.next = l.first; x.next != nil {
		x.next.prev = x
	}
	l.first = x
	x.cut = l.cut
	l.mu.Unlock()
	if x.cut {
		x.stop(errCut)
	}
}

// remove reports whether the exchange has been cut.
func (l *live) remove(x *exchange) (wasCut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		l.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	}
	x.prev, x.next = nil, nil
	return x.cut
}

// stop has them all stopped.
func (l *live) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for x := l.first; x != nil; x = x.next {
		x.cut = true
		// Each by itself: a visitor who does not read may hold up saying
		// goodbye. That has its own limit, and end waits for it.
		go x.stop(errCut)
	}
}
