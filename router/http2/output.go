package http2

import (
	"encoding/binary"
	"runtime"
	"sync"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameHead    = 9
	dataSize     = 16 << 10 // of the largest frame that we send
	headerTable  = 4096
	recordSize   = 16 << 10 // of TLS
	outLimit     = 64 << 10 // beyond it, bodies wait until it has been written
	answersLimit = 16 << 10 // of what answers a visitor who does not read
	writeSlack   = 10 * time.Second
)

// Output is what a connection has to say. What is appended while something is
// being written goes out with the next write.
type output struct {
	out      []byte
	flushing bool // somebody writes, or is about to
	answers  int  // bytes in out that answer SETTINGS and PING
	frameMax int  // of what the visitor takes
	encoder  *hpack.Encoder
	block    []byte    // what the encoder has written
	writeBy  time.Time // the limit set; only for who writes
}

func (o *output) init() {
	o.frameMax = dataSize
	o.encoder = hpack.NewEncoder((*block)(o))
}

type block output

func (b *block) Write(p []byte) (int, error) {
	b.block = append(b.block, p...)
	return len(p), nil
}

var outs = sync.Pool{New: func() any { return new([]byte) }}

// head appends the head of a frame.
func (o *output) head(length int, kind h2.FrameType, flags h2.Flags, id uint32) {
	if o.out == nil {
		o.out = (*outs.Get().(*[]byte))[:0]
	}
	o.out = append(o.out, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags),
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

func (o *output) data(id uint32, b []byte, end bool) {
	var flags h2.Flags
	if end {
		flags = h2.FlagDataEndStream
	}
	o.head(len(b), h2.FrameData, flags, id)
	o.out = append(o.out, b...)
}

// headers appends what the encoder has written since the last call.
func (o *output) headers(id uint32, end bool) {
	rest, kind, flags := o.block, h2.FrameHeaders, h2.Flags(0)
	if end {
		flags = h2.FlagHeadersEndStream
	}
	for {
		piece := rest[:min(len(rest), o.frameMax)]
		rest = rest[len(piece):]
		if len(rest) == 0 {
			flags |= h2.FlagHeadersEndHeaders
		}
		o.head(len(piece), kind, flags, id)
		o.out = append(o.out, piece...)
		if len(rest) == 0 {
			break
		}
		kind, flags = h2.FrameContinuation, 0
	}
	if o.block = o.block[:0]; cap(o.block) > dataSize {
		o.block = nil
	}
}

func (o *output) settings(list ...h2.Setting) {
	o.head(6*len(list), h2.FrameSettings, 0, 0)
	for _, s := range list {
		o.out = binary.BigEndian.AppendUint16(o.out, uint16(s.ID))
		o.out = binary.BigEndian.AppendUint32(o.out, s.Val)
	}
}

func (o *output) settingsAck() {
	o.head(0, h2.FrameSettings, h2.FlagSettingsAck, 0)
	o.answers += frameHead
}

func (o *output) ping(ack bool, b [8]byte) {
	var flags h2.Flags
	if ack {
		flags = h2.FlagPingAck
		o.answers += frameHead + len(b)
	}
	o.head(len(b), h2.FramePing, flags, 0)
	o.out = append(o.out, b[:]...)
}

func (o *output) windowUpdate(id uint32, n int) { o.number(h2.FrameWindowUpdate, id, uint32(n)) }

func (o *output) rst(id uint32, code h2.ErrCode) {
	o.number(h2.FrameRSTStream, id, uint32(code))
	o.answers += frameHead + 4
}

func (o *output) number(kind h2.FrameType, id, n uint32) {
	o.head(4, kind, 0, id)
	o.out = binary.BigEndian.AppendUint32(o.out, n)
}

func (o *output) goAway(last uint32, code h2.ErrCode) {
	o.head(8, h2.FrameGoAway, 0, 0)
	o.out = binary.BigEndian.AppendUint32(o.out, last)
	o.out = binary.BigEndian.AppendUint32(o.out, uint32(code))
}

// A flush is the job of writing what a connection has to say.
type flush conn

func (f *flush) run() {
	c := (*conn)(f)
	defer c.working.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flush()
}

// flushLater has a worker write what there is to say. It must be called when
// somebody is about to wait, and never waits itself.
func (c *conn) flushLater() {
	if c.claimFlush() {
		c.working.Add(1)
		c.server.workers.do((*flush)(c))
	}
}

// claimFlush reports whether the caller has to flush.
func (c *conn) claimFlush() bool {
	if c.flushing || c.dead || c.parting || len(c.out) == 0 && !c.over() {
		return false
	}
	c.flushing = true
	return true
}

// flush writes until there is nothing more to say. The caller has mu, which is
// not held while something is written, and has claimed it.
func (c *conn) flush() {
	if len(c.streams) > 0 {
		// Those who can run now probably have something to say, too. It goes
		// out with the same write.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	for len(c.out) > 0 && !c.dead {
		b := c.out
		c.out, c.answers = nil, 0
		patient := !c.failed
		c.wakeFirst()
		c.mu.Unlock()
		err := c.write(b, patient)
		c.mu.Lock()
		if err != nil {
			c.breakOff()
			c.out = nil
		}
	}
	c.flushing = false
	if c.over() && !c.dead && !c.parting {
		c.parting = true
		c.mu.Unlock()
		c.part()
		c.mu.Lock()
	}
}

func (c *conn) write(b []byte, patient bool) error {
	if by := time.Now().Add(c.limits.Write); patient && by.Sub(c.writeBy) > min(writeSlack, c.limits.Write/4) {
		c.writeBy = by
		_ = c.Cork.Conn.SetWriteDeadline(by) // a connection that takes no limit is closed, and will tell
	}
	if len(b) > recordSize {
		c.Cork.Hold()
	}
	_, err := c.Conn.Write(b)
	if len(b) > recordSize && err == nil {
		err = c.Cork.Release()
	}
	if cap(b) <= 2*outLimit {
		outs.Put(&b)
	}
	return err
}
