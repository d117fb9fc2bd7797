package static

import (
	"bufio"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// An Auth is who may come, and what tells them from others: user to password,
// as htpasswd writes it. The zero Auth lets nobody in.
type Auth struct {
	Users map[string]string
}

// readAuth adds those that the config names, or else the file .htpasswd.
func (a *Auth) read(getenv func(string) string) error {
	a.Users = map[string]string{}
	if user := getenv("BASIC_AUTH_USERNAME"); user != "" {
		a.Users[user] = getenv("BASIC_AUTH_PASSWORD")
		return nil
	}
	f, err := os.Open(".htpasswd")
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if user, password, ok := strings.Cut(strings.TrimSpace(lines.Text()), ":"); ok && !strings.HasPrefix(user, "#") {
			a.Users[user] = password
		}
	}
	return lines.Err()
}

// admits tells whether a request comes from one of the users, and otherwise
// asks who it is.
func (a *Auth) admits(w http.ResponseWriter, r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	// Without a password nobody gets in, whatever the request says.
	if stored := a.Users[user]; ok && stored != "" && verify(stored, password) {
		return true
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Restricted", charset="UTF-8"`)
	http.Error(w, "unauthorized", http.StatusUnauthorized)
	return false
}

// verify compares a password with what is stored of it: a hash of htpasswd's
// or openssl's, or the password itself.
func verify(stored, password string) bool {
	switch {
	case strings.HasPrefix(stored, "$2"):
		return bcrypt.CompareHashAndPassword([]byte(stored), []byte(password)) == nil
	case strings.HasPrefix(stored, "$apr1$"):
		salt, _, _ := strings.Cut(stored[len("$apr1$"):], "$")
		return same(stored, apr1(password, salt))
	case strings.HasPrefix(stored, "{SHA}"):
		sum := sha1.Sum([]byte(password))
		return same(stored, "{SHA}"+base64.StdEncoding.EncodeToString(sum[:]))
	case strings.HasPrefix(stored, "{SSHA}"):
		raw, err := base64.StdEncoding.DecodeString(stored[len("{SSHA}"):])
		if err != nil || len(raw) < sha1.Size {
			return false
		}
		sum := sha1.Sum(append([]byte(password), raw[sha1.Size:]...))
		return subtle.ConstantTimeCompare(sum[:], raw[:sha1.Size]) == 1
	case strings.HasPrefix(stored, "{PLAIN}"):
		return same(stored, "{PLAIN}"+password)
	case strings.HasPrefix(stored, "$"):
		return false // of a kind that is not known here
	}
	return same(stored, password)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
