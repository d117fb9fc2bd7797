package router

import (
	"bufio"
	"sync"
	"sync/atomic"
)

const (
	// readSize holds nearly every head, and a body that comes with it.
	readSize = 4 << 10

	// copySize is two records of TLS, and stays in a core's nearest cache while
	// it is encrypted and written: 1 MB is faster by it than by 64 KB.
	copySize = 32 << 10

	// wideSize is what is read at once of a body that comes faster than it is
	// passed on. Each read tells the app's side of the connection that there is
	// room again, and the kernel then sends more on our time, so fewer and
	// larger ones cost less: a third less for 1 MB than by copySize.
	wideSize = 128 << 10

	// mostWide is how many bodies are read by that much at the same time, as
	// visitors who take nothing hold what has been read for them. What comes on
	// top is read by copySize.
	mostWide = 32
)

// readers are what heads are read through.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readSize) }}

// smalls are what heads are written to, and bodies copied through that come in
// small pieces, as events do; buffers are for those that come at once, and
// wides for those of which there is always more.
var (
	smalls  = &smallPool{sync.Pool{New: func() any { return new([readSize]byte) }}}
	buffers = &bufferPool{sync.Pool{New: func() any { return new([copySize]byte) }}}
	wides   = &widePool{pool: sync.Pool{New: func() any { return new([wideSize]byte) }}}
)

type (
	smallPool  struct{ pool sync.Pool }
	bufferPool struct{ pool sync.Pool }
	widePool   struct {
		pool  sync.Pool
		taken atomic.Int32
	}
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

// Get returns nil if there are as many as there may be.
func (b *widePool) Get() []byte {
	for taken := false; !taken; {
		n := b.taken.Load()
		if n == mostWide {
			return nil
		}
		taken = b.taken.CompareAndSwap(n, n+1)
	}
	return b.pool.Get().(*[wideSize]byte)[:]
}

func (b *widePool) Put(s []byte) {
	b.pool.Put((*[wideSize]byte)(s))
	b.taken.Add(-1)
}

// A moving buffer is as large as what comes at once.
type moving struct{ b []byte }

func newMoving() moving { return moving{smalls.Get()} }

// fit has the buffer fit pieces of n bytes, the size of the last one.
func (m *moving) fit(n int) {
	switch size := len(m.b); {
	case size == readSize && n >= readSize*3/4:
		smalls.Put(m.b)
		m.b = buffers.Get()
	case size == copySize && n >= copySize*3/4:
		if wide := wides.Get(); wide != nil {
			buffers.Put(m.b)
			m.b = wide
		}
	case size == wideSize && n < copySize/2:
		wides.Put(m.b)
		m.b = buffers.Get()
	case size == copySize && n < readSize/2:
		buffers.Put(m.b)
		m.b = smalls.Get()
	}
}

func (m *moving) free() {
	switch len(m.b) {
	case readSize:
		smalls.Put(m.b)
	case copySize:
		buffers.Put(m.b)
	case wideSize:
		wides.Put(m.b)
	}
	m.b = nil
}
