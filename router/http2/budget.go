package http2

import "time"

// A budget is what a visitor may do that makes work and leads to nothing. It
// fills up again with time.
type budget struct {
	size, perSecond float64
	spent           float64
	at              time.Time // when spent was right
}

// What browsers and gRPC need is far below these, and what floods need far
// above.
//
// A stream that is reset, by whom ever, while its request is under way has
// made all the work of a request (CVE-2023-44487, CVE-2025-8671). A page that
// is left may have as many of them as there are streams.
func newResets() budget    { return budget{size: 2 * maxStreams, perSecond: 100} }
func newNuisances() budget { return budget{size: 10_000, perSecond: 1000} }

// Resets is the same budget for a connection that speaks another protocol, of
// requests that their visitor takes back.
type Resets struct{ budget }

// NewResets returns one of which nothing has been spent.
func NewResets() *Resets { return &Resets{newResets()} }

// Spend reports whether there was one left.
func (r *Resets) Spend(now time.Time) bool { return r.spend(now) }

// spend reports whether there was one left.
func (b *budget) spend(now time.Time) bool {
	if b.spent > 0 {
		b.spent = max(0, b.spent-b.perSecond*now.Sub(b.at).Seconds())
	}
	b.at = now
	b.spent++
	return b.spent <= b.size
}
