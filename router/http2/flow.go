package http2

import "slices"

const (
	defaultWindow = 1<<16 - 1
	maxWindow     = 1<<31 - 1
)

// Flow is what each side has room for.
type flow struct {
	window  int64     // of the visitor, for bodies of all streams
	initial int64     // of the visitor, for a new stream
	queue   []*stream // who waits for the connection, in the order in which they get it

	room   int // ours, which the visitor may still use
	unused int // of what has been used and read, and the visitor does not know yet
}

func (f *flow) init() { f.window, f.initial, f.room = defaultWindow, defaultWindow, connWindow }

// claim waits until the stream may send something, and returns how many bytes,
// at most want. Whoever needs more than one frame gets in line again.
func (c *conn) claim(s *stream, want int) (int, error) {
	for {
		switch err := s.broken(); {
		case err != nil:
			c.stepBack(s)
			return 0, err
		case s.window <= 0:
			c.stepBack(s)
		case c.window <= 0 || len(c.out) >= outLimit || len(c.queue) > 0 && c.queue[0] != s:
			if !slices.Contains(c.queue, s) {
				c.queue = append(c.queue, s)
			}
		default:
			n := int(min(int64(want), int64(c.frameMax), s.window, c.window))
			s.window -= int64(n)
			c.window -= int64(n)
			c.stepBack(s)
			return n, nil
		}
		c.flushLater()
		s.waitForRoom()
	}
}

// stepBack takes the stream out of the line.
func (c *conn) stepBack(s *stream) {
	if i := slices.Index(c.queue, s); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
		c.wakeFirst()
	}
}

func (c *conn) wakeFirst() {
	if len(c.queue) > 0 {
		c.queue[0].canSend.Broadcast()
	}
}

// used notes that so many bytes of a visitor's have been read, or dropped.
func (c *conn) used(s *stream, n int) {
	if n == 0 {
		return
	}
	if c.unused += n; c.unused >= connWindow/2 {
		c.windowUpdate(0, c.unused)
		c.room += c.unused
		c.unused = 0
	}
	if s == nil || s.saidAll || s.closed || s.weSaidAll {
		return
	}
	if s.unused += n; s.unused >= streamWindow/2 {
		c.windowUpdate(s.id, s.unused)
		s.room += s.unused
		s.unused = 0
	}
}
