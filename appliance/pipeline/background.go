package pipeline

import "sync"

// A background is work that outlives the call that began it. Unlike with a
// sync.WaitGroup, more of it may begin while somebody waits.
type background struct {
	mu      sync.Mutex // guards the fields below
	running int
	idle    chan struct{} // closed when nothing runs any more; nil while nothing does
}

// Go runs fn in a goroutine of its own.
func (b *background) Go(fn func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running++; b.running == 1 {
		b.idle = make(chan struct{})
	}
	go func() {
		defer b.end()
		fn()
	}()
}

func (b *background) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running--; b.running == 0 {
		close(b.idle)
		b.idle = nil
	}
}

// Wait returns when nothing runs.
func (b *background) Wait() {
	for {
		b.mu.Lock()
		idle := b.idle
		b.mu.Unlock()
		if idle == nil {
			return
		}
		<-idle
	}
}
