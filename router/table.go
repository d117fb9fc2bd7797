package router

import (
	"cmp"
	"hash/maphash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// A table says where each host leads. Nobody changes a table once it has been
// stored in Router.table, so reading one takes no lock. A change copies only
// the parts that it touches.
type table struct {
	own    map[string]http.Handler
	hosts  parts[ways]
	wild   parts[ways]   // by what is behind the "*."
	places parts[*place] // by name, also those without a host
}

// A place is where a service stands in the table: its hosts lead here, and
// from here to the generation that serves now. So a swap changes one pointer,
// however many hosts lead here.
type place struct {
	now   atomic.Pointer[Generation]
	hosts []string // as Service has them, each once; guarded by Router.mu
	stats stats
}

// ways are where one host leads. The zero value leads nowhere.
type ways struct {
	whole *place   // for what is below no prefix; nil if nothing is there
	below *[]below // the longest first; nil if there are none
}

// A below leads from a path, and all that is below it.
type below struct {
	path string
	to   *place
}

// lead returns where a request for the URL's path at a host leads, or nil. It
// is not clear about a path that an app may take for one that leads elsewhere:
// /x/../api must neither reach the app of /api by another's name, nor be
// served by the app of / where /api has another.
func (t *table) lead(host string, u *url.URL) (to *place, clear bool) {
	exact := t.hosts.get(host)
	if exact.whole != nil && exact.below == nil {
		return exact.whole, true
	}
	wild := t.wild.get(parent(host))
	if exact.below == nil && wild.below == nil {
		return wild.whole, true
	}
	path := u.EscapedPath()
	to = follow(exact, wild, path)
	if isPlain(path) {
		return to, true
	}
	for path := range readings(path) {
		if follow(exact, wild, path) != to {
			return to, false
		}
	}
	return to, true
}

// serves reports whether a host leads anywhere.
func (t *table) serves(host string) bool {
	return t.own[host] != nil || t.hosts.get(host) != ways{} || t.wild.get(parent(host)) != ways{}
}

// follow goes the most specific way that there is for a path.
func follow(exact, wild ways, path string) *place {
	return cmp.Or(exact.at(path), exact.whole, wild.at(path), wild.whole)
}

// at returns where the prefix of a path leads, or nil.
func (w ways) at(path string) *place {
	if w.below == nil {
		return nil
	}
	for _, b := range *w.below {
		if rest, ok := strings.CutPrefix(path, b.path); ok && (rest == "" || rest[0] == '/') {
			return b.to
		}
	}
	return nil
}

// leadsTo returns where just this spot leads, or nil.
func (t *table) leadsTo(s spot) *place {
	w := t.hosts.get(s.host)
	if s.wild {
		w = t.wild.get(s.host)
	}
	if s.path == "" {
		return w.whole
	}
	if w.below != nil {
		for _, b := range *w.below {
			if b.path == s.path {
				return b.to
			}
		}
	}
	return nil
}

// with is w with the path leading elsewhere; nowhere if to is nil.
func (w ways) with(path string, to *place) ways {
	if path == "" {
		w.whole = to
		return w
	}
	var list []below
	if w.below != nil {
		list = slices.DeleteFunc(slices.Clone(*w.below), func(b below) bool { return b.path == path })
	}
	if to != nil {
		list = append(list, below{path, to})
		slices.SortFunc(list, func(a, b below) int { return len(b.path) - len(a.path) })
	}
	if w.below = nil; len(list) > 0 {
		w.below = &list
	}
	return w
}

// generations returns what serves now, by the name of the service.
func (t *table) generations() map[string]*Generation {
	all := make(map[string]*Generation, t.places.len())
	for _, part := range t.places {
		for name, at := range part {
			all[name] = at.now.Load()
		}
	}
	return all
}

// An edit is a table in the making.
type edit struct {
	*table
	hosts, wild editor[ways]
	places      editor[*place]
}

// change stores a changed copy of the current table. The caller holds mu.
func (r *Router) change(f func(*edit)) {
	t := *r.table.Load()
	e := &edit{table: &t}
	e.hosts.all, e.wild.all, e.places.all = &t.hosts, &t.wild, &t.places
	f(e)
	r.table.Store(&t)
}

// lead has a spot lead somewhere, or nowhere.
func (e *edit) lead(s spot, to *place) {
	at := &e.hosts
	if s.wild {
		at = &e.wild
	}
	if w := at.all.get(s.host).with(s.path, to); w != (ways{}) {
		at.put(s.host, w)
		return
	}
	at.delete(s.host)
}

// handle has the appliance itself answer for a host.
func (e *edit) handle(host string, h http.Handler) {
	if e.own = maps.Clone(e.own); e.own == nil {
		e.own = map[string]http.Handler{}
	}
	if e.own[host] = h; h == nil {
		delete(e.own, host)
	}
}

// parts are a map in parts, of which a change copies one.
type parts[V any] [256]map[string]V

var seed = maphash.MakeSeed()

func partOf(key string) uint8 { return uint8(maphash.String(seed, key)) }

func (p *parts[V]) get(key string) V { return p[partOf(key)][key] }

func (p *parts[V]) len() (n int) {
	for _, part := range p {
		n += len(part)
	}
	return n
}

// An editor changes parts, of which it copies each once.
type editor[V any] struct {
	all  *parts[V]
	mine [256]bool
}

func (e *editor[V]) put(key string, v V) { e.part(key)[key] = v }

func (e *editor[V]) delete(key string) { delete(e.part(key), key) }

func (e *editor[V]) part(key string) map[string]V {
	i := partOf(key)
	if !e.mine[i] {
		e.mine[i] = true
		if e.all[i] = maps.Clone(e.all[i]); e.all[i] == nil {
			e.all[i] = map[string]V{}
		}
	}
	return e.all[i]
}
