package router

import (
	"reflect"
	"slices"
)

// Update has s serve as it is now: hosts may have come or gone, processes may
// have moved. Requests under way are left alone, those that are parked stay
// so, and where nothing but addresses has changed the present generation goes
// on. The only error is ErrHostTaken, and then nothing has changed.
func (r *Router) Update(s Service) error {
	if r.leads(s) {
		r.SetTargets(s.Name, s.Targets)
		return nil
	}
	_, err := r.swap(s, true)
	return err
}

// leads reports whether just the hosts of s lead to it already, under its
// policy and by its protocol.
func (r *Router) leads(s Service) bool {
	r.mu.Lock()
	defer r.mu.Unlock()

	t := r.table.Load()
	at := t.places.get(s.Name)
	if at == nil || at.now.Load().protocol != s.Protocol || !reflect.DeepEqual(*at.now.Load().wanted, s.Policy) {
		return false
	}
	m, err := t.moved(s, at)
	return err == nil && !m.any()
}

// Free returns those of a service's hosts that lead nowhere else.
func (r *Router) Free(s Service) []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	t := r.table.Load()
	to := t.places.get(s.Name)
	return slices.DeleteFunc(slices.Clone(s.Hosts), func(host string) bool {
		_, err := t.moved(Service{Name: s.Name, Hosts: []string{host}}, to)
		return err != nil
	})
}
