package router

import (
	"errors"
	"fmt"
)

// ErrHostTaken says that a host already leads elsewhere.
var ErrHostTaken = errors.New("host is taken")

// A Service is a set of targets and the hosts that lead to them.
type Service struct {
	Name string

	// Hosts are "example.org", or "*.example.org" for every host that is one
	// label below it, or "example.org/api" for the paths from there on. The
	// most specific goes first: a host before a wildcard, a long path before
	// a short one.
	Hosts   []string
	Targets []string // host:port; none means "no web process"
	Policy  Policy
}

// Swap has s serve from now on, under its name and its hosts and no others,
// and returns the generation that did so before, or nil. The caller drains
// that one: no request joins it any more, and all that had joined it are
// counted. It ends a Hold. The only error is ErrHostTaken, and then nothing
// has changed.
func (r *Router) Swap(s Service) (*Generation, error) {
	old, err := r.swap(s, false)
	if err != nil {
		return nil, err
	}
	old.release()
	return old, nil
}

// swap is Swap that leaves parked requests parked if they are to be held on.
func (r *Router) swap(s Service, hold bool) (*Generation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	t := r.table.Load()
	to := t.places.get(s.Name)
	spots, fresh, err := t.spots(s, to)
	if err != nil {
		return nil, err
	}
	if to == nil {
		to = &place{stats: stats{log: r.AccessLog}}
	}
	old := to.now.Load()
	next := r.newGeneration(s, &to.stats)
	if hold && old != nil {
		next.hold.Store(old.hold.Load())
	}
	// The hosts that are new here lead nowhere yet, and those that go may
	// reach the new generation for a moment.
	to.now.Store(next)
	if old == nil || len(fresh) > 0 || len(spots) != len(to.spots) {
		r.change(func(e *edit) { e.move(s.Name, to, spots, fresh) })
	}
	old.retire()
	return old, nil
}

// spots returns where a service is to be found from now on, and which of them
// do not lead to its place yet, or ErrHostTaken.
func (t *table) spots(s Service, to *place) (all, fresh []spot, err error) {
	all = make([]spot, 0, len(s.Hosts))
	seen := make(map[spot]bool, len(s.Hosts))
	for _, host := range s.Hosts {
		spot := parseSpot(host)
		if seen[spot] {
			continue
		}
		seen[spot] = true
		if !spot.wild && t.own[spot.host] != nil {
			return nil, nil, fmt.Errorf("%w: %s belongs to the appliance", ErrHostTaken, spot)
		}
		now := t.leadsTo(spot)
		if now != nil && now != to {
			return nil, nil, fmt.Errorf("%w: %s leads to %s", ErrHostTaken, spot, now.now.Load().name)
		}
		if all = append(all, spot); now == nil {
			fresh = append(fresh, spot)
		}
	}
	return all, fresh, nil
}

// move has the service of a place be found at these spots only.
func (e *edit) move(name string, to *place, spots, fresh []spot) {
	e.places.put(name, to)
	for _, s := range fresh {
		e.lead(s, to)
	}
	if len(spots) != len(to.spots)+len(fresh) {
		stays := make(map[spot]bool, len(spots))
		for _, s := range spots {
			stays[s] = true
		}
		for _, s := range to.spots {
			if !stays[s] {
				e.lead(s, nil)
			}
		}
	}
	to.spots = spots
}

// Remove takes the service and its hosts away, and returns the generation
// that served, or nil.
func (r *Router) Remove(name string) *Generation {
	old := r.remove(name)
	old.release()
	return old
}

func (r *Router) remove(name string) *Generation {
	r.mu.Lock()
	defer r.mu.Unlock()

	at := r.table.Load().places.get(name)
	if at == nil {
		return nil
	}
	r.change(func(e *edit) {
		e.places.delete(name)
		for _, s := range at.spots {
			e.lead(s, nil)
		}
	})
	old := at.now.Load()
	old.retire()
	return old
}

// SetTargets has the service's present generation go on at other addresses,
// for processes that came back at a new one. What is under way stays where it
// is.
func (r *Router) SetTargets(name string, targets []string) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if g := r.generation(name); g != nil {
		g.setTargets(targets)
	}
}

// generation returns what serves under a name now, or nil.
func (r *Router) generation(name string) *Generation {
	if at := r.table.Load().places.get(name); at != nil {
		return at.now.Load()
	}
	return nil
}
