package router

import (
	"errors"
	"io"
)

// errTooLarge is what reading a body ends with that is larger than it may be.
var errTooLarge = errors.New("the body is larger than this service takes")

// limit refuses a body that says that it is too large, and has one that does
// not say be cut off where it gets so.
func (p *policy) limit(x *exchange) bool {
	req := x.req
	if req.ContentLength > p.maxBody {
		p.page(x, x.w, tooLarge)
		return true
	}
	if req.ContentLength < 0 && req.Body != nil {
		req.Body = &limited{req.Body, p.maxBody}
	}
	return false
}

// A limited body ends with errTooLarge.
type limited struct {
	io.ReadCloser
	left int64
}

func (l *limited) Read(b []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooLarge
	}
	// One more than is left: a body that just fits ends there.
	if int64(len(b)) > l.left+1 {
		b = b[:l.left+1]
	}
	n, err := l.ReadCloser.Read(b)
	if l.left -= int64(n); l.left < 0 {
		return n - 1, errTooLarge
	}
	return n, err
}
