package drains

import (
	"context"
	"crypto/tls"
	"log/slog"
	"slices"
	"sync"

	"github.com/berthhq/berth/appliance"
)

// A Set has the drains of every app. Its exported fields are set before its
// first use.
type Set struct {
	// Dial returns how a drain connects: one with Anywhere may reach the
	// private network of this machine.
	Dial func(anywhere bool) Dial
	TLS  *tls.Config // nil for what holds everywhere
	Log  *slog.Logger

	mu      sync.Mutex // guards the fields below
	apps    map[appliance.AppName][]*running
	ctx     context.Context // while Run runs
	ending  sync.WaitGroup
	waiting []*running // to be begun by Run
	names   map[appliance.AppName]Namer

	once     sync.Once // makes requests
	requests requests
}

type running struct {
	*drain
	cancel context.CancelFunc
}

// An App has drains. Name is what it is called in messages.
type App struct {
	Name  string
	Specs []Spec
	Names Namer // of its processes; nil for their addresses
}

// Set has the lines of apps go to these places from now on, and to no others.
func (s *Set) Set(apps map[appliance.AppName]App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.once.Do(s.requests.init)
	next := map[appliance.AppName][]*running{}
	s.names = map[appliance.AppName]Namer{}
	for handle, app := range apps {
		s.names[handle] = app.Names
		for _, spec := range app.Specs {
			i := slices.IndexFunc(s.apps[handle], func(r *running) bool { return r.Spec == spec && r.app == app.Name })
			if i >= 0 {
				next[handle] = append(next[handle], s.apps[handle][i])
				continue
			}
			r := &running{drain: newDrain(spec, app.Name, s.Dial(spec.Anywhere), s.TLS, s.Log)}
			s.begin(r)
			next[handle] = append(next[handle], r)
		}
	}
	for handle, list := range s.apps {
		for _, r := range list {
			if slices.Contains(next[handle], r) {
				continue
			}
			if s.waiting = slices.DeleteFunc(s.waiting, func(w *running) bool { return w == r }); r.cancel != nil {
				r.cancel()
			}
		}
	}
	s.apps = next
}

// begin has a drain run. The caller holds mu.
func (s *Set) begin(r *running) {
	if s.ctx == nil {
		s.waiting = append(s.waiting, r)
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	r.cancel = cancel
	s.ending.Go(func() { r.run(ctx) })
}

// Run sends lines until ctx is done, and then what is left.
func (s *Set) Run(ctx context.Context) error {
	// What is left of requests goes to the drains before these end.
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.mu.Lock()
	s.once.Do(s.requests.init)
	s.ctx = inner
	for _, r := range s.waiting {
		s.begin(r)
	}
	s.waiting = nil
	s.mu.Unlock()
	s.takeRequests(ctx)
	stop()
	s.ending.Wait()
	return nil
}

// Wants reports whether an app has a drain for what its processes print.
func (s *Set) Wants(app appliance.AppName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.apps[app], func(r *running) bool { return r.Only != OnlyRouter })
}

// Send leaves what processes of an app have printed for its drains. It returns
// at once.
func (s *Set) Send(app appliance.AppName, lines []appliance.LogLine) { s.send(app, OnlyRouter, lines) }

// send leaves lines for those drains of an app that are not for other ones.
func (s *Set) send(app appliance.AppName, others string, lines []appliance.LogLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.apps[app] {
		if r.Only != others {
			r.add(lines)
		}
	}
}

// Status returns how the drains of an app get on, by their IDs.
func (s *Set) Status(app appliance.AppName) map[string]Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := map[string]Status{}
	for _, r := range s.apps[app] {
		list[r.ID] = r.now()
	}
	return list
}
