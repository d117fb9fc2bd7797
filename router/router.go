// Package router is the front door: it sends each request to the processes
// that serve its host, and moves a host from one generation of processes to
// the next without losing a request. It knows hosts and addresses only.
//
// A request looks its host up in a table that never changes (a change stores
// a new table), joins the generation found there, and is counted by it until
// the last byte of the answer has gone. That count is what makes Drain exact:
// when it returns, nothing is under way on the old processes any more, and
// they may be stopped.
package router

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
)

// A Router answers every request that comes to the machine: with a service,
// with one of the appliance's own pages, or with a page that says there is
// nothing here.
type Router struct {
	// AccessLog, if set, is told of every exchange. It is set before the
	// first Swap.
	AccessLog *AccessLog

	log     *slog.Logger
	table   atomic.Pointer[table]
	trust   atomic.Pointer[trust]
	unknown atomic.Uint64 // requests for hosts that lead nowhere

	mu         sync.Mutex // held while a new table is made of the current one; guards what follows
	lastPolicy *policy
	lastWanted *Policy // what lastPolicy was made of
}

// New returns a router that serves nothing yet.
func New(log *slog.Logger) *Router {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Router{log: log}
	r.table.Store(&table{})
	return r
}

// Handle has h answer for host. The appliance's own hosts come before those of
// services, which can neither take nor cover them. With nil, host is the
// appliance's no more.
func (r *Router) Handle(host string, h http.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change(func(e *edit) { e.handle(canonicalHost(host), h) })
}

// Serves reports whether anything answers for host.
func (r *Router) Serves(host string) bool { return r.table.Load().serves(canonicalHost(host)) }

// ServeHTTP answers with what req's host, and path, lead to.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	host := canonicalHost(req.Host)
	for {
		t := r.table.Load()
		if own := t.own[host]; own != nil {
			own.ServeHTTP(w, req)
			return
		}
		to, clear := t.lead(host, req.URL)
		switch {
		case !clear:
			unclear.write(w, req, "")
			return
		case to == nil:
			r.unknown.Add(1)
			unknownHost.write(w, req, "")
			return
		}
		// A generation that does not let us join has been replaced since we
		// looked. The next one is already there.
		g := to.now.Load()
		if !g.join() {
			continue
		}
		if h := g.hold.Load(); h != nil {
			if g.park(h, w, req) {
				continue
			}
			return
		}
		if g.full() {
			g.refuse(w, req, tooMany)
			return
		}
		g.serve(w, req)
		return
	}
}
