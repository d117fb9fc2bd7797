package router

import (
	"crypto/tls"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2"
)

// A lastWord is a connection of HTTP/2 on which we can ask the visitor to send
// no more requests, without refusing any: with a GOAWAY that names the last of
// all possible requests (RFC 9113, 6.8). http2.Server's own names the last one
// it has seen, and overlooks those that are on their way. Ours goes between
// two of its frames.
type lastWord struct {
	*tls.Conn
	due  atomic.Bool
	said bool

	mu    sync.Mutex // guards said and the fields below; held while something is written
	begun bool       // the first frame has gone, which must be the server's
	head  []byte     // of the frame that is being written, as far as it has gone
	left  int        // of that frame's payload
}

const (
	frameHead = 9
	anyStream = 1<<31 - 1
)

var goAway = []byte{0, 0, 8, byte(http2.FrameGoAway), 0, 0, 0, 0, 0, anyStream >> 24, 0xff, 0xff, 0xff, 0, 0, 0, byte(http2.ErrCodeNo)}

// say says it as soon as a frame has ended. It does not wait: somebody who
// writes says it for us.
func (g *lastWord) say() {
	g.due.Store(true)
	if g.mu.TryLock() {
		defer g.mu.Unlock()
		g.sayNow()
	}
}

// sayNow says it if it is due and no frame is half written. The caller has mu.
func (g *lastWord) sayNow() {
	if g.due.Load() && !g.said && g.begun && g.left == 0 && len(g.head) == 0 {
		g.said = true
		_, _ = g.Conn.Write(goAway) // who has gone needs none
	}
}

// Write writes frames of the server.
func (g *lastWord) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, err := g.Conn.Write(b)
	if err == nil && !g.said {
		g.follow(b)
		g.sayNow()
	}
	return n, err
}

// follow finds where the last frame in b ends.
func (g *lastWord) follow(b []byte) {
	for len(b) > 0 {
		if g.left > 0 {
			n := min(g.left, len(b))
			g.left, b = g.left-n, b[n:]
			continue
		}
		n := min(frameHead-len(g.head), len(b))
		g.head, b = append(g.head, b[:n]...), b[n:]
		if len(g.head) < frameHead {
			return
		}
		g.left = int(g.head[0])<<16 | int(g.head[1])<<8 | int(g.head[2])
		g.head, g.begun = g.head[:0], true
	}
}
