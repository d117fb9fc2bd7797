package router

import (
	"bufio"
	"sync"
)

const (
	// readSize holds nearly every head, and a body that comes with it.
	readSize = 4 << 10

	// copySize is two records of TLS, and stays in a core's nearest cache while
	// it is read, encrypted and written: 1 MB is faster by it than by 64 KB.
	copySize = 32 << 10
)

// readers are what heads are read through.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readSize) }}

// smalls are what heads are written to, and bodies copied through that come in
// small pieces, as events do; buffers are for those that come at once.
var (
	smalls  = &smallPool{sync.Pool{New: func() any { return new([readSize]byte) }}}
	buffers = &bufferPool{sync.Pool{New: func() any { return new([copySize]byte) }}}
)

type (
	smallPool  struct{ pool sync.Pool }
	bufferPool struct{ pool sync.Pool }
)

func (b *smallPool) Get() []byte { return b.pool.Get().(*[readSize]byte)[:] }

// Put takes back what Get returned, unless it has grown.
func (b *smallPool) Put(s []byte) {
	if cap(s) == readSize {
		b.pool.Put((*[readSize]byte)(s[:readSize]))
	}
}

func (b *bufferPool) Get() []byte  { return b.pool.Get().(*[copySize]byte)[:] }
func (b *bufferPool) Put(s []byte) { b.pool.Put((*[copySize]byte)(s)) }

// A moving buffer is small as long as little comes at once.
type moving struct {
	b     []byte
	large bool
}

func newMoving() moving { return moving{b: smalls.Get()} }

// fit has the buffer fit pieces of n bytes, the size of the last one.
func (m *moving) fit(n int) {
	switch {
	case !m.large && n >= readSize*3/4:
		smalls.Put(m.b)
		m.b, m.large = buffers.Get(), true
	case m.large && n < readSize/2:
		buffers.Put(m.b)
		m.b, m.large = smalls.Get(), false
	}
}

func (m *moving) free() {
	if m.large {
		buffers.Put(m.b)
	} else {
		smalls.Put(m.b)
	}
	m.b = nil
}
