package pipeline

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A state is what the pipeline knows of an app while it runs. It is not in
// the store, because after a restart it is not so any more.
type state struct {
	runs     line // one at a time
	arrivals line // of source that comes otherwise than by a push

	// work is held by whoever starts and ends processes: a deploy, or a
	// restore. A restore that finds it taken sets missed and leaves: who holds
	// work looks at missed when it is done.
	work   lock
	jobs   lock // held by whoever starts a run of a cron job
	missed atomic.Bool

	// asked is set while a restore is about to begin, which will see all that
	// has changed until then.
	asked atomic.Bool

	// route is held for the short moments in which the live generation, or
	// the addresses it is routed to, change. It is taken after work.
	route sync.Mutex

	// keeping is held by who has what is kept of the app's releases put right.
	keeping lock

	// preparing is held by who makes a Preparation, and by who destroys the app,
	// after which none may be made.
	preparing lock

	mu         sync.Mutex // guards the fields below
	retiring   map[string]bool
	coming     map[string]bool      // turns whose processes are not ready yet
	crashes    map[string]*obituary // of the live processes
	changed    chan struct{}        // closed and replaced whenever a process changes
	recordings map[int]*recording
	attached   map[string]*attached
	holding    []appliance.Image // loaded for a deploy that has not ended
}

// hold has an image be needed until what it returns is called, or release.
func (s *state) hold(image appliance.Image) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = append(s.holding, image)
	return s.release
}

// release lets go of what is held: one at a time comes in.
func (s *state) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = nil
}

// held returns what is held.
func (s *state) held() []appliance.Image {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.holding)
}

func (p *Pipeline) state(app appliance.AppName) *state {
	p.mu.Lock()
	defer p.mu.Unlock()

	s, ok := p.apps[app]
	if !ok {
		s = &state{work: make(lock, 1), jobs: make(lock, 1), keeping: make(lock, 1), preparing: make(lock, 1), retiring: map[string]bool{}, changed: make(chan struct{})}
		if p.apps == nil {
			p.apps = map[appliance.AppName]*state{}
		}
		p.apps[app] = s
	}
	return s
}

// changes returns a channel that is closed at the app's next change.
func (s *state) changes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *state) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// endWork gives the app's work back. If somebody wanted to restore meanwhile,
// it is done now.
func (p *Pipeline) endWork(ctx context.Context, s *state, app appliance.AppName) {
	s.work.release()
	if s.missed.Swap(false) {
		p.Changed(context.WithoutCancel(ctx), app)
	}
}

// A lock is a mutex that one waits for only as long as ctx lasts. It is a
// channel of one place.
type lock chan struct{}

func (l lock) acquire(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l lock) tryAcquire() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l lock) release() { <-l }

// beginRetiring marks processes as about to end, so that nothing else ends
// them first, and returns those that were not marked yet.
func (s *state) beginRetiring(processes []appliance.Process) (fresh []appliance.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range processes {
		if !s.retiring[p.ID] {
			s.retiring[p.ID] = true
			fresh = append(fresh, p)
		}
	}
	return fresh
}

func (s *state) endRetiring(processes []appliance.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range processes {
		delete(s.retiring, p.ID)
	}
}

func (s *state) isRetiring(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retiring[id]
}

// expect marks the processes of a turn as not ready, until what it returns is
// called.
func (s *state) expect(turn string) (arrived func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.coming == nil {
		s.coming = map[string]bool{}
	}
	s.coming[turn] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.coming, turn)
	}
}

// pause waits, and reports whether ctx is still on then.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
