package appliance

import (
	"fmt"
	"slices"
	"strings"
)

// An Access says what a key that is not an admin's may do with one app. Each
// includes those below it, and the zero Access is none.
type Access int

// The kinds of access.
const (
	NoAccess     Access = iota
	ViewAccess          // see how it is, and what it prints
	DeployAccess        // also push to it, and run, configure and scale it
	AdminAccess         // also its hosts, certificates and visitors, who has access, and its end
)

var accessNames = []string{"", "view", "deploy", "admin"}

func (a Access) String() string { return accessNames[a] }

// MarshalText makes an Access its name for scripts.
func (a Access) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// ParseAccess returns the Access that s names.
func ParseAccess(s string) (Access, error) {
	if i := slices.Index(accessNames, s); i > 0 {
		return Access(i), nil
	}
	return NoAccess, WithHint(fmt.Errorf("%w level %.40q", ErrInvalid, s), "there are "+strings.Join(accessNames[1:], ", "))
}

// A Grant is the access to an app that a key was given, or a team of keys.
type Grant struct {
	App    AppName `json:"app"`
	Who    string  `json:"who"` // the name of a key, or @ and that of a team
	Access Access  `json:"level"`
}

// A Team is keys that are granted apps together.
type Team struct {
	Name string   `json:"name"`
	Keys []string `json:"keys"`
}
