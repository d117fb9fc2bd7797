package http2

import (
	"net/http"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"

	"github.com/berthhq/berth/router/wire"
)

// Fields are what of a header may go by HTTP/2.
type fields struct {
	list                   []hpack.HeaderField
	typed, dated, measured bool // there is a Content-Type, or what forbids one; a Date; a Content-Length
}

var fieldLists = sync.Pool{New: func() any { return &fields{list: make([]hpack.HeaderField, 0, 16)} }}

// newFields are those of the header as it is now.
func newFields(h http.Header) *fields {
	f := fieldLists.Get().(*fields)
	for name, values := range h {
		switch name {
		case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
			continue // are about one connection of HTTP/1.1
		case "Content-Type", "Content-Encoding":
			f.typed = true
		case "Date":
			f.dated = true
		case "Content-Length":
			f.measured = true
		}
		if !strings.HasPrefix(name, http.TrailerPrefix) {
			f.add(name, values)
		}
	}
	return f
}

// trailerOf are the fields that follow the body.
func trailerOf(h http.Header) *fields {
	f := fieldLists.Get().(*fields)
	for name, values := range h {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok && httpguts.ValidTrailerHeader(name) {
			f.add(name, values)
		}
	}
	for name := range announced(h["Trailer"]) {
		f.add(name, h[name])
	}
	return f
}

func (f *fields) add(name string, values []string) {
	if len(values) == 0 || !wire.ValidMethod(name) {
		return
	}
	name = lower(name)
	for _, value := range values {
		if httpguts.ValidHeaderFieldValue(value) {
			f.list = append(f.list, hpack.HeaderField{Name: name, Value: value})
		}
	}
}

// encode puts the fields into the connection's next head, but for one. The
// caller has c.mu.
func (f *fields) encode(c *conn, but string) {
	for _, field := range f.list {
		if field.Name != but {
			_ = c.encoder.WriteField(field) // to memory
		}
	}
}

func (f *fields) free() {
	clear(f.list)
	*f = fields{list: f.list[:0]}
	if cap(f.list) <= 128 {
		fieldLists.Put(f)
	}
}

// lower returns the name as HTTP/2 has it.
func lower(name string) string {
	if l, ok := lowered[name]; ok {
		return l
	}
	return strings.ToLower(name)
}

// lowered are names that are often sent.
var lowered = func() map[string]string {
	m := map[string]string{}
	for name := range strings.FieldsSeq(`Accept-Ranges Access-Control-Allow-Credentials Access-Control-Allow-Headers
		Access-Control-Allow-Methods Access-Control-Allow-Origin Access-Control-Expose-Headers Access-Control-Max-Age Age Alt-Svc
		Cache-Control Content-Disposition Content-Encoding Content-Language Content-Length Content-Location Content-Range
		Content-Security-Policy Content-Type Cross-Origin-Opener-Policy Date Etag Expires Last-Modified Link Location
		Permissions-Policy Pragma Referrer-Policy Retry-After Server Server-Timing Set-Cookie Strict-Transport-Security Trailer
		Vary Via Www-Authenticate X-Content-Type-Options X-Frame-Options X-Powered-By X-Request-Id X-Runtime X-Xss-Protection`) {
		m[name] = strings.ToLower(name)
	}
	return m
}()
