package router

import (
	"errors"
	"io"
	"net/http"
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

// unread reports whether a request by method that failed with err on a kept
// connection may be sent on another: the target had closed the connection when
// the request was on its way already. Its end came first then, without
// acknowledging anything of the request, and the request found nobody.
//
// A target that had the request first acknowledges it with its end, and one
// that ends with the request unread, or partly read, ends by a reset alone:
// both may have done what they were asked. What cannot be told is a target that
// closes its own direction alone, reads a part of what comes then, and breaks
// off before its kernel has acknowledged it (40 ms at most): the kernel does
// not show whether a reset came from a connection or from none. So what must
// not be done twice is not sent twice even then.
func (l *link) unread(method string, err error) bool {
	if !repeatable(method) || !l.reused || l.got > 0 || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
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

// repeatable reports whether doing it twice is doing it once (RFC 9110, 9.2.2).
// A proxy must not repeat anything else by itself.
func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}
