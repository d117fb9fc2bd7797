package router

import (
	"container/list"
	"net/http"
	"sync"
	"time"
)

// Bounds say how much of what comes to a service on hold may wait.
type Bounds struct {
	Requests int
	Bytes    int64         // of what they hold in memory
	Time     time.Duration // for each of them
}

// Hold parks the requests that come to a service from now on, until the next
// Swap or Release, and returns the generation that served until now, for the
// caller to drain: then nothing uses its processes, and no request has been
// refused. Past a bound there is a page with a Retry-After. It returns nil if
// there is no such service, or if it is on hold already.
func (r *Router) Hold(name string, b Bounds) *Generation {
	r.mu.Lock()
	defer r.mu.Unlock()

	at := r.table.Load().places.get(name)
	if at == nil || at.now.Load().hold.Load() != nil {
		return nil
	}
	old := at.now.Load()
	next := r.newGeneration(Service{Name: name, Policy: *old.wanted, Protocol: old.protocol}, &at.stats)
	next.hold.Store(&hold{bounds: b})
	at.now.Store(next)
	old.retire()
	return old
}

// Release ends a hold without a Swap: what was parked, and what comes, goes to
// the targets that the service has been given meanwhile.
func (r *Router) Release(name string) {
	r.mu.Lock()
	g := r.generation(name)
	r.mu.Unlock()
	g.release()
}

// release has whoever is parked look again where their request leads. What
// comes now must not be led to the hold any more.
func (g *Generation) release() {
	if g == nil {
		return
	}
	if h := g.hold.Swap(nil); h != nil {
		h.end()
	}
}

// A hold is where requests wait, in the order in which they came.
type hold struct {
	bounds Bounds

	mu     sync.Mutex // guards the fields below
	over   bool
	queue  list.List // of *parked
	queued int64     // bytes
}

// A parked request waits for its turn.
type parked struct {
	turn chan struct{} // closed when it has come
	gone chan struct{} // closed when the request does not wait any more
	size int64
}

// park has a request that has joined wait, and has it leave. It reports whether
// the request may look for a generation again; otherwise it has been answered.
func (g *Generation) park(h *hold, w http.ResponseWriter, req *http.Request) bool {
	switch h.wait(req) {
	case turned:
		g.leave()
		return true
	case vanished:
		g.count(served) // the visitor had enough
		g.leave()
		panic(http.ErrAbortHandler) // returning would send an empty 200
	}
	g.refuse(w, req, starting)
	return false
}

// A verdict is how waiting ended.
type verdict int

const (
	turned   verdict = iota // it is the request's turn
	vanished                // the visitor has gone
	refusal                 // a bound has been reached
)

func (h *hold) wait(req *http.Request) verdict {
	p := &parked{make(chan struct{}), make(chan struct{}), weight(req)}
	defer close(p.gone)
	place, verdict := h.enter(p)
	if place == nil {
		return verdict
	}
	patience := time.NewTimer(h.bounds.Time)
	defer patience.Stop()
	select {
	case <-p.turn:
		return turned
	case <-req.Context().Done():
		h.leave(place)
		return vanished
	case <-patience.C:
		if h.leave(place) {
			return refusal
		}
		return turned
	}
}

// enter puts a request at the end of the queue. It returns nil if it is not to
// wait there, and why.
func (h *hold) enter(p *parked) (*list.Element, verdict) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.over:
		return nil, turned
	case h.queue.Len() >= h.bounds.Requests, h.queued+p.size > h.bounds.Bytes:
		return nil, refusal
	}
	h.queued += p.size
	return h.queue.PushBack(p), turned
}

// leave takes a request out of the queue, and reports whether its turn had not
// come yet.
func (h *hold) leave(place *list.Element) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return false
	}
	h.queued -= place.Value.(*parked).size
	h.queue.Remove(place)
	return true
}

// end lets all go, one after the other.
func (h *hold) end() {
	h.mu.Lock()
	h.over = true
	h.mu.Unlock()
	for place := h.queue.Front(); place != nil; place = place.Next() {
		p := place.Value.(*parked)
		close(p.turn)
		<-p.gone
	}
}

const (
	// mayBeThere is how much of a request's body may be in memory before
	// anybody has read of it.
	mayBeThere = 64 << 10

	// aConnection is what one that waits costs beside what its visitor sent.
	aConnection = 16 << 10
)

// weight is how much of the machine's memory a request holds while it waits,
// at most.
func weight(req *http.Request) int64 {
	n := int64(aConnection + len(req.RequestURI))
	for name, values := range req.Header {
		for _, v := range values {
			n += int64(len(name) + len(v))
		}
	}
	if req.ContentLength < 0 {
		return n + mayBeThere
	}
	return n + min(req.ContentLength, mayBeThere)
}
