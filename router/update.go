package router

import "slices"

// Update has s serve as it is now: hosts may have come or gone, processes may
// have moved. Requests under way are left alone, and where nothing but
// addresses has changed the present generation goes on. The only error is
// ErrHostTaken, and then nothing has changed.
func (r *Router) Update(s Service) error {
	if r.leads(s) {
		r.SetTargets(s.Name, s.Targets)
		return nil
	}
	_, err := r.Swap(s)
	return err
}

// leads reports whether just the hosts of s lead to it already.
func (r *Router) leads(s Service) bool {
	g := r.table.Load().services[s.Name]
	if g == nil || len(g.hosts) != len(s.Hosts) {
		return false
	}
	return !slices.ContainsFunc(s.Hosts, func(host string) bool { return !slices.Contains(g.hosts, canonicalHost(host)) })
}
