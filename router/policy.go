package router

import (
	"net/http"
	"time"
)

// A Policy is what the owner of a service wants of the door before it. The
// zero value wants nothing: requests and answers go through as they are.
// DefaultPolicy is what a service gets whose owner has said nothing.
type Policy struct {
	// MaxBody is the most bytes that the body of a request may have; 0 for
	// any number.
	MaxBody int64 `json:"max_body,omitempty"`
	// MaxRequests is how many requests, WebSockets among them, may be under
	// way at once; 0 for any number. One more gets a page at once, so that a
	// service that has stalled does not take the machine with it.
	MaxRequests int      `json:"max_requests,omitempty"`
	Timeouts    Timeouts `json:"timeouts,omitzero"`

	// PlainHTTP has plain HTTP answered, rather than sent to HTTPS.
	PlainHTTP bool `json:"plain_http,omitempty"`
	HSTS      HSTS `json:"hsts,omitzero"`

	// Allow are the addresses and networks (192.0.2.7, 10.0.0.0/8) that may
	// come in; none means all.
	Allow       []string    `json:"allow,omitempty"`
	Auth        Auth        `json:"auth,omitzero"`
	Maintenance Maintenance `json:"maintenance,omitzero"`
	Redirects   []Redirect  `json:"redirects,omitempty"`

	// Headers are set on every answer of the service, whatever it said
	// itself. An empty value takes the header away.
	Headers map[string]string `json:"headers,omitempty"`
	// Pages are HTML for our own pages, by Heroku's code ("H14"), by status
	// ("503"), or "default".
	Pages map[string]string `json:"pages,omitempty"`
	// PagesForEmpty has Pages shown also where the service itself answers
	// with an error (4xx, 5xx) and an empty body.
	PagesForEmpty bool        `json:"pages_for_empty,omitempty"`
	Compression   Compression `json:"compression,omitzero"`
	Log           Logging     `json:"log,omitzero"`
}

// Timeouts are how long we wait; 0 is for ever.
type Timeouts struct {
	// Connect is for a connection to a process.
	Connect time.Duration `json:"connect,omitempty"`
	// FirstByte is from the last byte of the request to the first of the
	// answer.
	FirstByte time.Duration `json:"first_byte,omitempty"`
	// Idle is between two bytes, in either direction, once the answer or an
	// upgraded connection (a WebSocket) has begun.
	Idle time.Duration `json:"idle,omitempty"`
}

// DefaultPolicy is what a service gets whose owner has said nothing.
//
// The body is as large as it wants to be: nginx's 1 MB is what people stumble
// over, and we keep nothing of a body in memory. A minute for the first byte
// is nginx's, and long enough that Heroku's 30 s are kept to by all that keep
// to them there. Five minutes of silence leave WebSockets alone that Heroku
// (55 s) and nginx (60 s) would cut.
func DefaultPolicy() Policy {
	return Policy{
		MaxRequests: 10_000,
		Timeouts:    Timeouts{Connect: 5 * time.Second, FirstByte: time.Minute, Idle: 5 * time.Minute},
		HSTS:        HSTS{MaxAge: 15_724_800 * time.Second, Subdomains: true},
		Compression: Compression{On: true},
	}
}

// A policy is a Policy made ready for requests. It never changes.
//
// What does not validate closes rather than opens: an address that cannot be
// read lets nobody in, a hash that cannot be read no password.
//
// The exchange enforces what is about connections: timeouts, maxRequests (for
// which tooMany is the page), and the end of a body that grows larger than
// maxBody (reading it says errTooLarge, for which tooLarge is the page).
type policy struct {
	maxBody     int64
	maxRequests int64
	timeouts    Timeouts
	log         Logging

	plainHTTP   bool
	questions   bool // there is more to ask of a request than its size
	hsts        *hsts
	allow       *allow
	auth        *auth
	maintenance *maintenance
	redirects   []redirect

	headers       []header
	pages         map[string]string
	pagesForEmpty bool
	compression   *compression
}

func newPolicy(p Policy) *policy {
	c := &policy{
		maxBody: p.MaxBody, maxRequests: int64(p.MaxRequests), timeouts: p.Timeouts, log: p.Log,
		plainHTTP: p.PlainHTTP, hsts: newHSTS(p.HSTS), allow: newAllow(p.Allow), auth: newAuth(p.Auth),
		maintenance: newMaintenance(p.Maintenance), redirects: newRedirects(p.Redirects),
		headers: newHeaders(p.Headers), pages: p.Pages, pagesForEmpty: p.PagesForEmpty && len(p.Pages) > 0,
		compression: newCompression(p.Compression),
	}
	c.questions = c.allow != nil || c.auth != nil || c.maintenance != nil || len(c.redirects) > 0
	return c
}

// answer answers a request that is not to reach a target, and reports whether
// it has. It may replace the request's body.
func (p *policy) answer(x *exchange) bool {
	if p.questions && p.ask(x) {
		return true
	}
	return p.maxBody > 0 && p.limit(x)
}

func (p *policy) ask(x *exchange) bool {
	switch {
	case !p.allow.has(x.from.addr):
		p.page(x, x.w, notAllowed)
	case p.redirect(x):
	case p.maintenance != nil && p.maintenance.answer(p, x):
	case p.auth != nil && p.auth.answer(p, x):
	default:
		return false
	}
	return true
}

// amend changes a target's answer before any of it goes to the visitor. It may
// replace the body.
func (p *policy) amend(x *exchange, res *http.Response) {
	p.hsts.set(x, res.Header)
	if p.headers != nil {
		setHeaders(p.headers, res.Header)
	}
	if res.StatusCode < 200 {
		return
	}
	if p.pagesForEmpty && res.StatusCode >= 400 && res.ContentLength == 0 {
		p.fill(x, res)
	}
	if p.compression != nil {
		p.compression.apply(x.req, res)
	}
}
