package certs

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// A refusal says in the CA's own words why an attempt failed, without the
// protocol around them. The whole error is in it.
type refusal struct {
	said string
	err  error
}

func (r *refusal) Error() string { return "the CA says: " + r.said }
func (r *refusal) Unwrap() error { return r.err }

// explain makes err one for people, if it came from the CA.
func explain(err error) error {
	if both, ok := errors.AsType[*refusals](err); ok {
		return both
	}
	problem, ok := errors.AsType[acme.Problem](err)
	if !ok || problem.Detail == "" {
		return err
	}
	said := problem.Detail
	for _, p := range problem.Subproblems {
		said += "; " + p.Detail
	}
	kind := problem.Type[strings.LastIndexByte(problem.Type, ':')+1:]
	return &refusal{said: said + " (" + kind + ")", err: err}
}

// limitPause is how long a CA is not asked again that has a limit and does not
// say for how long.
const limitPause = time.Hour

// retryAfter is how Let's Encrypt says it: "retry after 2026-01-02 15:04:05 UTC".
var retryAfter = regexp.MustCompile(`retry after (\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)`)

// refusedUntil returns until when a CA with a limit does not want to be asked
// again. It is zero if err is something else.
func refusedUntil(err error, now time.Time) time.Time {
	problem, ok := errors.AsType[acme.Problem](err)
	if !ok || problem.Type != acme.ProblemTypeRateLimited && problem.Status != http.StatusTooManyRequests {
		return time.Time{}
	}
	if said := retryAfter.FindStringSubmatch(problem.Detail); said != nil {
		if until, err := time.Parse(time.DateTime, said[1]+" "+said[2]); err == nil && until.Before(now.Add(31*24*time.Hour)) {
			return until
		}
	}
	return now.Add(limitPause)
}
