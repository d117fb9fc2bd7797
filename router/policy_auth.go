package router

import (
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// Auth asks for a name and a password (HTTP Basic), if it has users.
type Auth struct {
	Realm string            `json:"realm,omitempty"`
	Users map[string]string `json:"users,omitempty"` // bcrypt's hashes, by name
	Allow []string          `json:"allow,omitempty"` // addresses and networks that are not asked
	Paths []string          `json:"paths,omitempty"` // that nobody is asked for: "/healthz", or "/hooks/*" and all below
}

// HashPassword makes the hash that Auth.Users holds.
func HashPassword(password string) (string, error) {
	if password == "" {
		return "", fmt.Errorf("the password is empty")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}
