package static

import (
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"
)

// elsewhere tells where a request should have gone, or "". What did not come
// through a router, such as a health check, is at its place.
func (h *Handler) elsewhere(r *http.Request) string {
	scheme, host := r.Header.Get("X-Forwarded-Proto"), r.Host
	if scheme != "http" && scheme != "https" {
		return ""
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	wanted := h.config.CanonicalHost
	switch {
	case wanted != "" && !strings.EqualFold(name, wanted) && !strings.EqualFold(host, wanted):
		host = wanted
	case !h.config.HTTPSOnly || scheme == "https":
		return ""
	}
	if h.config.HTTPSOnly && scheme == "http" {
		scheme = "https"
		// Its port is another one.
		if host == r.Host {
			if host = name; strings.Contains(name, ":") && name[0] != '[' {
				host = "[" + name + "]"
			}
		}
	}
	return scheme + "://" + host + r.URL.RequestURI()
}

func redirect(w http.ResponseWriter, to string, status int) {
	w.Header().Set("Location", to)
	w.WriteHeader(status)
}

// missing answers for what is no file: with a redirect, or by a route.
func (h *Handler) missing(w http.ResponseWriter, r *http.Request) {
	for _, proxy := range h.config.Proxies {
		if strings.HasPrefix(r.URL.Path, proxy) {
			http.Error(w, fmt.Sprintf("static.json gives %s to another server, which is not done here", proxy), http.StatusNotImplemented)
			return
		}
	}
	if to, ok := h.config.Redirects[r.URL.Path]; ok {
		redirect(w, to.URL, to.Status)
		return
	}
	for _, route := range h.config.Routes {
		if !route.Pattern.Matches(r.URL.Path) {
			continue
		}
		if f, ok := h.target(route, r); ok {
			h.send(w, r, f, http.StatusOK)
			return
		}
		break // the first that matches decides
	}
	h.notFound(w, r)
}

// target opens a route's file. A page never answers in place of a script or an
// image: it would only hide what is wrong.
func (h *Handler) target(route Route, r *http.Request) (file, bool) {
	f, err := h.open(route.Target)
	if err == nil && f.IsDir() {
		f.Close()
		f, err = h.open(path.Join(route.Target, "index.html"))
	}
	if err != nil {
		return file{}, false
	}
	asked := strings.ToLower(path.Ext(r.URL.Path))
	page := strings.EqualFold(path.Ext(f.Name()), ".html")
	if f.IsDir() || page && asked != "" && asked != ".html" && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		f.Close()
		return file{}, false
	}
	return f, true
}
