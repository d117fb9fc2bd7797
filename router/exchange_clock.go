package router

import (
	"net/http"
	"time"
)

// Whose turn it is while a request's body is being sent.
const (
	nobodysTurn  int32 = iota // it is not on its way: a target is looked for
	visitorsTurn              // the next piece has not come
	targetsTurn               // the next piece has not been taken
	decidersTurn              // the target has to say first whether it wants the body
)

// sending notes that the target has the request's head, and that the body is
// to follow.
func (x *exchange) sending() {
	turn := visitorsTurn
	if x.req.Header["Expect"] != nil {
		turn = decidersTurn
	}
	x.turn.Store(turn)
	x.moved.Add(1)
}

// wanted notes an interim answer, which may be that the target wants the body.
func (x *exchange) wanted(status int) {
	if status == http.StatusContinue {
		x.moved.Add(1)
		x.turn.CompareAndSwap(decidersTurn, visitorsTurn)
	}
}

// late is called when the exchange has taken a while. Only from then on is
// anything measured: most exchanges are over by then.
func (x *exchange) late() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended || x.clock != nil {
		return
	}
	var quiet time.Time // when something moved last
	var moved int64     // what had moved then
	x.clock = time.AfterFunc(0, func() {
		now := time.Now()
		if m := x.moved.Load(); m != moved || quiet.IsZero() {
			moved, quiet = m, now
		}
		left := x.left(now, quiet)
		if left <= 0 {
			x.stop(x.blame())
			return
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		if !x.ended {
			x.clock.Reset(left)
		}
	})
}

// left is for how long nothing can be too late.
func (x *exchange) left(now, quiet time.Time) time.Duration {
	limits := x.gen.policy.timeouts
	// A little at a time: something may have moved meanwhile.
	until := func(limit time.Duration, since time.Time) time.Duration {
		if limit == 0 {
			return time.Minute
		}
		return min(limit-now.Sub(since), limit/8+time.Millisecond)
	}
	if x.answered.Load() {
		return until(limits.Idle, quiet)
	}
	if at := x.asked.Load(); at != 0 {
		return until(limits.FirstByte, time.Unix(0, at))
	}
	switch x.turn.Load() {
	case visitorsTurn, targetsTurn:
		return until(limits.Idle, quiet)
	case decidersTurn:
		return until(limits.FirstByte, quiet)
	}
	// Looking for a target has a limit of its own. The body may be on its way
	// by then.
	return min(until(limits.Idle, now), until(limits.FirstByte, now))
}

// blame is why an exchange in which nothing has moved is stopped.
func (x *exchange) blame() error {
	if !x.answered.Load() && x.asked.Load() == 0 && x.turn.Load() == visitorsTurn {
		return errSilent
	}
	return errLate
}
