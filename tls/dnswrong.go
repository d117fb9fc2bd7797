package certs

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// A wrongCredential is what a provider says of a credential that is wrong, or
// that may not change the zone's records.
type wrongCredential struct {
	provider string
	said     error
}

func (w *wrongCredential) Error() string {
	return fmt.Sprintf("%s does not take the credential (%v): bring one that may change the zone's records: letsencrypt:dns %s",
		w.provider, w.said, w.provider)
}

func (w *wrongCredential) Unwrap() error { return w.said }

// explained makes a provider's error one for people. None of its secrets is in
// it, whatever the provider repeats: errors are kept and shown.
func (l limited) explained(err error) error {
	if err == nil {
		return nil
	}
	said := err.Error()
	for _, secret := range l.secrets {
		said = strings.ReplaceAll(said, secret, "[credential]")
	}
	wrong := refusesCredential(err)
	if said != err.Error() {
		err = errors.New(said)
	}
	if wrong {
		return &wrongCredential{l.provider, err}
	}
	return err
}

// cloudflares is how Cloudflare's library says the same; it has no error that
// could be asked. Code 6003 and those near it are a token that is none.
var cloudflares = regexp.MustCompile(`HTTP (401|403)\b|HTTP 400: \[\{Code:(6003|6111|9106|9109|10000)\b`)

// refusesCredential tells whether err is about who asks, not about what.
func refusesCredential(err error) bool {
	e, ok := errors.AsType[*restError](err)
	if !ok {
		return cloudflares.MatchString(err.Error())
	}
	return e.status == http.StatusUnauthorized || e.status == http.StatusForbidden ||
		// Google's login says so with a 400 (RFC 6749, 5.2).
		e.status == http.StatusBadRequest && (strings.Contains(e.said, "invalid_grant") || strings.Contains(e.said, "invalid_client"))
}

// secretsOf are the parts of a credential that must not be shown: all of what
// is one word, and the values of what has lines.
func secretsOf(credential string) (secrets []string) {
	for line := range strings.Lines(credential) {
		name, value, ok := strings.Cut(line, "=")
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case ok && (name == "server" || name == "key" || name == "algorithm" || strings.HasSuffix(name, "_id")):
			continue // what one needs to see which one it is
		case ok && strings.TrimSpace(value) != "":
			secrets = append(secrets, strings.TrimSpace(value))
		}
		if line = strings.TrimSpace(line); len(line) >= 4 {
			secrets = append(secrets, line)
		}
	}
	return secrets
}
