package router

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// closed is TCP's state once the other side has taken the connection back.
	closed = 7

	// closing is how long we wait for the target's kernel to say so. It is
	// on this machine, and has been told why already.
	closing = 20 * time.Millisecond
)

// unread reports whether it is certain that the target has read nothing of a
// request that failed with err on a kept connection: it had closed the
// connection when the request was on its way already. Its end came first then,
// without acknowledging anything of the request, and the request found nobody.
//
// A target that had the request first acknowledges it with its end, and one
// that ends with the request unread, or partly read, ends by a reset alone:
// both may have done what they were asked. What cannot be told is a target that
// closes its own direction alone, reads a part of what comes then, and breaks
// off before its kernel has acknowledged it (40 ms at most): it would be acting
// upon what it cannot answer.
func (l *link) unread(err error) bool {
	if !l.reused || l.got > 0 || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false
	}
	for wait, waited := 50*time.Microsecond, time.Duration(0); waited < closing; wait *= 2 {
		var pending int
		var info *unix.TCPInfo
		var failed error
		if err := l.raw.Control(func(fd uintptr) {
			if pending, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); failed == nil {
				info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			}
		}); err != nil || failed != nil || pending < l.sent {
			return false
		}
		if info.State == closed {
			return true
		}
		time.Sleep(wait)
		waited += wait
	}
	return false
}
