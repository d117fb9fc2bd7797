package appliance

import "time"

// A Key is a public SSH key that the gateway knows, and the person it stands
// for.
type Key struct {
	Name        string // "ada@laptop"
	Fingerprint string // "SHA256:…", as ssh-keygen -l prints it
	Public      string // one line in authorized_keys form, without options
	Admin       bool
	CreatedAt   time.Time
}
