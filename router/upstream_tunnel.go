package router

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/berthhq/berth/router/wire"
)

// A tunnel is what a connection has become that was upgraded, to a WebSocket
// say: bytes both ways.
type tunnel struct {
	x         *exchange
	l         *link
	c         *conn
	websocket bool

	turn   chan struct{} // has room for who writes to the visitor, who may use what follows
	frames wire.Frames
	bye    bool // the visitor has been told that it ends
}

// upgrade passes on that the target agrees, and then whatever is said.
func (x *exchange) upgrade(res *http.Response) {
	if x.own == nil || upgradeTo(x.req) == "" {
		x.fail(io.ErrUnexpectedEOF)
		return
	}
	x.own.conn.endWatch()
	x.own.conn.dontLimitReading()
	x.status = res.StatusCode
	protocol := res.Header.Get("Upgrade")
	t := &tunnel{x: x, l: x.link, c: x.own.conn, turn: make(chan struct{}, 1), websocket: strings.EqualFold(protocol, "websocket")}
	removeHopByHop(res.Header)
	x.own.room()
	x.own.out = appendStatus(x.own.out, x.req, res.StatusCode)
	x.own.out = appendHeader(x.own.out, res.Header)
	x.own.out = append(x.own.out, "Connection: Upgrade\r\n"...)
	x.own.out = appendField(x.own.out, "Upgrade", protocol)
	x.own.out = append(x.own.out, "\r\n"...)
	x.own.upgraded = true
	if x.own.FlushError() != nil {
		return
	}
	x.mu.Lock()
	x.begun = true
	x.upgraded = t
	t.c.tunnel.Store(t)
	if x.cause != nil {
		t.stop()
	}
	x.mu.Unlock()
	x.late()
	t.run()
}

// run copies until both sides have said all they will say, or one has gone.
func (t *tunnel) run() {
	up := make(chan struct{})
	go func() {
		defer close(up)
		if t.listen() != nil {
			t.l.stop()
			return
		}
		halfClose(t.l.conn)
	}()
	if t.speak() == nil {
		halfClose(t.c.Conn)
	} else {
		t.hangUp()
	}
	<-up
}

// speak passes on what the target says, until it has said all it will say.
// While it is silent there is no buffer.
func (t *tunnel) speak() error {
	for {
		b, err := t.l.next()
		if len(b) > 0 {
			if err := t.tell(b); err != nil {
				return err
			}
			t.x.out += int64(len(b))
			t.x.moved.Add(1)
		}
		t.l.done(b)
		if err != nil {
			return endOf(err)
		}
	}
}

func (t *tunnel) tell(b []byte) error {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	if t.bye {
		return net.ErrClosed
	}
	t.c.limitWriting()
	t.c.cork.Hold()
	_, err := t.c.Conn.Write(b)
	if t.websocket {
		t.frames.Pass(b)
	}
	return errors.Join(err, t.c.cork.Release())
}

// listen passes on what the visitor says, until they have said all they will
// say.
func (t *tunnel) listen() error {
	c := t.c
	if n := c.r.Buffered(); n > 0 {
		b, _ := c.r.Peek(n) // cannot fail
		if err := t.pass(b); err != nil {
			return err
		}
		_, _ = c.r.Discard(n) // as above
	}
	c.free()
	for {
		n, err := c.Conn.Read(c.first[:])
		if n > 0 {
			b := smalls.Get()
			b[0] = c.first[0]
			err := t.pass(b[:1+c.already(b[1:])])
			smalls.Put(b)
			if err != nil {
				return err
			}
		}
		if err != nil {
			return endOf(err)
		}
	}
}

func (t *tunnel) pass(b []byte) error {
	_, err := t.l.conn.Write(b)
	t.x.in.Add(int64(len(b)))
	t.x.moved.Add(1)
	return err
}

// hangUp closes the visitor's side, unless they have been told that it ends:
// then they do.
func (t *tunnel) hangUp() {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	if !t.bye {
		t.c.tcp.Close()
	}
}

// farewell is how long a visitor has to take our last word, and to answer it.
const farewell = 200 * time.Millisecond

// stop ends it from outside. The exchange's mu is held. A WebSocket gets a
// close frame, if there is room for one: not in the middle of a frame, nor
// before a visitor who does not read.
func (t *tunnel) stop() {
	if t.websocket && t.goodbye() {
		t.l.stop()
		_ = t.c.tcp.SetReadDeadline(time.Now().Add(farewell)) // a connection that takes no limit is closed
		return
	}
	t.l.stop()
	t.c.tcp.Close()
}

// goodbye reports whether the visitor has been told.
func (t *tunnel) goodbye() bool {
	select {
	case t.turn <- struct{}{}:
	case <-time.After(farewell):
		return false
	}
	defer func() { <-t.turn }()
	if !t.frames.Between() {
		return false
	}
	_ = t.c.tcp.SetWriteDeadline(time.Now().Add(farewell)) // as above
	_, err := t.c.Conn.Write(wire.GoingAway)
	t.bye = err == nil
	return t.bye
}

// endOf is nil if err says that all has been said.
func endOf(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func halfClose(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // it may be closed already
	}
}
