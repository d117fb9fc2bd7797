package wire

import (
	"net"
	"sync"
)

// A Cork is a connection under TLS that sends several records in one write.
// Each record is 16 KB at most, and a write per record costs more than the
// encryption does.
type Cork struct {
	net.Conn

	// Dry has Read return ErrDry instead of waiting for the network, so that
	// what TLS has decrypted already can be had, and no more. Only the
	// goroutine that reads may set it.
	Dry bool

	mu   sync.Mutex
	held *[]byte // what is held back; nil if nothing is
}

// ErrDry says that there is nothing to read at the moment. TLS goes on after
// it, because it says that it is temporary.
var ErrDry net.Error = dry{}

type dry struct{}

func (dry) Error() string   { return "nothing to read at the moment" }
func (dry) Timeout() bool   { return false }
func (dry) Temporary() bool { return true }

func (c *Cork) Read(b []byte) (int, error) {
	if c.Dry {
		return 0, ErrDry
	}
	return c.Conn.Read(b)
}

var helds = sync.Pool{New: func() any { b := make([]byte, 0, 72<<10); return &b }}

// Hold has what is written wait for Release.
func (c *Cork) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = helds.Get().(*[]byte)
	}
}

// Release sends what has been held back.
func (c *Cork) Release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.held
	if held == nil {
		return nil
	}
	c.held = nil
	var err error
	if len(*held) > 0 {
		_, err = c.Conn.Write(*held)
	}
	*held = (*held)[:0]
	helds.Put(held)
	return err
}

func (c *Cork) Write(b []byte) (int, error) {
	c.mu.Lock()
	held := c.held
	if held == nil {
		c.mu.Unlock()
		return c.Conn.Write(b)
	}
	defer c.mu.Unlock()
	if len(*held) > 0 && len(*held)+len(b) > cap(*held) {
		_, err := c.Conn.Write(*held)
		*held = (*held)[:0]
		if err != nil {
			return 0, err
		}
	}
	*held = append(*held, b...)
	return len(b), nil
}
