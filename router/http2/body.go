package http2

import (
	"io"
	"net/http"
	"strconv"
	"sync"
)

// Incoming is the body of a request, as far as it has come and is not read yet.
type incoming struct {
	declared int64 // how much there is to come in all, or -1
	came     int64
	room     int // of our window, what the visitor may still use
	unused   int // see flow
	chunks   []*chunk
	from, to int // in the first chunk what is not read yet, in the last what is there
	canRead  sync.Cond
	err      error       // what reading says instead
	trailer  http.Header // what has followed the body
	expects  bool        // the visitor waits until the body is wanted
}

// A chunk is a piece of a body, as large as most frames are.
type chunk [16 << 10]byte

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// take keeps what has come.
func (s *stream) take(b []byte) {
	if s.incoming.err != nil {
		s.c.used(s, len(b)) // nobody will read it
		return
	}
	in := &s.incoming
	for len(b) > 0 {
		if len(in.chunks) == 0 || in.to == len(chunk{}) {
			in.chunks = append(in.chunks, chunks.Get().(*chunk))
			in.to = 0
		}
		n := copy(in.chunks[len(in.chunks)-1][in.to:], b)
		in.to += n
		b = b[n:]
	}
	s.canRead.Broadcast()
}

// here is how much can be read of the first chunk.
func (in *incoming) here() []byte {
	switch len(in.chunks) {
	case 0:
		return nil
	case 1:
		return in.chunks[0][in.from:in.to]
	}
	return in.chunks[0][in.from:]
}

// drop forgets the first chunk.
func (in *incoming) drop() {
	chunks.Put(in.chunks[0])
	if in.from, in.chunks[0] = 0, nil; len(in.chunks) == 1 {
		in.chunks = in.chunks[:0]
		return
	}
	in.chunks = in.chunks[1:]
}

// dropBody forgets what has come.
func (s *stream) dropBody() {
	if s.incoming.err == nil {
		s.incoming.err = s.err
		if s.err == nil {
			s.incoming.err = http.ErrBodyReadAfterClose
		}
	}
	for len(s.chunks) > 0 {
		n := len(s.here())
		s.incoming.drop()
		s.c.used(s, n)
	}
	s.canRead.Broadcast()
}

// A body is what a handler reads from.
type body stream

func (b *body) Read(p []byte) (n int, err error) {
	s := (*stream)(b)
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) == 0 {
		return 0, s.incoming.err
	}
	if s.expects && !s.saidAll && !s.closed {
		s.expects = false
		if !s.answer.sent && len(s.chunks) == 0 {
			c.encode(":status", strconv.Itoa(http.StatusContinue))
			c.headers(s.id, false)
			c.flushLater()
		}
	}
	for {
		in := &s.incoming
		if in.err != nil {
			return 0, in.err
		}
		for n < len(p) {
			part := copy(p[n:], in.here())
			if part == 0 {
				break
			}
			n += part
			if in.from += part; len(in.here()) == 0 {
				in.drop()
			}
		}
		switch {
		case n > 0:
			c.used(s, n)
			c.flushLater()
			return n, nil
		case s.saidAll:
			for name := range s.req.Trailer {
				s.req.Trailer[name] = in.trailer[name]
			}
			in.err = io.EOF
			return 0, io.EOF
		case s.closed:
			return 0, errGone
		}
		s.canRead.Wait()
	}
}

func (b *body) Close() error {
	s := (*stream)(b)
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.incoming.err == nil {
		s.incoming.err = http.ErrBodyReadAfterClose
	}
	s.dropBody()
	s.c.flushLater()
	return nil
}
