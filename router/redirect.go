package router

import (
	"net/http"
	"strconv"
)

// Redirect answers plain HTTP: a host that is served is sent to HTTPS at the
// given port, an unknown one gets the page that says so.
func (r *Router) Redirect(httpsPort int) http.Handler {
	port := ""
	if httpsPort != 443 {
		port = ":" + strconv.Itoa(httpsPort)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host := canonicalHost(req.Host)
		if !r.Serves(host) {
			unknownHost.write(w, req, "")
			return
		}
		if req.Method == http.MethodConnect || req.URL.Opaque != "" {
			http.Error(w, "this is not a proxy", http.StatusBadRequest)
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
