package drains

import (
	"context"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router"
)

// requests are what the router has done for apps whose drains want to know. It
// leaves them here and goes on; somebody else makes lines of them, for which
// the names of processes must be asked for.
type requests struct {
	mu      sync.Mutex // guards the fields below
	waiting []requestsOf
	lines   int
	bytes   int
	dropped map[appliance.AppName]int // since it was told
	some    chan struct{}             // has a value when something waits
}

// requestsOf are those of one app.
type requestsOf struct {
	app  appliance.AppName
	list []router.Access
}

func (q *requests) init() {
	q.some, q.dropped = make(chan struct{}, 1), map[appliance.AppName]int{}
}

// add leaves what was done for an app, as far as there is room: the newest is
// left out.
func (q *requests) add(app appliance.AppName, list []router.Access) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(list) && q.lines < maxLines && q.bytes < maxWaiting {
		q.lines++
		q.bytes += sizeOf(&list[n])
		n++
	}
	if n < len(list) {
		q.dropped[app] += len(list) - n
	}
	if n > 0 {
		q.waiting = append(q.waiting, requestsOf{app, list[:n]})
	}
	select {
	case q.some <- struct{}{}:
	default: // it has been given already
	}
}

// sizeOf is about how many bytes a request takes while it waits.
func sizeOf(a *router.Access) int {
	return len(a.Method) + len(a.Host) + len(a.Path) + len(a.RequestID) + len(a.Client)
}

// take returns what waits, and how many were left out of which apps.
func (q *requests) take() (list []requestsOf, dropped map[appliance.AppName]int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list, q.waiting, q.lines, q.bytes = q.waiting, nil, 0, 0
	if len(q.dropped) > 0 {
		dropped, q.dropped = q.dropped, map[appliance.AppName]int{}
	}
	return list, dropped
}

// Requests returns who takes what the router has done for an app to its drains,
// or nil if none of them wants it. Neither waits for anything.
func (s *Set) Requests(service string) func([]router.Access) {
	app := appliance.AppName(service)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.apps[app] {
		if r.Only != OnlyApp {
			return func(list []router.Access) { s.requests.add(app, list) }
		}
	}
	return nil
}

// takeRequests makes lines of requests until ctx is done, and then of what is
// left.
func (s *Set) takeRequests(ctx context.Context) {
	for last := false; !last; s.sendRequests(ctx) {
		select {
		case <-ctx.Done():
			last = true
		case <-s.requests.some:
		}
	}
}

func (s *Set) sendRequests(ctx context.Context) {
	waiting, dropped := s.requests.take()
	for _, of := range waiting {
		s.mu.Lock()
		name := s.names[of.app]
		s.mu.Unlock()
		lines := make([]appliance.LogLine, len(of.list))
		var text []byte
		for i := range of.list {
			a := &of.list[i]
			process := a.Target
			if name != nil {
				process = name(ctx, a.Target, a.At)
			}
			text = a.AppendText(text[:0], process)
			lines[i] = appliance.LogLine{At: a.At, Process: "router", Stream: appliance.Requested, Text: string(text)}
		}
		s.send(of.app, OnlyApp, lines)
	}
	for app, n := range dropped {
		s.mu.Lock()
		for _, r := range s.apps[app] {
			if r.Only != OnlyApp {
				r.leaveOut(n)
			}
		}
		s.mu.Unlock()
	}
}

// A Namer says what the process was called that had an address then. One
// goroutine at a time calls it.
type Namer func(ctx context.Context, addr string, then time.Time) string
