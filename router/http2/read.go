package http2

import (
	"bufio"
	"errors"
	"io"
	"sync"
	"time"

	h2 "golang.org/x/net/http2"
)

const (
	readSize  = 4 << 10
	frameSize = 16 << 10 // of the largest frame that visitors may send

	// A head comes in at most so many bytes and pieces. The framer limits what
	// a head may have, but not with how many empty frames it comes
	// (CVE-2023-45288 and the like).
	headBytes  = 2*maxHead + frameSize
	headPieces = 1000
)

// errFlood says that a visitor makes work only.
var errFlood = h2.ConnectionError(h2.ErrCodeEnhanceYourCalm)

// A reading is what it takes to read frames. A connection has one only as long
// as there is something to read: most are idle most of the time.
type reading struct {
	c       *conn
	r       *bufio.Reader
	framer  *h2.Framer
	isFirst bool // the byte that ended the idleness has not been read yet

	bytes, pieces int // that the frame may still have
}

var readings = sync.Pool{New: func() any {
	r := &reading{}
	r.r = bufio.NewReaderSize((*source)(r), readSize)
	r.framer = h2.NewFramer(nil, r)
	r.framer.SetMaxReadFrameSize(frameSize)
	r.framer.SetReuseFrames()
	r.framer.MaxHeaderListSize = maxHead
	return r
}}

// A source is where the bytes come from.
type source reading

func (s *source) Read(b []byte) (int, error) {
	c := s.c
	if !s.isFirst {
		return c.Conn.Read(b)
	}
	s.isFirst = false
	b[0] = c.first[0]
	if len(b) == 1 || c.TLS == nil {
		return 1, nil
	}
	// The rest of what TLS has decrypted already.
	c.Cork.Dry = true
	n, _ := c.Conn.Read(b[1:]) // what is wrong will be wrong again at the next read
	c.Cork.Dry = false
	return 1 + n, nil
}

// Read is where the framer reads from.
func (r *reading) Read(b []byte) (int, error) {
	if r.pieces--; r.bytes <= 0 || r.pieces <= 0 {
		return 0, errFlood
	}
	n, err := r.r.Read(b[:min(len(b), r.bytes)])
	r.bytes -= n
	return n, err
}

// more reports whether there is something to read without waiting for it.
func (r *reading) more() bool {
	if r.r.Buffered() > 0 {
		return true
	}
	if r.c.TLS == nil {
		return false
	}
	r.c.Cork.Dry = true
	_, err := r.r.Peek(1)
	r.c.Cork.Dry = false
	return err == nil
}

// read reads until the visitor has gone, or something is wrong, of which they
// have been told then.
func (c *conn) read() error {
	for prefaced := false; ; {
		// While idle there is no buffer.
		if n, err := c.Conn.Read(c.first[:]); n == 0 || err != nil {
			return nil
		}
		r := readings.Get().(*reading)
		r.c, r.isFirst, r.framer.ReadMetaHeaders = c, true, c.decoder
		var err error
		if !prefaced {
			prefaced, err = true, r.preface()
		}
		for err == nil {
			if err = c.next(r); err != nil || !r.more() {
				break
			}
		}
		r.c, r.framer.ReadMetaHeaders = nil, nil
		r.r.Reset((*source)(r))
		if err == nil {
			readings.Put(r) // after an error the framer may be in the middle of a head
		}
		c.mu.Lock()
		if code, ok := errors.AsType[h2.ConnectionError](err); ok {
			c.fail(h2.ErrCode(code))
		}
		c.flushLater()
		failed := c.failed
		c.mu.Unlock()
		switch {
		case failed:
			return errFlood
		case err != nil:
			return nil
		}
	}
}

// preface reads the visitor's first words.
func (r *reading) preface() error {
	b := make([]byte, len(h2.ClientPreface))
	if _, err := io.ReadFull(r.r, b); err != nil {
		return err
	}
	if string(b) != h2.ClientPreface {
		return h2.ConnectionError(h2.ErrCodeProtocol)
	}
	return nil
}

// next reads a frame and does what it says.
func (c *conn) next(r *reading) error {
	r.bytes, r.pieces = headBytes, headPieces
	head, err := r.framer.ReadFrameHeader()
	var frame h2.Frame
	if err == nil {
		frame, err = r.framer.ReadFrameForHeader(head)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = time.Now()
	if err != nil {
		err = c.unread(head, err)
	} else {
		err = c.process(frame)
	}
	if s, ok := errors.AsType[h2.StreamError](err); ok {
		err = c.reset(s.StreamID, s.Code)
	}
	if c.failed {
		return errFlood
	}
	return err
}

// unread decides what it means that a frame cannot be read.
func (c *conn) unread(head h2.FrameHeader, err error) error {
	if err == h2.ErrFrameTooLarge {
		return h2.ConnectionError(h2.ErrCodeFrameSize)
	}
	s, ok := errors.AsType[h2.StreamError](err)
	if !ok || head.Type != h2.FrameHeaders {
		return err
	}
	if s.Cause == nil {
		// Its head could not even be found, so that those that follow cannot
		// be read either.
		return h2.ConnectionError(s.Code)
	}
	if head.StreamID%2 == 0 {
		return h2.ConnectionError(h2.ErrCodeProtocol)
	}
	if head.StreamID > c.highest && !c.last {
		c.highest = head.StreamID
		return c.malformed(head.StreamID)
	}
	return err
}
