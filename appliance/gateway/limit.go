package gateway

import (
	"net"
	"sync"
	"time"

	"github.com/gliderlabs/ssh"
)

// Limits of the door, unless the Gateway has others.
const (
	defaultHandshakeTime  = 20 * time.Second
	defaultMaxConnections = 200
)

// maxShare is the part of all connections that one host may have, so that it
// takes several hosts to shut everybody else out.
const maxShare = 4

// limit returns a callback that refuses connections beyond n, and beyond a
// share of n from one host, and cuts those that show no key in time.
func limit(n int, handshake time.Duration) ssh.ConnCallback {
	var mu sync.Mutex
	all, perHost := 0, map[string]int{}
	return func(ctx ssh.Context, conn net.Conn) net.Conn {
		host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
		if err != nil {
			host = conn.RemoteAddr().String()
		}
		mu.Lock()
		defer mu.Unlock()
		if all == n || perHost[host] == max(1, n/maxShare) {
			return nil // the server closes it
		}
		all++
		perHost[host]++
		c := &countedConn{Conn: conn, leave: sync.OnceFunc(func() {
			mu.Lock()
			defer mu.Unlock()
			all--
			if perHost[host]--; perHost[host] == 0 {
				delete(perHost, host)
			}
		})}
		conn.SetDeadline(time.Now().Add(handshake))
		ctx.SetValue(connKey{}, c)
		return c
	}
}

type connKey struct{}

// A countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// SetDeadline does nothing: the server would take our deadline back with every
// read.
func (c *countedConn) SetDeadline(time.Time) error { return nil }

// welcome takes the hurry away from a connection that has shown a key.
func (c *countedConn) welcome() { c.Conn.SetDeadline(time.Time{}) }
