package http2_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/berthhq/berth/router/http2"
	"github.com/berthhq/berth/router/wire"
)

// A visitor says frames, right ones and wrong ones, to a server.
type visitor struct {
	*h2.Framer
	t      *testing.T
	conn   net.Conn
	block  bytes.Buffer
	coder  *hpack.Encoder
	server *http2.Server
	ended  chan struct{} // closed when the connection is over, and all of its requests are

	mu sync.Mutex // held while something is written
}

// visit connects to a server that answers with h. It has said hello already.
func visit(t *testing.T, h http.HandlerFunc, change ...func(*http2.Server)) *visitor {
	t.Helper()
	v := arrive(t, h, change...)
	io.WriteString(v.conn, h2.ClientPreface)
	v.WriteSettings()
	v.skipTo(func(f h2.Frame) bool { s, ok := f.(*h2.SettingsFrame); return ok && s.IsAck() })
	return v
}

// arrive connects, and says nothing.
func arrive(t *testing.T, h http.HandlerFunc, change ...func(*http2.Server)) *visitor {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := &http2.Server{Handler: h}
	for _, f := range change {
		f(s)
	}
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(ended)
		s.Serve(ctx, http2.Wires{Conn: theirs, Cork: &wire.Cork{Conn: theirs}})
	}()
	t.Cleanup(func() {
		conn.Close()
		cancel()
		within(t, ended, "the end of the connection")
		s.Shutdown()
	})
	conn.SetDeadline(time.Now().Add(time.Minute))
	v := &visitor{Framer: h2.NewFramer(conn, conn), t: t, conn: conn, server: s, ended: ended}
	v.AllowIllegalWrites = true
	v.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	v.coder = hpack.NewEncoder(&v.block)
	return v
}

func within[T any](t *testing.T, c <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(30 * time.Second):
		t.Fatalf("waited 30 s in vain: %s", what)
	}
	return got
}

// fields are "name: value"; those that every request has are left out.
func (v *visitor) ask(id uint32, end bool, fields ...string) {
	v.t.Helper()
	v.raw(id, end, append([]string{":method: GET", ":scheme: https", ":authority: blog.test", ":path: /"}, fields...)...)
}

func (v *visitor) raw(id uint32, end bool, fields ...string) {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.block.Reset()
	for _, f := range fields {
		name, value, _ := strings.Cut(f[1:], ": ")
		v.coder.WriteField(hpack.HeaderField{Name: f[:1] + name, Value: value})
	}
	block := bytes.Clone(v.block.Bytes())
	first := block[:min(len(block), 16<<10)]
	block = block[len(first):]
	v.must(v.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: len(block) == 0}))
	for len(block) > 0 {
		piece := block[:min(len(block), 16<<10)]
		block = block[len(piece):]
		v.must(v.WriteContinuation(id, len(block) == 0, piece))
	}
}

func (v *visitor) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// skipTo returns the first frame that is as wanted.
func (v *visitor) skipTo(wanted func(h2.Frame) bool) h2.Frame {
	v.t.Helper()
	for {
		f, err := v.ReadFrame()
		if err != nil {
			v.t.Fatalf("the connection ended (%v) before what was expected", err)
		}
		if wanted(f) {
			return f
		}
	}
}

// head returns the head of the answer on a stream.
func (v *visitor) head(id uint32) *h2.MetaHeadersFrame {
	v.t.Helper()
	return v.skipTo(func(f h2.Frame) bool {
		m, ok := f.(*h2.MetaHeadersFrame)
		return ok && m.StreamID == id
	}).(*h2.MetaHeadersFrame)
}

// wantStatus also waits for the end of the answer.
func (v *visitor) wantStatus(id uint32, want string) {
	v.t.Helper()
	m := v.head(id)
	if got := m.PseudoValue("status"); got != want {
		v.t.Errorf("stream %d: status %s, want %s", id, got, want)
	}
	if !m.StreamEnded() {
		v.skipTo(func(f h2.Frame) bool { d, ok := f.(*h2.DataFrame); return ok && d.StreamID == id && d.StreamEnded() })
	}
}

func (v *visitor) wantReset(id uint32, want h2.ErrCode) {
	v.t.Helper()
	r := v.skipTo(func(f h2.Frame) bool { _, ok := f.(*h2.RSTStreamFrame); return ok }).(*h2.RSTStreamFrame)
	if r.StreamID != id || r.ErrCode != want {
		v.t.Errorf("stream %d reset with %v, want stream %d and %v", r.StreamID, r.ErrCode, id, want)
	}
}

// wantGoAway also waits for the end of the connection.
func (v *visitor) wantGoAway(want h2.ErrCode) {
	v.t.Helper()
	g := v.skipTo(func(f h2.Frame) bool { _, ok := f.(*h2.GoAwayFrame); return ok }).(*h2.GoAwayFrame)
	if g.ErrCode != want {
		v.t.Errorf("GOAWAY with %v, want %v", g.ErrCode, want)
	}
	v.wantEnd()
}

func (v *visitor) wantEnd() {
	v.t.Helper()
	for {
		_, err := v.ReadFrame()
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			v.t.Fatal("the connection has not ended")
		}
		if _, ok := errors.AsType[h2.StreamError](err); err != nil && !ok {
			break
		}
	}
	v.conn.Close()
	within(v.t, v.ended, "the end of the connection")
}

// still has the visitor make sure that the connection serves others.
func (v *visitor) still(id uint32) {
	v.t.Helper()
	v.ask(id, true)
	v.wantStatus(id, "200")
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }
