package certs

import (
	"errors"
	"strings"

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
