package router

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/router/wire"
)

const (
	headTimeout = 10 * time.Second // from a head's first byte to its last
	idleTimeout = 2 * time.Minute  // between two requests

	// writeTimeout is for one write, of copySize at most: a visitor who reads
	// more slowly than that is not there for the answer.
	writeTimeout = 2 * time.Minute

	// leaving is how long the visitor of an idle connection has to close it, too.
	leaving = 500 * time.Millisecond

	// slack is by how much a limit may be late, so that not every request
	// has to set it anew.
	slack = 10 * time.Second
)

// A conn is a visitor's connection that speaks HTTP/1.1. All of a request and
// its answer is done by one goroutine, the one that serves the connection.
type conn struct {
	entrance *entrance
	net.Conn // what we read from and write to: over TLS, if there is TLS
	tcp      net.Conn
	cork     *wire.Cork // under TLS
	tls      *tls.ConnectionState
	ctx      context.Context // of its requests
	base     *http.Request   // what they have in common
	cancel   context.CancelFunc
	remote   string

	r       *bufio.Reader // what has come and is not read yet; nil while idle
	first   [1]byte       // ended the idleness
	isFirst bool          // first has not been read yet

	readBy, writeBy time.Time // the limits set
	watch           watch
	tunnel          atomic.Pointer[tunnel] // what it has become, if it was upgraded
	state           atomic.Int32
}

// What a connection is doing, for who wants to close it without breaking
// anything off.
const (
	connIdle     int32 = iota
	connIdleLong       // closeIdle has seen it idle
	connBusy
	connClosing
)

// serve answers one request after the other.
func (c *conn) serve() {
	defer c.Close()
	for c.await() {
		req, err := c.request()
		if err != nil {
			c.refuse(err)
			return
		}
		a := &answer{conn: c, req: req, header: http.Header{}}
		if !a.run() {
			return
		}
		c.rest()
	}
}

// await waits for the first byte of the next request. Meanwhile the connection
// has no buffer: most of them are idle most of the time.
func (c *conn) await() bool {
	if c.r != nil {
		// More has come already.
		return c.begin()
	}
	c.limitReading(idleTimeout)
	// TLS keeps the rest of what it has decrypted.
	if n, err := c.Conn.Read(c.first[:]); n == 0 || err != nil {
		return false
	}
	c.isFirst = true
	c.r = readers.Get().(*bufio.Reader)
	c.r.Reset(c)
	return c.begin()
}

// begin reports whether a request may begin.
func (c *conn) begin() bool {
	return c.state.CompareAndSwap(connIdle, connBusy) || c.state.CompareAndSwap(connIdleLong, connBusy)
}

// part takes leave of a visitor who has not sent anything for a while: ours is
// the first word, and the connection is closed when the visitor has heard it.
func (c *conn) part(tcp net.Conn) {
	defer tcp.Close()
	if secure, ok := c.Conn.(*tls.Conn); ok {
		_ = secure.CloseWrite() // as with what follows, the visitor may have gone
		_ = c.cork.Release()
	}
	if half, ok := tcp.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	// Its serve reads the visitor's answer, and returns.
	pauseFor(c.ctx, leaving)
}

// rest is called between two requests.
func (c *conn) rest() {
	if c.r != nil && c.r.Buffered() == 0 {
		c.free()
	}
	c.state.CompareAndSwap(connBusy, connIdle)
}

func (c *conn) free() {
	c.r.Reset(nil)
	if c.r.Size() == readSize {
		readers.Put(c.r)
	}
	c.r = nil
}

// Read is where c.r reads from.
func (c *conn) Read(b []byte) (int, error) {
	if !c.isFirst {
		return c.Conn.Read(b)
	}
	c.isFirst = false
	b[0] = c.first[0]
	return 1 + c.already(b[1:]), nil
}

// already reads what TLS has decrypted already, without waiting for more.
func (c *conn) already(b []byte) int {
	if c.tls == nil || len(b) == 0 {
		return 0
	}
	c.cork.Dry = true
	defer func() { c.cork.Dry = false }()
	n, _ := c.Conn.Read(b) // what is wrong will be wrong again at the next read
	return n
}

// limitReading has reading fail after d, more or less.
func (c *conn) limitReading(d time.Duration) {
	if by := time.Now().Add(d); by.Sub(c.readBy) > min(slack, d/4) || c.readBy.After(by) {
		c.readBy = by
		// A connection that takes no limit is closed, and will tell.
		_ = c.tcp.SetReadDeadline(by)
	}
}

func (c *conn) dontLimitReading() {
	if !c.readBy.IsZero() {
		c.readBy = time.Time{}
		_ = c.tcp.SetReadDeadline(time.Time{}) // as above
	}
}

// request reads a request's head.
func (c *conn) request() (*http.Request, error) {
	head, err := c.head()
	if err != nil {
		return nil, err
	}
	if req := parse(c.base, head); req != nil {
		_, _ = c.r.Discard(len(head)) // it is there
		return req, nil
	}
	req, err := http.ReadRequest(c.r)
	if err == nil && req.ContentLength < 0 && req.Trailer == nil {
		req.Trailer = http.Header{} // into which the body puts its own, also when there is a copy of req
	}
	if err != nil {
		return nil, &wire.Refusal{Status: http.StatusBadRequest, Reason: "a request that is malformed"}
	}
	req = req.WithContext(c.ctx)
	req.RemoteAddr = c.remote
	req.TLS = c.tls
	if req.Body != http.NoBody {
		c.dontLimitReading()
	}
	return req, nil
}

// head waits until the whole head is in c.r, and has it checked.
func (c *conn) head() ([]byte, error) {
	seen := 0
	for limited := false; ; {
		if c.r.Buffered() == c.r.Size() {
			c.grow()
		}
		if _, err := c.r.Peek(seen + 1); err != nil {
			return nil, err
		}
		b, _ := c.r.Peek(c.r.Buffered()) // cannot fail
		end, err := wire.End(b, seen)
		if err != nil {
			return nil, err
		}
		if end > 0 {
			return b[:end], wire.Check(b[:end])
		}
		seen = len(b)
		if !limited {
			limited = true
			c.limitReading(headTimeout)
		}
	}
}

// grow gives an unusually large head the buffer that it needs.
func (c *conn) grow() {
	b, _ := c.r.Peek(c.r.Buffered()) // cannot fail
	larger := bufio.NewReaderSize(io.MultiReader(&prefix{append([]byte(nil), b...)}, c), wire.MaxHead)
	c.free()
	c.r = larger
}

// A prefix is read, and then gone.
type prefix struct{ b []byte }

func (p *prefix) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b)
	p.b = p.b[n:]
	return n, nil
}

// refuse tells a visitor whose request cannot be read.
func (c *conn) refuse(err error) {
	refusal, ok := errors.AsType[*wire.Refusal](err)
	if netErr, timeout := errors.AsType[net.Error](err); timeout && netErr.Timeout() && c.r.Buffered() > 0 {
		refusal, ok = &wire.Refusal{Status: http.StatusRequestTimeout, Reason: "a head that took too long"}, true
	}
	if !ok {
		return // gone
	}
	a := &answer{conn: c, req: &http.Request{Method: http.MethodGet, ProtoMajor: 1, ProtoMinor: 1}, header: http.Header{}, last: true}
	a.header.Set("Content-Type", "text/plain; charset=utf-8")
	a.WriteHeader(refusal.Status)
	_, _ = io.WriteString(a, refusal.Reason+"\n") // there is nobody else to tell
	if a.finish() == nil {
		c.linger()
	}
}

// linger reads what the visitor still sends, for a moment: closing with bytes
// unread would have the kernel take back the answer.
func (c *conn) linger() {
	if half, ok := c.tcp.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // it may be closed already
	}
	_ = c.tcp.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, _ = io.CopyN(io.Discard, c.tcp, 64<<20)
}

// limitWriting has a write fail that a visitor takes nothing of for long.
func (c *conn) limitWriting() {
	limit := c.entrance.writeTimeout
	if by := time.Now().Add(limit); by.Sub(c.writeBy) > min(slack, limit/4) {
		c.writeBy = by
		_ = c.tcp.SetWriteDeadline(by) // a connection that takes no limit is closed, and will tell
	}
}
