package router

import "time"

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
			x.stop(errLate)
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
	switch {
	case x.answered.Load() && limits.Idle > 0:
		// A little at a time: something may have moved meanwhile.
		silent := now.Sub(quiet)
		if silent >= limits.Idle {
			return 0
		}
		return min(limits.Idle-silent, limits.Idle/8+time.Millisecond)
	case !x.answered.Load() && limits.FirstByte > 0:
		begin := now // the request has not been sent
		if at := x.asked.Load(); at != 0 {
			begin = time.Unix(0, at)
		}
		return min(limits.FirstByte-now.Sub(begin), limits.FirstByte/8+time.Millisecond)
	case limits.Idle > 0:
		return limits.Idle/8 + time.Millisecond // the answer may have begun by then
	}
	return time.Minute
}
