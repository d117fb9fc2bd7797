package router

import (
	"io"
	"net/http"
)

// A tunnel is what a connection has become that was upgraded, to a WebSocket
// say: bytes both ways.
type tunnel struct {
	x *exchange
	l *link
	c *conn
}

// stop ends it from outside. The exchange's mu is held.
func (t *tunnel) stop() {
	t.l.stop()
	t.c.tcp.Close()
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
	t := &tunnel{x, x.link, x.own.conn}
	protocol := res.Header.Get("Upgrade")
	removeHopByHop(res.Header)
	x.own.room()
	x.own.out = appendStatus(x.own.out, x.req, res.StatusCode)
	x.own.out = appendHeader(x.own.out, res.Header)
	x.own.out = append(x.own.out, "Connection: Upgrade\r\n"...)
	x.own.out = appendField(x.own.out, "Upgrade", protocol)
	x.own.out = append(x.own.out, "\r\n"...)
	x.own.upgraded = true
	x.mu.Lock()
	x.begun = true
	x.upgraded = t
	if x.cause != nil {
		t.stop()
	}
	x.mu.Unlock()
	if x.own.FlushError() != nil {
		return
	}
	t.run()
}

// run copies until both sides have said all they will say, or one has gone.
func (t *tunnel) run() {
	up := make(chan struct{})
	go func() {
		defer close(up)
		if _, err := io.Copy(targetsEnd{t}, t.c.r); err != nil {
			t.l.stop()
			return
		}
		if half, ok := t.l.conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // it may be closed already
		}
	}()
	_, err := io.Copy(visitorsEnd{t}, t.l.r)
	if err == nil {
		if half, ok := t.c.Conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // as above
		}
	} else {
		t.c.tcp.Close()
	}
	<-up
}

// visitorsEnd is where the target's bytes go, and targetsEnd where the
// visitor's do.
type (
	visitorsEnd struct{ *tunnel }
	targetsEnd  struct{ *tunnel }
)

func (e visitorsEnd) Write(b []byte) (int, error) {
	e.c.limitWriting()
	n, err := e.c.Conn.Write(b)
	e.x.out += int64(n)
	return n, err
}

func (e targetsEnd) Write(b []byte) (int, error) {
	n, err := e.l.conn.Write(b)
	e.x.in.Add(int64(n))
	return n, err
}
