package router

import (
	"cmp"
	"time"
)

// Maintenance answers every request with a page that says so: 503, and when
// to come again.
type Maintenance struct {
	On         bool          `json:"on,omitempty"`
	HTML       string        `json:"html,omitempty"`        // our own page if empty
	RetryAfter time.Duration `json:"retry_after,omitempty"` // 5 minutes if 0
	Allow      []string      `json:"allow,omitempty"`       // addresses and networks that get through
}

// A maintenance is one that is on.
type maintenance struct {
	page  page
	html  string
	allow *allow
}

func newMaintenance(m Maintenance) *maintenance {
	if !m.On {
		return nil
	}
	c := &maintenance{page: *inMaintenance, html: m.HTML, allow: newAllow(m.Allow)}
	if m.RetryAfter > 0 {
		c.page.retryAfter = int(max(1, m.RetryAfter/time.Second))
	}
	return c
}

func (m *maintenance) answer(p *policy, x *exchange) bool {
	if m.allow != nil && m.allow.has(x.from.addr) {
		return false
	}
	p.show(x, x.w, &m.page, cmp.Or(m.html, p.html(&m.page)))
	return true
}
