package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"sync"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap/zapcore"
)

// A second CA is asked when the first has failed for a reason of its own: it
// is down, or has a limit. Where the reason is ours, such as a name that leads
// elsewhere, a second CA would find it too, and count it.
type second struct {
	*certmagic.ACMEIssuer
	first string // whose failures are heard of
	ears  *ears
}

// PreCheck returns the first CA's error if the second must not be asked.
func (s *second) PreCheck(ctx context.Context, names []string, interactive bool) error {
	if err := s.ears.heard(s.first, names[0]); err != nil && !theirs(err) {
		return err
	}
	return s.ACMEIssuer.PreCheck(ctx, names, interactive)
}

// Issue says in its error why the first CA failed too.
func (s *second) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	cert, err := s.ACMEIssuer.Issue(ctx, csr)
	if err == nil {
		return cert, nil
	}
	name := ""
	if len(csr.DNSNames) > 0 {
		name = csr.DNSNames[0]
	} else if len(csr.IPAddresses) > 0 {
		name = csr.IPAddresses[0].String()
	}
	if first := s.ears.heard(s.first, name); first != nil {
		err = &refusals{explain(first), explain(err)}
	}
	return nil, err
}

// refusals are those of both CAs.
type refusals struct{ first, second error }

func (r *refusals) Error() string   { return r.first.Error() + "; and the second: " + r.second.Error() }
func (r *refusals) Unwrap() []error { return []error{r.first, r.second} }

// theirs tells whether a failure is the CA's own.
func theirs(err error) bool {
	problem, ok := errors.AsType[acme.Problem](err)
	if !ok {
		return true // it was not reached, or not understood
	}
	switch problem.Type {
	case acme.ProblemTypeRateLimited, acme.ProblemTypeServerInternal, acme.ProblemTypeBadNonce,
		acme.ProblemTypeExternalAccountRequired, acme.ProblemTypeUserActionRequired, acme.ProblemTypeAccountDoesNotExist,
		acme.ProblemTypeRejectedIdentifier, acme.ProblemTypeUnsupportedIdentifier, acme.ProblemTypeAlreadyReplaced,
		acme.ProblemTypeCAA: // another CA may be the one that is allowed
		return true
	}
	_, validated := problem.Resource.(acme.Authorization)
	return !validated && (problem.Status >= 500 || problem.Status == http.StatusTooManyRequests)
}

// ears hear from certmagic's log why an issuer failed. It tells nowhere else
// before it asks the next one, and an issuer that is wrapped to hear it would
// not be allowed to say which certificate is renewed (RFC 9773).
type ears struct {
	mu   sync.Mutex
	said map[[2]string]error // by issuer and name
}

func newEars() *ears { return &ears{said: map[[2]string]error{}} }

// heard returns why issuer failed last for name.
func (e *ears) heard(issuer, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.said[[2]string{issuer, name}]
}

// Enabled is of zapcore.Core.
func (e *ears) Enabled(level zapcore.Level) bool { return level >= zapcore.ErrorLevel }

// With is of zapcore.Core.
func (e *ears) With([]zapcore.Field) zapcore.Core { return e }

// Check is of zapcore.Core.
func (e *ears) Check(entry zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Enabled(entry.Level) {
		return to.AddCore(entry, e)
	}
	return to
}

// Write is of zapcore.Core.
func (e *ears) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	if entry.Message != "could not get certificate from issuer" {
		return nil
	}
	var key [2]string
	var err error
	for _, field := range fields {
		switch field.Key {
		case "issuer":
			key[0] = field.String
		case "identifier":
			key[1] = field.String
		case "error":
			err, _ = field.Interface.(error)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.said) >= maxLeafs {
		clear(e.said)
	}
	e.said[key] = err
	return nil
}

// Sync is of zapcore.Core.
func (e *ears) Sync() error { return nil }
