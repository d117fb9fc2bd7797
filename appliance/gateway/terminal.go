package gateway

import (
	"bytes"
	"io"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/appliance"
)

// A seat is the client's end of a session: its channel, as it is, and the size
// of the terminal there.
type seat struct {
	screen io.Writer // set before the session begins
	sizes  chan appliance.Size
}

func newSeat() *seat { return &seat{sizes: make(chan appliance.Size, 1)} }

// sized notes the size that a client has told. One goroutine calls it.
func (s *seat) sized(columns, rows uint32) {
	// A client that has no terminal but asks for one tells nothing, and what
	// is larger than this is no terminal's.
	if columns == 0 || rows == 0 || columns > 10_000 || rows > 10_000 {
		return
	}
	size := appliance.Size{Rows: uint(rows), Columns: uint(columns)}
	for {
		select {
		case s.sizes <- size:
			return
		default:
		}
		select {
		case <-s.sizes: // nobody has read it
		default:
		}
	}
}

// heard notes what a request says of the terminal's size (RFC 4254, 6.2 and
// 6.7).
func (s *seat) heard(req *gossh.Request) {
	switch req.Type {
	case "pty-req":
		var pty struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}
		if gossh.Unmarshal(req.Payload, &pty) == nil {
			s.sized(pty.Columns, pty.Rows)
		}
	case "window-change":
		var window struct{ Columns, Rows, Width, Height uint32 }
		if gossh.Unmarshal(req.Payload, &window) == nil {
			s.sized(window.Columns, window.Rows)
		}
	}
}

// terminal returns a session's terminal, and what writes to it as it is; nil
// if there is none.
func terminal(s ssh.Session) (*appliance.Terminal, io.Writer) {
	pty, _, ok := s.Pty()
	c, ours := s.Context().(sessionContext)
	if !ok || !ours {
		return nil, nil
	}
	return &appliance.Terminal{Name: pty.Term, Sizes: c.seat.sizes}, c.seat.screen
}

// stderr returns a session's stderr, which at a terminal has returns too.
func stderr(s ssh.Session) io.Writer {
	if _, _, tty := s.Pty(); tty {
		return returns{s.Stderr()}
	}
	return s.Stderr()
}

// returns writes lines as a terminal wants them that does nothing by itself.
type returns struct{ w io.Writer }

func (r returns) Write(b []byte) (int, error) {
	if _, err := r.w.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(b), nil
}
