package router

import (
	"errors"
	"fmt"
)

// ErrHostTaken says that a host already leads elsewhere.
var ErrHostTaken = errors.New("host is taken")

// A Service is a set of targets and the hosts that lead to them.
type Service struct {
	Name    string
	Hosts   []string
	Targets []string // host:port; none means "no web process"
	Policy  Policy
}

// Swap has s serve from now on, under its name and its hosts and no others,
// and returns the generation that did so before, or nil. The caller drains
// that one: no request joins it any more, and all that had joined it are
// counted. The only error is ErrHostTaken, and then nothing has changed.
func (r *Router) Swap(s Service) (*Generation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	now := r.table.Load()
	for _, host := range s.Hosts {
		host = canonicalHost(host)
		if now.own[host] != nil {
			return nil, fmt.Errorf("%w: %s belongs to the appliance", ErrHostTaken, host)
		}
		if g := now.hosts[host]; g != nil && g.name != s.Name {
			return nil, fmt.Errorf("%w: %s leads to %s", ErrHostTaken, host, g.name)
		}
	}
	old := now.services[s.Name]
	next := newGeneration(s, old, r.log)
	r.changeLocked(func(t *table) {
		t.forget(old)
		t.services[s.Name] = next
		for _, host := range next.hosts {
			t.hosts[host] = next
		}
	})
	old.retire()
	return old, nil
}

// Remove takes the service and its hosts away, and returns the generation
// that served, or nil.
func (r *Router) Remove(name string) *Generation {
	r.mu.Lock()
	defer r.mu.Unlock()

	old := r.table.Load().services[name]
	if old == nil {
		return nil
	}
	r.changeLocked(func(t *table) { t.forget(old) })
	old.retire()
	return old
}

// SetTargets has the service's present generation go on at other addresses,
// for processes that came back at a new one. What is under way stays where it
// is.
func (r *Router) SetTargets(name string, targets []string) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if g := r.table.Load().services[name]; g != nil {
		g.setTargets(targets)
	}
}

// forget removes a generation, which may be nil.
func (t *table) forget(g *Generation) {
	if g == nil {
		return
	}
	delete(t.services, g.name)
	for _, host := range g.hosts {
		delete(t.hosts, host)
	}
}
