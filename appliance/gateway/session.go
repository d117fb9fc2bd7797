package gateway

import (
	"context"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// session serves one session of a connection. Its context ends with it: a
// client that shares one connection between its sessions hangs up by closing
// just one of them.
func session(srv *ssh.Server, conn *gossh.ServerConn, c gossh.NewChannel, ctx ssh.Context) {
	own, hangUp := context.WithCancel(ctx)
	defer hangUp()
	seat := newSeat()
	ssh.DefaultSessionHandler(srv, conn, &channel{c, hangUp, seat}, sessionContext{ctx, own, seat})
}

// A sessionContext is a connection's context that ends earlier.
type sessionContext struct {
	ssh.Context
	own  context.Context
	seat *seat
}

func (c sessionContext) Done() <-chan struct{} { return c.own.Done() }
func (c sessionContext) Err() error            { return c.own.Err() }

// A channel notices that its session is closed, and lets through only the
// requests that mean something here.
type channel struct {
	gossh.NewChannel
	closed func()
	seat   *seat
}

func (c *channel) Accept() (gossh.Channel, <-chan *gossh.Request, error) {
	ch, all, err := c.NewChannel.Accept()
	if err != nil {
		return nil, nil, err
	}
	c.seat.screen = ch
	known := make(chan *gossh.Request)
	go func() { // ends with the session
		defer close(known)
		defer c.closed()
		for req := range all {
			switch c.seat.heard(req); req.Type {
			case "exec", "shell", "env", "pty-req":
				known <- req
			default: // forwarding, X11, subsystems
				req.Reply(false, nil)
			}
		}
	}()
	return ch, known, nil
}
