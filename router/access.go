package router

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// A sight is what an exchange lets be seen of itself, for the access log and
// the metrics. The exchange's own goroutine fills it, but for in.
type sight struct {
	status    int          // of the answer; 0 if none went out
	code      string       // of our own page, as "H14"; "" if the target has answered
	client    string       // the visitor's address if it is not the connection's; of a trusted proxy's visitor
	in        atomic.Int64 // bytes of the request's body, and of what came in by an upgraded connection
	out       int64        // bytes of the answer's body, and of what went out by an upgraded connection
	addr      string       // of the last target that had the request
	connect   time.Duration
	firstByte time.Duration // from the beginning until the answer's head was there
	outcome   outcome
}

// What the access log says of requests that visitors broke off, as Heroku and
// nginx do.
const (
	interruptedCode   = "H27"
	interruptedStatus = 499
)

// observe is told of every exchange that has ended, before it leaves its
// generation. It must cost next to nothing.
func (g *Generation) observe(x *exchange) {
	took := time.Since(x.began)
	if x.status == 0 {
		x.status = interruptedStatus
		if x.outcome == served {
			x.outcome = gone
		}
		if x.code == "" && x.outcome == gone {
			x.code = interruptedCode
		}
	}
	g.stats.meter.add(x, took)
	log := g.stats.log
	if log == nil || g.policy.log.Off {
		return
	}
	req := x.req
	r := record{
		service: g.name, target: x.addr, code: x.code,
		began: x.began, took: took, connect: x.connect, waiting: x.firstByte,
		in: x.in.Load(), out: x.out, status: x.status,
		major: uint8(req.ProtoMajor), minor: uint8(req.ProtoMinor), outcome: x.outcome,
	}
	if req.TLS != nil {
		r.tls = req.TLS.Version
	}
	text := [texts]string{
		textMethod: req.Method, textHost: req.Host, textPath: loggedPath(req, g.policy.log.Query), textID: x.id,
		textClient: clientOf(x), textAgent: only(req.Header["User-Agent"]), textReferer: withoutQuery(only(req.Header["Referer"])),
	}
	for i, s := range text {
		text[i] = s[:min(len(s), textLimits[i])]
	}
	log.add(&r, &text)
}

// A counting ResponseWriter is for a page that does not go by the response.
type counting struct {
	http.ResponseWriter
	sight *sight
}

// Unwrap is for http.ResponseController.
func (w counting) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w counting) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.sight.out += int64(n)
	return n, err
}

// clientOf is the address that the request came from, without its port.
func clientOf(x *exchange) string {
	if x.client != "" {
		return x.client
	}
	addr := x.req.RemoteAddr
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		addr = addr[:i]
	}
	return strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")
}

// loggedPath is the path as the visitor wrote it. What is behind a question
// mark may be a secret: a token, a signature, a search.
func loggedPath(req *http.Request, query bool) string {
	path := req.RequestURI
	if !strings.HasPrefix(path, "/") && path != "*" {
		path = req.URL.Path // absolute-form: the host has its own place
	}
	if query {
		return path
	}
	return withoutQuery(path)
}

func withoutQuery(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return s[:i]
	}
	return s
}

func only(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// Logging is what the access log says of a service's requests.
type Logging struct {
	Off   bool `json:"off,omitempty"`
	Query bool `json:"query,omitempty"` // also what is behind the question mark
}

// Describe says in a few words what a code of the access log means; "" if it
// is none.
func Describe(code string) string {
	if code == interruptedCode {
		return "The visitor broke off"
	}
	for _, p := range allPages {
		if p.Code == code {
			return p.Title
		}
	}
	return ""
}
