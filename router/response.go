package router

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A response is a ResponseWriter that lets its exchange know what goes out.
type response struct {
	http.ResponseWriter
	x *exchange
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if status >= 200 {
		x := w.x
		x.mu.Lock()
		x.begun = true
		x.status = status
		if x.cause != nil {
			// Only servers without deadlines refuse, and there is nothing else to try.
			_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
		}
		x.mu.Unlock()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.x.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	w.x.out += int64(n)
	return n, err
}

// inform passes on an interim answer.
func (x *exchange) inform(res *http.Response) {
	x.wanted(res.StatusCode)
	if res.StatusCode == http.StatusContinue && x.req.Header.Get("Expect") == "" {
		return // the visitor waits for nothing
	}
	h := x.w.Header()
	maps.Copy(h, res.Header)
	x.w.WriteHeader(res.StatusCode)
	clear(h)
}

// pass passes on the answer.
func (x *exchange) pass(res *http.Response) {
	x.answered.Store(true)
	x.firstByte = time.Since(x.began)
	x.gen.policy.amend(x, res)
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.upgrade(res)
		return
	}
	x.passHead(res)
	err := x.passBody(res)
	if err != nil {
		x.drop() // otherwise closing the body would read the rest of it, which may have no end
	}
	x.finishUpload()     // first: by HTTP/2, closing the answer waits for who reads the request
	_ = res.Body.Close() // it has been read, or its connection is closed
	l, stopped := x.release()
	if l != nil && !stopped && err == nil && !res.Close && l.r.Buffered() == 0 && (x.upload == nil || x.upload.whole) {
		x.target.keep(l)
	} else if l != nil {
		l.close()
	}
	if err != nil {
		// The visitor must not take it for a whole answer.
		panic(http.ErrAbortHandler)
	}
	h := x.w.Header()
	for name, values := range res.Trailer {
		h[http.TrailerPrefix+name] = values
	}
}

func (x *exchange) passHead(res *http.Response) {
	removeHopByHop(res.Header)
	if x.own != nil && len(x.own.header) == 0 {
		x.own.header = res.Header
	} else {
		maps.Copy(x.w.Header(), res.Header)
	}
	if len(res.Trailer) > 0 {
		if x.own != nil {
			delete(x.own.header, "Content-Length") // a body whose length is told has no trailer
		}
		x.w.Header()["Trailer"] = []string{strings.Join(slices.Sorted(maps.Keys(res.Trailer)), ", ")}
	}
	x.w.WriteHeader(res.StatusCode)
}

// passBody copies the body, and holds nothing back when the target pauses. The
// buffer is small as long as little comes at once.
func (x *exchange) passBody(res *http.Response) error {
	if res.Body == http.NoBody || res.ContentLength == 0 {
		return nil // flushing now would make two frames of a head that is also the end
	}
	if x.link == nil || x.link.r.Buffered() == 0 {
		// The target pauses already.
		if err := x.flush(); err != nil {
			return err
		}
	}
	buf := newMoving()
	defer buf.free()
	for {
		n, err := res.Body.Read(buf.b)
		x.moved.Add(1)
		if err := x.passPiece(buf.b[:n], err == nil); err != nil {
			return err
		}
		if err != nil {
			if err == io.EOF {
				return nil
			}
			if x.failed = x.stopped() == nil; x.failed {
				x.gen.failed(x.target, err)
			}
			return err
		}
		buf.fit(n)
	}
}

// passPiece passes on what has been read at once, a little at a time: the
// nearest cache holds that while it is encrypted, and a visitor who takes it
// slowly is seen to take it. The last piece of all goes with what ends the body.
func (x *exchange) passPiece(b []byte, more bool) error {
	for len(b) > 0 {
		n := min(len(b), copySize)
		if _, err := x.w.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; len(b) == 0 {
			break
		}
		if err := x.flush(); err != nil {
			return err
		}
		x.moved.Add(1)
	}
	if !more {
		return nil
	}
	return x.flush()
}

func (x *exchange) flush() error {
	if x.own != nil {
		return x.own.FlushError()
	}
	return http.NewResponseController(x.w.ResponseWriter).Flush()
}
