package certs

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// shownFor is how long a choice of certificate holds when nothing is
	// heard: a staple that is refreshed in the background is not told of.
	shownFor = time.Minute
	// unsettled is for how long no choice is kept after a renewal, which is
	// told of before the new certificate is in memory.
	unsettled = 10 * time.Second
	maxShown  = 4096
)

// shown remembers which certificate a name is answered with, so that a
// handshake does not choose again among all that there are.
type shown struct {
	certs sync.Map // name to *choice
	count atomic.Int64
	epoch atomic.Int64 // of what is true now
	from  atomic.Int64 // the time in Unix nanoseconds from which choices are kept
}

type choice struct {
	cert  *tls.Certificate
	epoch int64
	until time.Time
}

func (s *shown) get(name string, now time.Time) *tls.Certificate {
	v, ok := s.certs.Load(name)
	if !ok {
		return nil
	}
	c := v.(*choice)
	if c.epoch != s.epoch.Load() || now.After(c.until) {
		return nil
	}
	return c.cert
}

// put keeps a choice that was made at epoch, before anything was looked at.
func (s *shown) put(name string, cert *tls.Certificate, epoch int64, now time.Time) {
	if now.UnixNano() < s.from.Load() {
		return
	}
	until := now.Add(shownFor)
	if cert.Leaf.NotAfter.Before(until) {
		until = cert.Leaf.NotAfter
	}
	if _, there := s.certs.Swap(name, &choice{cert, epoch, until}); !there && s.count.Add(1) > maxShown {
		s.certs.Clear() // cheaper to choose again than to count who is used
		s.count.Store(0)
	}
}

// forget has every choice made again.
func (s *shown) forget() { s.epoch.Add(1) }

// renewed is forget for a certificate that is about to come into memory.
func (s *shown) renewed(now time.Time) {
	s.from.Store(now.Add(unsettled).UnixNano())
	s.forget()
}
