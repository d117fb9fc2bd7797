package router

import (
	"cmp"
	"crypto/rand"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// rewrite makes the request that the target gets: the visitor's own, but for
// what only we can know. What a visitor says about where they come from is
// dropped; those in front of us who are trusted have been heard already.
func (x *exchange) rewrite(p *httputil.ProxyRequest) {
	in, out := p.In, p.Out
	for name := range out.Header {
		if aboutOrigin(name) {
			delete(out.Header, name)
		}
	}
	out.Host = in.Host
	// As the visitor sent it: net/http drops what it cannot parse, such as
	// ";", but an app may (https://go.dev/issue/25192).
	out.URL.RawQuery = in.URL.RawQuery

	p.SetXForwarded()
	h := out.Header
	h.Set("X-Forwarded-Port", port(in))
	if x.from.forwarded {
		h.Set("X-Forwarded-For", x.from.addr.String())
		h.Set("X-Forwarded-Proto", x.from.proto)
		h.Set("X-Forwarded-Port", cmp.Or(x.from.port, port(in)))
	}
	h.Set("X-Request-Id", x.id)
	h.Set("X-Request-Start", strconv.FormatInt(time.Now().UnixMilli(), 10))
}

// aboutOrigin reports whether a header is one that only a proxy may set.
// Frameworks that follow CGI cannot tell X_Forwarded_For from
// X-Forwarded-For, so we do not either.
func aboutOrigin(name string) bool {
	if len(name) < len("Forwarded") || !strings.ContainsAny(name[:1], "XxFf") {
		return false
	}
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	if strings.HasPrefix(name, "x-forwarded") {
		return true
	}
	switch name {
	case "forwarded", "x-real-ip", "x-request-id", "x-request-start":
		return true
	}
	return false
}

// port is the port that the visitor connected to.
func port(req *http.Request) string {
	if addr, ok := req.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if _, port, err := net.SplitHostPort(addr.String()); err == nil {
			return port
		}
	}
	if req.TLS != nil {
		return "443"
	}
	return "80"
}

// requestID is the one that the visitor sent, if it looks like one (Heroku's
// rule: 20 to 200 letters, digits and +/=-), or a new one.
func requestID(req *http.Request) string {
	if ids := req.Header["X-Request-Id"]; len(ids) == 1 && isRequestID(ids[0]) {
		return ids[0]
	}
	return rand.Text()
}

func isRequestID(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("+/=-", c) >= 0) {
			return false
		}
	}
	return 20 <= len(s) && len(s) <= 200
}
