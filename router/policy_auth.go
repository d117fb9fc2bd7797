package router

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync"

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
	switch {
	case password == "":
		return "", errors.New("the password is empty")
	case len(password) > 72:
		return "", errors.New("the password is longer than 72 bytes, of which bcrypt would see no more")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}

const (
	// A password takes a processor for 50 ms to check. So that strangers
	// cannot keep the machine busy by guessing, one is checked at a time and
	// few may wait; what has been checked is remembered.
	maxGuesses = 16
	maxWrong   = 1024
)

// A mac is that of a name and a password.
type mac [sha256.Size]byte

// An auth is an Auth made ready for requests.
type auth struct {
	challenge string
	users     map[string][]byte
	nobody    []byte // a hash to spend as long on for users that do not exist
	allow     *allow
	paths     []string

	key     []byte
	guesses chan struct{} // holds one for each request that waits for a verdict
	turn    chan struct{} // holds one while a password is checked

	mu    sync.Mutex
	right map[mac]bool // each user's, so there are no more than users
	wrong map[mac]bool // those of late: guesses push out no more than guesses
}

func newAuth(a Auth) *auth {
	if len(a.Users) == 0 {
		return nil
	}
	realm := a.Realm
	if realm == "" {
		realm = "Restricted"
	}
	c := &auth{
		challenge: `Basic realm="` + realm + `", charset="UTF-8"`,
		users:     map[string][]byte{},
		allow:     newAllow(a.Allow),
		paths:     a.Paths,
		key:       make([]byte, 32),
		guesses:   make(chan struct{}, maxGuesses),
		turn:      make(chan struct{}, 1),
		right:     map[mac]bool{},
		wrong:     map[mac]bool{},
	}
	_, _ = rand.Read(c.key) // it never fails
	for name, hash := range a.Users {
		c.users[name] = []byte(hash)
		c.nobody = c.users[name]
	}
	return c
}

// answer asks who has not said who they are, and refuses who cannot be told
// yet. The service does not get to see our passwords.
func (a *auth) answer(p *policy, x *exchange) bool {
	free := a.allow != nil && a.allow.has(x.from.addr) || a.isFree(x.req.URL.EscapedPath())
	name, password, ok := x.req.BasicAuth()
	if !ok && free {
		return false
	}
	right, known := false, true
	if ok {
		right, known = a.check(x.req, name, password, free)
	}
	if right {
		x.req.Header.Del("Authorization")
		return false
	}
	switch {
	case free:
		return false
	case !known:
		p.page(x, x.w, tooManyGuesses)
	default:
		x.w.Header().Set("WWW-Authenticate", a.challenge)
		p.page(x, x.w, notLoggedIn)
	}
	return true
}

// isFree reports whether nobody is asked for a path. Those of ACME's
// challenges are free, or an app could not get certificates of its own.
func (a *auth) isFree(path string) bool {
	if strings.Contains(path, "..") || strings.Contains(path, "//") || strings.ContainsAny(path, "%\\;") {
		return false // the service may read it as another
	}
	if strings.HasPrefix(path, "/.well-known/acme-challenge/") {
		return true
	}
	for _, free := range a.paths {
		below, all := strings.CutSuffix(free, "*")
		if path == below || all && strings.HasPrefix(path, below) {
			return true
		}
	}
	return false
}

// check says whether the password is right. It is not known when too many
// others are being checked, or when it would take more than a look at those
// that have been.
func (a *auth) check(req *http.Request, name, password string, look bool) (right, known bool) {
	h := hmac.New(sha256.New, a.key)
	h.Write([]byte(name + ":" + password)) // a name has no colon
	var sum mac
	h.Sum(sum[:0])
	if right, known := a.verdict(sum); known || look {
		return right, known
	}
	select {
	case a.guesses <- struct{}{}:
		defer func() { <-a.guesses }()
	default:
		return false, false
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-req.Context().Done():
		return false, false
	}
	if right, known := a.verdict(sum); known {
		return right, known // a browser asks for many things at once
	}
	hash, exists := a.users[name]
	if !exists {
		hash = a.nobody
	}
	right = bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && exists
	a.mu.Lock()
	defer a.mu.Unlock()
	if right {
		a.right[sum] = true
		return true, true
	}
	if len(a.wrong) >= maxWrong {
		clear(a.wrong)
	}
	a.wrong[sum] = true
	return false, true
}

func (a *auth) verdict(sum mac) (right, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	right = a.right[sum]
	return right, right || a.wrong[sum]
}
