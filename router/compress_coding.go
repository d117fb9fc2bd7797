package router

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxEncoders is how many answers are compressed at a time. An encoder has
// about a megabyte, and visitors who read slowly keep it for long: what comes
// on top goes out as it is.
const maxEncoders = 64

// A coding is a way of compressing, and its encoders that are not in use.
type coding struct {
	name []string // as a header has it
	make func() encoder
	pool sync.Pool
}

type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

var (
	encodersInUse atomic.Int64

	// codings are in the order of preference. zstd has browsers except old
	// Safaris, gzip has everybody. Both are set to cost little rather than
	// to save the last percent.
	codings = [...]*coding{
		{name: []string{"zstd"}, make: newZstd},
		{name: []string{"gzip"}, make: newGzip},
	}
)

// anyCoding is the coding for those who take any ("*").
const anyCoding = 1

func newGzip() encoder {
	w, err := gzip.NewWriterLevel(nil, 3)
	if err != nil {
		panic(err) // the level is ours
	}
	return w
}

// newZstd has a window that every browser takes (RFC 9659) and no checksum,
// as TLS has a better one. It starts no goroutine.
func newZstd() encoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(128<<10), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // the options are ours
	}
	return w
}

// get returns an encoder, or nil if there are enough in use.
func (c *coding) get() encoder {
	if encodersInUse.Add(1) > maxEncoders {
		encodersInUse.Add(-1)
		return nil
	}
	if enc, ok := c.pool.Get().(encoder); ok {
		return enc
	}
	return c.make()
}

func (c *coding) put(enc encoder) {
	enc.Reset(nil) // so that it keeps no body alive
	c.pool.Put(enc)
	encodersInUse.Add(-1)
}
