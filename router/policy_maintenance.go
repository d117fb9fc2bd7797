package router

import "time"

// Maintenance answers every request with a page that says so: 503, and when
// to come again.
type Maintenance struct {
	On         bool          `json:"on,omitempty"`
	HTML       string        `json:"html,omitempty"`        // our own page if empty
	RetryAfter time.Duration `json:"retry_after,omitempty"` // 5 minutes if 0
	Allow      []string      `json:"allow,omitempty"`       // addresses and networks that get through
}
