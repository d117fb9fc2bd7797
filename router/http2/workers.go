package http2

import "sync"

// maxIdle is how many workers are kept that have nothing to do.
const maxIdle = 64

// A job is what a worker does.
type job interface{ run() }

// Workers are goroutines that are kept: a new one has a stack that is too
// small for a request, and it costs as much as the request to make it larger.
type workers struct {
	mu   sync.Mutex // guards the fields below
	idle []chan job // the one who was busy last is last
	over bool       // nobody waits for a job any more
}

// do has a worker do the job.
func (p *workers) do(j job) {
	p.mu.Lock()
	n := len(p.idle)
	if n == 0 {
		p.mu.Unlock()
		go p.work(j)
		return
	}
	w := p.idle[n-1]
	p.idle = p.idle[:n-1]
	p.mu.Unlock()
	w <- j
}

func (p *workers) work(j job) {
	next := make(chan job, 1)
	for j != nil {
		j.run()
		if !p.wait(next) {
			return
		}
		j = <-next
	}
}

// wait reports whether the worker should wait for its next job.
func (p *workers) wait(next chan job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || len(p.idle) == maxIdle {
		return false
	}
	p.idle = append(p.idle, next)
	return true
}

// end sends those away who have nothing to do, and the others when they are
// done.
func (p *workers) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	for _, w := range p.idle {
		close(w)
	}
	p.idle = nil
}
