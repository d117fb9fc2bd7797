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
// The exchange enforces what is about connections: timeouts, maxRequests
// (tooMany is the page), and the end of a body that grows larger than maxBody
// (errTooLarge from reading it, for which tooLarge is the page).
type policy struct {
	maxBody     int64
	maxRequests int64
	timeouts    Timeouts
}

func newPolicy(p Policy) *policy {
	return &policy{maxBody: p.MaxBody, maxRequests: int64(p.MaxRequests), timeouts: p.Timeouts}
}

// answer answers a request that is not to reach a target, and reports whether
// it has.
func (p *policy) answer(http.ResponseWriter, *http.Request) bool { return false }

// amend changes a target's answer before any of it goes to the visitor, whose
// request is req. It may replace the body.
func (p *policy) amend(req *http.Request, res *http.Response) {}
