package appliance

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A Token stands for a key at the HTTP door.
type Token struct {
	Name      string // "ci"
	Key       string // the name of the key
	Hash      string // see HashToken
	CreatedAt time.Time
	ExpiresAt time.Time // the zero Time for never
	UsedAt    time.Time // the day on which it was used last; the zero Time if it never was
}

// Expired reports whether the token is of no use any more.
func (t Token) Expired(now time.Time) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }

var tokenText = regexp.MustCompile(`^berth_[a-z2-7]{52}$`)

// NewToken makes up the text of a token, of 260 random bits. It begins with
// "berth_", so that what searches repositories for secrets knows it.
func NewToken() string { return "berth_" + strings.ToLower(rand.Text()+rand.Text()) }

// HashToken returns what is kept of a token's text, or "" if it is none. The
// text is random and long, so that a plain hash says nothing of it.
func HashToken(text string) string {
	if !tokenText.MatchString(text) {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}
