package router

import (
	"maps"
	"net/http"
)

// A table says where each host leads. Nobody changes a table once it has been
// stored in Router.table, so reading one takes no lock.
type table struct {
	own      map[string]http.Handler
	hosts    map[string]*Generation
	services map[string]*Generation // by name, also those without a host
}

// change stores a changed copy of the current table.
func (r *Router) change(f func(*table)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changeLocked(f)
}

func (r *Router) changeLocked(f func(*table)) {
	old := r.table.Load()
	t := &table{
		own:      copyOf(old.own),
		hosts:    copyOf(old.hosts),
		services: copyOf(old.services),
	}
	f(t)
	r.table.Store(t)
}

// copyOf is maps.Clone that makes a map of nil.
func copyOf[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}
