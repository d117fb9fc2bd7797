package router

import (
	"context"
	"errors"
	"time"
)

// errCut is why a request ended that was still under way at the limit.
var errCut = errors.New("cut at the end of the drain")

// A Report tells how the requests ended that a generation was serving when it
// was replaced.
type Report struct {
	Served int // to their end, or until the visitor had enough
	Failed int // because the target could not be reached or broke off
	Cut    int // by us, at the limit
	Took   time.Duration
}

// UnderWay returns how many requests the generation is serving.
func (g *Generation) UnderWay() int {
	if g == nil {
		return 0
	}
	n := int(g.underWay.Load())
	for _, e := range g.earlier {
		n += int(e.underWay.Load())
	}
	return n
}

// Drain returns when every request that the generation was serving has ended.
// After limit it cuts what is left, WebSockets among it. When ctx ends first,
// it returns at once and cuts nothing. A nil generation has nothing to drain.
func (g *Generation) Drain(ctx context.Context, limit time.Duration) Report {
	if g == nil {
		return Report{}
	}
	began := time.Now()
	left := 0
	cut := make(chan struct{})
	timer := time.AfterFunc(limit, func() { close(cut) })
	defer timer.Stop()
	earlier := make(chan Report, 1)
	go func() { earlier <- g.drainEarlier(ctx, cut) }()
	select {
	case <-g.idle:
	case <-ctx.Done():
	case <-cut:
		left = g.cutAll(ctx)
	}
	before := <-earlier
	// Those that were in use at the time of the switch are idle now.
	g.closeIdle()
	return Report{
		Served: before.Served + int(g.ended.served.Load()-g.before.served.Load()),
		Failed: before.Failed + int(g.ended.failed.Load()-g.before.failed.Load()),
		Cut:    before.Cut + int(g.ended.cut.Load()-g.before.cut.Load()) + left,
		Took:   time.Since(began),
	}
}

// goodbye is how long the visitors get to hear of the cut. By then the targets
// are out of it, but crypto/tls may go on for 5 s to close a connection whose
// visitor does not read.
const goodbye = 500 * time.Millisecond

// cutAll ends what is under way, and returns how much of it has not quite left.
func (g *Generation) cutAll(ctx context.Context) int {
	g.live.stop()
	select {
	case <-g.idle:
		return 0
	case <-ctx.Done():
	case <-time.After(goodbye):
	}
	return int(g.underWay.Load())
}
