package router

import (
	"errors"
	"fmt"
	"maps"
	"slices"
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

	// Protocol is what the targets speak: HTTP/1.1, or HTTP2. gRPC gets to
	// them by HTTP/2 in any case.
	Protocol string
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
	m, err := t.moved(s, to)
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
		next.earlier = old.unfinished()
	}
	// The hosts that are new here lead nowhere yet, and those that go may
	// reach the new generation for a moment.
	to.now.Store(next)
	if old == nil || m.any() {
		r.change(func(e *edit) { e.move(s.Name, to, m) })
	}
	to.hosts = m.hosts
	old.retire()
	return old, nil
}

// A move is how the hosts of a service change.
type move struct {
	come, gone []spot
	hosts      []string // all that there are then
}

func (m move) any() bool { return len(m.come)+len(m.gone) > 0 }

// moved returns how the table must change for a service, whose place may be
// nil, to have its hosts and no others, or ErrHostTaken. It looks only at those
// between what is the same at both ends of the list, so that one host more
// costs no more where there are many.
func (t *table) moved(s Service, to *place) (m move, err error) {
	var old []string
	if to != nil {
		old = to.hosts
	}
	head, tail := sameEnds(old, s.Hosts)
	if head == len(old) && head == len(s.Hosts) {
		return move{hosts: old}, nil
	}
	was := map[spot]bool{}
	for _, host := range old[head : len(old)-tail] {
		was[parseSpot(host)] = true
	}
	come := map[spot]bool{}
	m.hosts = slices.Clone(s.Hosts[:head])
	for _, host := range s.Hosts[head : len(s.Hosts)-tail] {
		spot := parseSpot(host)
		if !spot.wild && t.own[spot.host] != nil {
			return m, fmt.Errorf("%w: %s belongs to the appliance", ErrHostTaken, spot)
		}
		now := t.leadsTo(spot)
		switch {
		case now != nil && now != to:
			return m, fmt.Errorf("%w: %s leads to %s", ErrHostTaken, spot, now.now.Load().name)
		case was[spot]:
			delete(was, spot)
		case now != nil, come[spot]:
			continue // another spelling of one that is there
		default:
			come[spot] = true
		}
		m.hosts = append(m.hosts, host)
	}
	m.hosts = append(m.hosts, s.Hosts[len(s.Hosts)-tail:]...)
	m.come, m.gone = slices.Collect(maps.Keys(come)), slices.Collect(maps.Keys(was))
	return m, nil
}

// sameEnds returns how many elements two lists have in common at their
// beginnings, and how many more at their ends.
func sameEnds(a, b []string) (head, tail int) {
	n := min(len(a), len(b))
	for head < n && a[head] == b[head] {
		head++
	}
	for head+tail < n && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return head, tail
}

// move has the service of a place be found at other hosts.
func (e *edit) move(name string, to *place, m move) {
	e.places.put(name, to)
	for _, s := range m.come {
		e.lead(s, to)
	}
	for _, s := range m.gone {
		e.lead(s, nil)
	}
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
		for _, host := range at.hosts {
			e.lead(parseSpot(host), nil)
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

// Targets returns where the service's present generation sends requests.
func (r *Router) Targets(name string) []string {
	if g := r.generation(name); g != nil {
		return g.addrs()
	}
	return nil
}

// generation returns what serves under a name now, or nil.
func (r *Router) generation(name string) *Generation {
	if at := r.table.Load().places.get(name); at != nil {
		return at.now.Load()
	}
	return nil
}
