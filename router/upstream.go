package router

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// maxAnswerHead is how large the head of a target's answer may be.
const maxAnswerHead = 1 << 20

// errHeadTooLarge says that a target's answer has a head without an end.
var errHeadTooLarge = errors.New("the head of the answer is too large")

// A link is a connection to a target. Only the goroutine that has the request
// uses it, but for stop, and for the body of a request that comes slowly.
type link struct {
	target *target
	conn   net.Conn
	raw    syscall.RawConn
	r      *bufio.Reader
	reused bool
	since  time.Time // kept since
	budget int       // bytes that a head may still have; negative if any number may come

	step func(fd uintptr) bool // l.ask, made once
	out  []byte                // what ask has not written yet
	sent int                   // how much it has written
	err  error                 // why it could not

	begun bool // the step has been taken once
	waits bool // the step waits for something to read
	got   int  // bytes that have come since send
}

func newLink(t *target, conn net.Conn) *link {
	l := &link{target: t, conn: conn, budget: -1}
	l.r = bufio.NewReaderSize(l, readSize)
	l.step = l.ask
	if c, ok := conn.(syscall.Conn); ok {
		l.raw, _ = c.SyscallConn() // only a closed connection has none
	}
	return l
}

// Read is where l.r reads from.
func (l *link) Read(b []byte) (int, error) {
	if l.budget < 0 {
		return l.conn.Read(b)
	}
	if l.budget == 0 {
		return 0, errHeadTooLarge
	}
	n, err := l.conn.Read(b[:min(len(b), l.budget)])
	l.budget -= n
	l.got += n
	return n, err
}

// errDead says that a kept connection was closed by the target before anything
// was sent on it.
var errDead = errors.New("the connection was closed while it was kept")

// send writes a request, and waits until something has come back if wait is
// set. What a kept connection has not taken at all is errDead.
//
// Where the kernel is asked first whether there is something to read, the
// usual answer is no: the target has not had the time. So it is told first to
// watch for it, then we make sure that the target has not hung up, and write,
// and only then wait: one call less, and a target that has hung up is found
// out before anything is sent to it.
func (l *link) send(out []byte, wait bool) error {
	l.out, l.sent, l.err, l.begun, l.waits, l.got = out, 0, nil, false, wait, 0
	if err := l.raw.Read(l.step); err != nil {
		return err
	}
	if l.err != nil {
		return l.err
	}
	if l.sent < len(out) {
		// The target's window is full.
		n, err := l.conn.Write(out[l.sent:])
		l.sent += n
		return err
	}
	return nil
}

func (l *link) ask(fd uintptr) bool {
	if l.begun {
		return true // there is something to read
	}
	l.begun = true
	if l.reused {
		var b [1]byte
		if _, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT); err != syscall.EAGAIN {
			// Nothing should have come, not even an answer.
			l.err = errDead
			return true
		}
	}
	n, err := syscall.Write(int(fd), l.out)
	for err == syscall.EINTR {
		n, err = syscall.Write(int(fd), l.out)
	}
	l.sent = max(n, 0)
	if err != nil && err != syscall.EAGAIN {
		if l.err = err; l.reused {
			l.err = errDead
		}
		return true
	}
	return l.sent < len(l.out) || !l.waits
}

// receive reads the head of the next answer to req.
func (l *link) receive(req *http.Request) (*http.Response, error) {
	l.budget = maxAnswerHead
	defer func() { l.budget = -1 }()
	switch _, err := l.r.Peek(1); err {
	case nil:
	case io.EOF:
		return nil, io.ErrUnexpectedEOF
	default:
		return nil, err // reading again would say that it is the end
	}
	if res := l.parseAnswer(req); res != nil {
		return res, nil
	}
	res, err := http.ReadResponse(l.r, req)
	if err == io.ErrUnexpectedEOF && l.budget == 0 {
		return nil, errHeadTooLarge
	}
	return res, err
}

// stop has everything fail that waits for the target, from any goroutine.
func (l *link) stop() {
	_ = l.conn.SetDeadline(time.Unix(1, 0)) // a connection that takes no limit is closed
}

func (l *link) close() {
	_ = l.conn.Close() // nothing of it is wanted any more
}

// next waits for the target's next bytes and returns them in a buffer, which
// done takes back.
func (l *link) next() ([]byte, error) {
	var b []byte
	var n int
	var err error
	if l.r.Buffered() > 0 {
		b = smalls.Get()
		n, err = l.r.Read(b)
		return b[:n], err
	}
	waiting := l.raw.Read(func(fd uintptr) bool {
		b = buffers.Get()
		n, err = syscall.Read(int(fd), b)
		if err == syscall.EAGAIN || err == syscall.EINTR {
			buffers.Put(b)
			b = nil
			return false
		}
		return true
	})
	switch {
	case waiting != nil:
		return nil, waiting
	case err == nil && n == 0:
		err = io.EOF
	}
	return b[:max(n, 0)], err
}

func (l *link) done(b []byte) {
	switch cap(b) {
	case readSize:
		smalls.Put(b)
	case copySize:
		buffers.Put(b[:copySize])
	}
}
