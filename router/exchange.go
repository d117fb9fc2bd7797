package router

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// errNoTarget says that a service has no process to send a request to.
	errNoTarget = errors.New("no web process")

	// errGone says that the visitor has hung up.
	errGone = errors.New("the visitor has gone")

	// errLate says that the target, or the visitor, has been silent for
	// longer than the policy has it.
	errLate = errors.New("nothing has come for too long")

	// errSilent says that it is the visitor alone who has been: in the middle
	// of an upload.
	errSilent = errors.New("the visitor has sent nothing of the body for too long")
)

// An exchange is one request and its answer, from joining a generation to
// leaving it.
type exchange struct {
	gen    *Generation
	w      *response
	own    *answer       // what w writes to, if it is our own HTTP/1.1; nil otherwise
	req    *http.Request // the visitor's
	from   client
	began  time.Time
	id     string
	target *target // has the request now; nil if none has
	failed bool    // the target could not be reached or broke off
	upload *upload // the request's body, on its way; nil if it has gone with the head
	done   func()  // ends the context of a request by HTTP/2

	prev, next *exchange // in live, whose mu guards them and cut
	cut        bool

	mu         sync.Mutex
	cause      error              // why it was stopped; nil if it was not
	cancelDial context.CancelFunc // while a connection is being made
	link       *link              // while the target has the request
	begun      bool               // the answer's head has been written
	upgraded   *tunnel            // what it has become
	ended      bool               // the visitor's connection is no longer ours
	clock      *time.Timer        // ticks while a slow exchange goes on

	asked    atomic.Int64 // when the request's body had been sent, in Unix nanoseconds; 0 while it is being sent
	turn     atomic.Int32 // whose it is while the body is being sent
	answered atomic.Bool  // the answer's head is there
	moved    atomic.Int64 // pieces of bodies that have gone by

	sight
}

// exchange is what begins when a request has joined the generation.
func (g *Generation) exchange(w http.ResponseWriter, req *http.Request) *exchange {
	x := &exchange{gen: g, req: req, began: time.Now(), id: requestID(req)}
	x.w = &response{w, x}
	x.own, _ = w.(*answer)
	x.from = g.trust.Load().clientOf(req)
	if x.from.forwarded {
		x.client = x.from.addr.String()
	}
	return x
}

// serve answers a request that has joined the generation, and has it leave.
func (g *Generation) serve(w http.ResponseWriter, req *http.Request) {
	x := g.exchange(w, req)
	g.live.add(x)
	defer func() { x.end(g.live.remove(x)) }()
	if x.own != nil {
		x.own.conn.slow(x.visitorLeft, x.late)
	} else {
		defer context.AfterFunc(req.Context(), x.visitorLeft)()
		defer time.AfterFunc(watchAfter, x.late).Stop()
	}
	if !x.makesSense() {
		g.policy.page(x, x.w, senseless)
		return
	}
	if g.policy.answer(x) {
		return
	}
	if x.speaksHTTP2() {
		res, err := x.askHTTP2()
		if err != nil {
			x.fail(err)
			return
		}
		x.pass(res)
		return
	}
	head := x.appendRequest(smalls.Get()[:0])
	res, err := x.ask(head)
	smalls.Put(head)
	if err != nil {
		x.fail(err)
		return
	}
	x.pass(res)
}

// end counts the exchange and has it leave its generation.
func (x *exchange) end(wasCut bool) {
	if x.own != nil {
		x.own.conn.slow(nil, nil)
	}
	x.mu.Lock()
	x.ended = true
	if x.clock != nil {
		x.clock.Stop()
	}
	x.mu.Unlock()
	x.drop()
	if x.done != nil {
		x.done()
	}
	x.finishUpload()
	x.at(nil)
	switch {
	case wasCut:
		x.outcome = cut
		x.gen.count(cut)
	case x.failed:
		x.outcome = failed
		x.gen.count(failed)
	default:
		x.gen.count(served)
	}
	x.gen.observe(x)
	x.gen.leave()
}

// ask sends the request to a target and returns the head of its answer. As
// long as none has accepted a connection, it tries the others, and all of them
// again.
func (x *exchange) ask(head []byte) (*http.Response, error) {
	return x.search(func(t *target) (*http.Response, error) { return x.try(t, head) })
}

func (x *exchange) search(try func(*target) (*http.Response, error)) (*http.Response, error) {
	var giveUp time.Time
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
			if err := x.pause(pause); err != nil {
				return nil, err
			}
			pause = min(2*pause, 100*time.Millisecond)
			tried = tried[:0]
			continue
		}
		res, err := try(t)
		switch {
		case err == nil:
			x.gen.answered(t)
		case x.stopped() == nil || x.stopped() == errLate:
			x.gen.failed(t, err)
		}
		if _, dialing := errors.AsType[*dialError](err); !dialing || x.stopped() != nil {
			return res, err
		}
		last = err
		giveUp = x.began.Add(x.patience(err))
		tried = append(slices.Clip(tried), t)
	}
}

// patience is for how long a request looks for a target after err. Who refuses
// is there, and will go on refusing or be back in a moment; who says nothing
// may be busy.
func (x *exchange) patience(err error) time.Duration {
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return max(patience, x.gen.policy.timeouts.Connect)
	}
	return patience
}

// pause waits, unless the exchange is stopped.
func (x *exchange) pause(d time.Duration) error {
	ctx, done := x.context()
	defer done()
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return x.stopped()
	}
}

// try sends the request to t, on a kept connection first. What a target may
// have read is not sent again, whatever the method: a GET that kills its
// process must not kill another.
func (x *exchange) try(t *target, head []byte) (*http.Response, error) {
	x.at(t)
	for l := t.take(); l != nil; l = t.take() {
		res, err := x.talk(l, head)
		if err == nil {
			return res, nil
		}
		unread := err == errDead || x.upload == nil && l.unread(x.req.Method, err)
		x.drop()
		if x.stopped() != nil || !unread {
			return nil, err
		}
	}
	l, err := x.dial(t)
	if err != nil {
		return nil, err
	}
	return x.talk(l, head)
}

func (x *exchange) dial(t *target) (*link, error) {
	ctx, done := x.context()
	defer done()
	began := time.Now()
	defer func() { x.connect += time.Since(began) }()
	return t.dial(ctx)
}

// context ends when the exchange is stopped.
func (x *exchange) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(x.req.Context())
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cancelDial = cancel
	if x.cause != nil {
		cancel()
	}
	return ctx, func() {
		x.mu.Lock()
		x.cancelDial = nil
		x.mu.Unlock()
		cancel()
	}
}

// talk sends the request on a connection and reads the head of the answer.
func (x *exchange) talk(l *link, head []byte) (*http.Response, error) {
	if !x.use(l) {
		l.close()
		return nil, x.stopped()
	}
	if x.upload == nil {
		x.asked.Store(x.began.UnixNano())
	}
	if err := l.send(head, x.upload == nil); err != nil {
		return nil, err
	}
	if x.upload != nil {
		x.upload.begin(l)
	}
	for {
		res, err := l.receive(x.req)
		if err != nil || res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, err
		}
		x.inform(res)
	}
}

func (x *exchange) visitorLeft() { x.stop(errGone) }

// use notes which connection has the request, unless it is stopped.
func (x *exchange) use(l *link) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cause != nil {
		return false
	}
	x.link = l
	return true
}

// release takes the connection away from those who would stop it.
func (x *exchange) release() (l *link, stopped bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	l, x.link = x.link, nil
	return l, x.cause != nil
}

// drop closes the connection that has the request, if one has.
func (x *exchange) drop() {
	if l, _ := x.release(); l != nil {
		l.close()
	}
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

// stopped returns why the exchange was stopped, or nil.
func (x *exchange) stopped() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cause
}

// stop has everything return that waits: for the target, for the visitor's
// next byte, for room in the visitor's receive window, or for a WebSocket. An
// answer that has not begun can still be written, so that the visitor gets a
// page. Any goroutine may call it.
func (x *exchange) stop(cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cause != nil || x.ended {
		return
	}
	x.cause = cause
	if x.cancelDial != nil {
		x.cancelDial()
	}
	if x.upgraded != nil {
		x.upgraded.stop() // which has limits of its own: the visitor may answer to it
		return
	}
	if x.link != nil {
		x.link.stop()
	}
	control := http.NewResponseController(x.w.ResponseWriter)
	// Only servers without deadlines refuse, and there is nothing else to try.
	_ = control.SetReadDeadline(time.Unix(1, 0))
	if x.begun {
		_ = control.SetWriteDeadline(time.Unix(1, 0)) // as above
	}
}
