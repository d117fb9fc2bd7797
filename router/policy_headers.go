package router

import "net/http"

// A header is set, or taken away if it has no value.
type header struct {
	name  string // canonical
	value []string
}

func newHeaders(all map[string]string) []header {
	var headers []header
	for name, value := range all {
		h := header{name: http.CanonicalHeaderKey(name)}
		if value != "" {
			h.value = []string{value}
		}
		headers = append(headers, h)
	}
	return headers
}

func setHeaders(headers []header, to http.Header) {
	for _, h := range headers {
		if h.value == nil {
			delete(to, h.name)
			continue
		}
		to[h.name] = h.value
	}
}
