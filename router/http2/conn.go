package http2

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A conn is a visitor's connection. One goroutine reads it; what it has to say
// is collected in out and written by whoever finds nobody writing.
type conn struct {
	Wires
	server  *Server
	limits  Limits
	ctx     context.Context // the values of its requests' contexts
	remote  string
	decoder *hpack.Decoder // for the goroutine that reads
	first   [1]byte        // as above; the first byte after idleness

	working sync.WaitGroup // workers who do something for it

	mu sync.Mutex // guards the fields below
	output
	flow
	streams  map[uint32]*stream // which both sides know of
	running  int                // requests whose handler has not returned
	highest  uint32             // the id of the newest stream
	recent   recent
	resets   budget
	nuisance budget
	settled  bool // the visitor's first SETTINGS have come
	unacked  int  // of our SETTINGS

	goodbye bool // the visitor was asked to begin nothing new
	last    bool // nothing new begins
	failed  bool // the visitor has been told what was wrong, and nothing more is done
	parting bool // all has been said
	dead    bool // nothing can be said any more

	patience
}

// parting is how long a visitor has to close a connection that we have closed.
const partingTime = time.Second

func newConn(ctx context.Context, s *Server, w Wires) *conn {
	c := &conn{
		Wires: w, server: s, limits: s.Limits.orDefault(), ctx: ctx,
		remote: w.Conn.RemoteAddr().String(), decoder: hpack.NewDecoder(headerTable, nil),
		streams: map[uint32]*stream{}, resets: newResets(), nuisance: newNuisances(),
	}
	c.output.init()
	c.flow.init()
	c.begin()
	return c
}

// serve returns when nobody does anything for the connection any more.
func (c *conn) serve() {
	stop := context.AfterFunc(c.ctx, c.breakOff)
	defer stop()
	if c.read() != nil {
		// Unread bytes would have the kernel drop what we have said last.
		_, _ = io.Copy(io.Discard, c.Conn) // until the visitor has closed it, too, or time is up
	}
	c.end()
	c.working.Wait()
}

// begin says our first words. They are sent when the visitor's have been read,
// together with the answer to them.
func (c *conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settings(
		h2.Setting{ID: h2.SettingMaxConcurrentStreams, Val: maxStreams},
		h2.Setting{ID: h2.SettingInitialWindowSize, Val: streamWindow},
		h2.Setting{ID: h2.SettingMaxHeaderListSize, Val: maxHead},
		h2.Setting{ID: h2.SettingNoRFC7540Priorities, Val: 1},
	)
	c.unacked++
	c.windowUpdate(0, connWindow-defaultWindow)
	c.patience.begin(c)
}

// end ends what still goes on.
func (c *conn) end() {
	c.mu.Lock()
	c.dead = true
	c.timer.Stop()
	c.closeStreams()
	c.mu.Unlock()
	_ = c.Cork.Conn.Close() // it may be closed already
}

// breakOff ends the connection without a word.
func (c *conn) breakOff() {
	_ = c.Cork.Conn.Close() // as above; who reads will see it
}

// closeStreams has everyone return who waits for the visitor.
func (c *conn) closeStreams() {
	for _, s := range c.streams {
		c.close(s, errGone)
	}
}

// errGone is what reading and writing says when the connection has ended.
var errGone = errors.New("the visitor has gone")

// fail says what is wrong, and ends the connection.
func (c *conn) fail(code h2.ErrCode) {
	if c.failed || c.dead {
		return
	}
	c.goAway(c.highest, code)
	c.failed = true
	c.closeStreams()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(partingTime)) // who does not read what is wrong does not hear it
	c.flushLater()
}

// lastCall is how long requests may be on their way whose visitor has not
// heard the goodbye.
const lastCall = 3 * time.Second

// sayGoodbye names the last of all possible streams (RFC 9113, 6.8), so that
// none is lost that is on its way, and some time later the last there was.
func (c *conn) sayGoodbye() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.goodbye && !c.last && !c.failed && !c.dead {
		c.goodbye = true
		c.goAway(1<<31-1, h2.ErrCodeNo)
		c.flushLater()
		time.AfterFunc(lastCall, c.finish)
	}
}

// finish has the connection end when its streams have.
func (c *conn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conclude()
}

func (c *conn) conclude() {
	if !c.last && !c.failed && !c.dead {
		c.last = true
		c.goAway(c.highest, h2.ErrCodeNo)
		c.flushLater()
	}
}

// over reports whether there is nothing more to say.
func (c *conn) over() bool {
	return c.failed || c.last && len(c.streams) == 0 && c.running == 0
}

// part closes our side, and gives the visitor the time to close theirs.
func (c *conn) part() {
	_ = c.Conn.SetDeadline(time.Now().Add(partingTime)) // as with what follows, the visitor may have gone
	if secure, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.TLS != nil {
		_ = secure.CloseWrite()
	}
	if half, ok := c.Cork.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
