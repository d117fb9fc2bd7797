package router

import (
	"cmp"
	"crypto/rand"
	"net"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/berthhq/berth/router/wire"
)

// makesSense reports whether the request can be written as HTTP/1.1. What came
// as HTTP/1.1 always can; HTTP/2 and 3 let through what would be another
// request there.
func (x *exchange) makesSense() bool {
	req := x.req
	_, err := httpguts.PunycodeHostPort(req.Host)
	return err == nil && req.Method != http.MethodConnect && req.URL.Opaque == "" &&
		(x.own != nil || wire.ValidMethod(req.Method) && wire.ValidHost(req.Host) && wire.ValidTarget(target11(req)))
}

// target11 is the request's target as the visitor wrote it, without the host
// that it may name.
func target11(req *http.Request) string {
	if uri := req.RequestURI; uri != "" && (uri[0] == '/' || uri == "*") {
		return uri
	}
	return req.URL.RequestURI()
}

// appendRequest appends the request that the target gets: the visitor's own,
// but for what only we can know. What a visitor says about where they come
// from is dropped; those in front of us who are trusted have been heard already.
func (x *exchange) appendRequest(b []byte) []byte {
	req := x.req
	b = append(b, req.Method...)
	b = append(b, ' ')
	b = append(b, target11(req)...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	host := hostFor(req.Host)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	named := req.Header["Connection"]
	for name, values := range req.Header {
		if hopByHop(name) || name == "Content-Length" || aboutOrigin(name) || x.from.invented(name, values) || named != nil && names(named, name) || !wire.ValidName(name) {
			continue
		}
		for _, value := range values {
			b = appendField(b, name, value)
		}
	}
	for _, f := range x.origin(host) {
		b = appendField(b, f.name, f.value)
	}
	if protocol := upgradeTo(req); protocol != "" && x.own != nil {
		b = append(b, "Connection: Upgrade\r\n"...)
		b = appendField(b, "Upgrade", protocol)
	}
	if names(req.Header["Te"], "trailers") {
		b = append(b, "Te: trailers\r\n"...)
	}
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		if req.Header["Content-Length"] != nil {
			b = append(b, "Content-Length: 0\r\n"...)
		}
	case req.ContentLength >= 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, req.ContentLength, 10)
		b = append(b, "\r\n"...)
	default:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		for name := range req.Trailer {
			b = appendField(b, "Trailer", name)
		}
	}
	b = append(b, "\r\n"...)
	return x.appendBody(b)
}

// A line is one of a header.
type line struct{ name, value string }

// origin is what only we can know. host is the request's, in ASCII.
func (x *exchange) origin(host string) [7]line {
	client, node := "unknown", "unknown"
	if addr := x.from.addr; addr.IsValid() {
		client = addr.String()
		if node = client; addr.Is6() {
			node = `"[` + client + `]"`
		}
	}
	return [...]line{
		{"X-Forwarded-For", client},
		{"X-Forwarded-Host", host},
		{"X-Forwarded-Proto", x.from.proto},
		{"X-Forwarded-Port", cmp.Or(x.from.port, port(x.req))},
		{"Forwarded", "for=" + node + `;host="` + host + `";proto=` + x.from.proto}, // RFC 7239
		{"X-Request-Id", x.id},
		{"X-Request-Start", strconv.FormatInt(x.began.UnixMilli(), 10)},
	}
}

// hopByHop reports whether a header is about one connection, not about what
// goes through it.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

func removeHopByHop(h http.Header) {
	if named := h["Connection"]; named != nil {
		for name := range h {
			if names(named, name) {
				delete(h, name)
			}
		}
	}
	for name := range h {
		if hopByHop(name) {
			delete(h, name)
		}
	}
}

// names reports whether one of the lists has the name.
func names(lists []string, name string) bool {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(item), name) {
				return true
			}
		}
	}
	return false
}

// upgradeTo is the protocol that the visitor wants to go on with, or "".
func upgradeTo(req *http.Request) string {
	if !names(req.Header["Connection"], "Upgrade") || !req.ProtoAtLeast(1, 1) {
		return ""
	}
	return req.Header.Get("Upgrade")
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
