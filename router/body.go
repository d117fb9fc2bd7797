package router

import (
	"context"
	"io"
	"sync/atomic"
)

// An upload is the body of a request. Its Close does nothing: a transport
// closes the body when it could not connect, but the next target needs it.
type upload struct {
	body   io.Reader
	failed *atomic.Bool
	count  *atomic.Int64
}

func (u *upload) Read(b []byte) (int, error) {
	n, err := u.body.Read(b)
	u.count.Add(int64(n))
	if err != nil && err != io.EOF && err != errTooLarge {
		u.failed.Store(true)
	}
	return n, err
}

func (u *upload) Close() error { return nil }

// A download is the body of an answer.
type download struct {
	io.ReadCloser
	x   *exchange
	ctx context.Context
}

func (d *download) Read(b []byte) (int, error) {
	n, err := d.ReadCloser.Read(b)
	if err != nil && err != io.EOF && d.ctx.Err() == nil {
		d.x.failed = true
		if t := d.x.target; t != nil {
			d.x.gen.failed(t, err)
		}
	}
	return n, err
}
