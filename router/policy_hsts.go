package router

import "time"

// HSTS has browsers come by HTTPS only, for MaxAge from their last visit on.
// It is never sent for addresses, nor for hosts that no public CA certifies,
// such as localhost: a browser would insist on a certificate that is gone
// with the appliance.
type HSTS struct {
	MaxAge     time.Duration `json:"max_age,omitempty"` // 0 sends nothing
	Subdomains bool          `json:"subdomains,omitempty"`
	Preload    bool          `json:"preload,omitempty"`
	// Forget has browsers forget what they were told.
	Forget bool `json:"forget,omitempty"`
	// Except are further hosts for which it is not sent.
	Except []string `json:"except,omitempty"`
}
