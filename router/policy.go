package router

import "net/http"

// A Policy is what the owner of a service wants of the door before it. The
// zero value wants nothing.
type Policy struct{}

// A policy is a Policy made ready for requests. It never changes.
type policy struct{}

func newPolicy(Policy) *policy { return &policy{} }

// answer answers a request that is not to reach a target, and reports whether
// it has.
func (p *policy) answer(http.ResponseWriter, *http.Request) bool { return false }

// amend changes a target's answer before any of it goes to the visitor, whose
// request is req. It may replace the body.
func (p *policy) amend(req *http.Request, res *http.Response) {}
