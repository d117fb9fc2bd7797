package router

import (
	"net/http"
	"strconv"
)

// Redirect answers plain HTTP: a host that is served is sent to HTTPS at the
// given port, an unknown one gets the page that says so. A service that wants
// to be served by plain HTTP is, and so is a visitor whose own connection is
// HTTPS, as a proxy says that we trust.
func (r *Router) Redirect(httpsPort int) http.Handler {
	port := ""
	if httpsPort != 443 {
		port = ":" + strconv.Itoa(httpsPort)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host := canonicalHost(req.Host)
		if !r.Serves(host) {
			r.unknown.Add(1)
			unknownHost.write(w, req, "")
			return
		}
		if req.Method == http.MethodConnect || req.URL.Opaque != "" {
			senseless.write(w, req, "")
			return
		}
		if r.servesPlain(host, req) {
			r.ServeHTTP(w, req)
			return
		}
		// 308 has a client repeat a POST as a POST.
		status := http.StatusPermanentRedirect
		if req.Method == http.MethodGet || req.Method == http.MethodHead {
			status = http.StatusMovedPermanently
		}
		w.Header().Set("Location", "https://"+urlHost(host)+port+req.URL.RequestURI())
		w.WriteHeader(status)
	})
}

func (r *Router) servesPlain(host string, req *http.Request) bool {
	t := r.table.Load()
	if t.own[host] == nil {
		if to, clear := t.lead(host, req.URL); clear && to != nil && to.now.Load().policy.plainHTTP {
			return true
		}
	}
	from := r.trust.Load().clientOf(req)
	return from.forwarded && from.proto == "https"
}
