package http2

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A life is the context of a request. Those of package context would be
// registered with the connection's and taken out again for each request; this
// one is ended by its stream, which the connection knows anyway.
type life struct {
	values context.Context // the connection's

	mu    sync.Mutex // guards the fields below
	done  chan struct{}
	err   error
	after []*func()
}

func (l *life) Deadline() (time.Time, bool) { return time.Time{}, false }

func (l *life) Value(key any) any { return l.values.Value(key) }

func (l *life) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.err != nil {
			close(l.done)
		}
	}
	return l.done
}

func (l *life) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// AfterFunc is what package context calls, so that it needs no goroutine to
// wait for the end.
func (l *life) AfterFunc(f func()) (stop func() bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		go f()
		return func() bool { return false }
	}
	l.after = append(l.after, &f)
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		i := slices.Index(l.after, &f)
		if i >= 0 {
			l.after = slices.Delete(l.after, i, i+1)
		}
		return i >= 0
	}
}

// end ends it. What waits for the end runs on its own.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = context.Canceled
	if l.done != nil {
		close(l.done)
	}
	for _, f := range l.after {
		go (*f)()
	}
	l.after = nil
}
