package router

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"slices"
	"sync/atomic"
	"time"
)

// errNoTarget says that a service has no process to send a request to.
var errNoTarget = errors.New("no web process")

// An exchange is one request and its answer, from joining a generation to
// leaving it. It is the transport of its own reverse proxy.
type exchange struct {
	gen    *Generation
	w      *response
	req    *http.Request // the visitor's
	from   client
	began  time.Time
	id     string
	target *target // has the request now; nil if none has
	failed bool    // the target could not be reached or broke off

	uploadFailed atomic.Bool // the visitor broke off; set by the transport's goroutine

	sight
}

// serve answers a request that has joined the generation, and has it leave.
func (g *Generation) serve(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithCancelCause(req.Context())
	x := &exchange{gen: g, w: &response{ResponseWriter: w}, req: req, began: time.Now(), id: requestID(req)}
	x.from = g.trust.Load().clientOf(req)
	if x.from.forwarded {
		x.client = x.from.addr.String()
	}
	x.w.sight = &x.sight
	uncut := context.AfterFunc(g.cutting, func() {
		cancel(errCut)
		x.w.cut()
	})
	defer func() {
		wasCut := !uncut()
		x.w.end()
		cancel(nil)
		x.at(nil)
		switch {
		case wasCut:
			x.outcome = cut
			g.count(cut)
		case x.failed:
			x.outcome = failed
			g.count(failed)
		default:
			g.count(served)
		}
		g.observe(x)
		g.leave()
	}()

	if req.Method == http.MethodConnect || req.URL.Opaque != "" {
		http.Error(w, "this is not a proxy", http.StatusBadRequest)
		return
	}
	if req.ProtoMajor == 1 && req.ContentLength != 0 {
		// Otherwise net/http reads the whole request before it sends the
		// first byte of the answer, and an app cannot talk both ways.
		// A server that cannot do it loses no more than that.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	if g.policy.answer(x) {
		return
	}
	proxy := httputil.ReverseProxy{
		Rewrite:        x.rewrite,
		Transport:      x,
		ModifyResponse: x.watch,
		ErrorHandler:   x.fail,
		FlushInterval:  -1,
		BufferPool:     buffers,
		ErrorLog:       g.debug,
	}
	proxy.ServeHTTP(x.w, req.WithContext(ctx))
}

// RoundTrip sends the request to a target. As long as none has accepted a
// connection, it tries the others, and all of them again.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	giveUp := time.Now().Add(patience)
	pause := 10 * time.Millisecond
	var tried []*target
	var last error
	for {
		t := x.gen.pick(tried)
		if t == nil && len(tried) == 0 {
			return nil, errNoTarget
		}
		if t == nil {
			if time.Now().After(giveUp) {
				return nil, last
			}
			select {
			case <-time.After(pause):
			case <-req.Context().Done():
				return nil, context.Cause(req.Context())
			}
			pause = min(2*pause, 100*time.Millisecond)
			tried = tried[:0]
			continue
		}
		res, err := x.try(t, req)
		switch {
		case err == nil:
			x.gen.answered(t)
		case !x.uploadFailed.Load():
			x.gen.failed(t, err)
		}
		if _, dialing := errors.AsType[*dialError](err); !dialing || req.Context().Err() != nil {
			return res, err
		}
		last = err
		tried = append(slices.Clip(tried), t)
	}
}

func (x *exchange) try(t *target, req *http.Request) (*http.Response, error) {
	x.at(t)
	out := req.WithContext(req.Context())
	u := *req.URL
	u.Scheme, u.Host = "http", t.addr
	out.URL = &u
	if req.Body != nil {
		out.Body = &upload{req.Body, &x.uploadFailed, &x.in}
	}
	return t.transport.RoundTrip(out)
}

// at notes which target has the request now.
func (x *exchange) at(t *target) {
	if x.target != nil {
		x.target.outstanding.Add(-1)
	}
	if x.target = t; t != nil {
		x.addr = t.addr
		t.outstanding.Add(1)
	}
}

// watch notices when the target breaks off its answer.
func (x *exchange) watch(res *http.Response) error {
	x.firstByte = time.Since(x.began)
	x.gen.policy.amend(x, res)
	if res.StatusCode != http.StatusSwitchingProtocols {
		res.Body = &download{res.Body, x, res.Request.Context()}
	}
	return nil
}
