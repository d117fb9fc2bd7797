package router

import (
	"context"
	"net"
	"time"
)

const (
	// dialTimeout is for one attempt. A SYN that is lost is sent again after
	// one second.
	dialTimeout = 1500 * time.Millisecond

	// patience is how long a request looks for a target that accepts a
	// connection, so that visitors do not notice a process that Docker
	// restarts.
	patience = 5 * time.Second
)

// A dialError means that no connection came about, so nothing has been sent
// and the request may go to another target.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, &dialError{err}
	}
	return conn, nil
}
