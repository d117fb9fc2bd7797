package router_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// quick connects to a door by QUIC, to say by HTTP/3 what no client would.
func (d *door) quick() *quic.Conn {
	d.t.Helper()
	conn, err := quic.DialAddr(d.t.Context(), d.https, &tls.Config{ServerName: "blog.test", RootCAs: d.roots, NextProtos: []string{"h3"}}, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.CloseWithError(0, "") })
	return conn
}

// head is a HEADERS frame. Fields are "name: value", and written out.
func head(fields ...string) []byte {
	block := []byte{0, 0} // no dynamic table
	number := func(first byte, bits, n int) {
		most := 1<<bits - 1
		if n < most {
			block = append(block, first|byte(n))
			return
		}
		block = append(block, first|byte(most))
		for n -= most; n >= 128; n >>= 7 {
			block = append(block, byte(n)|128)
		}
		block = append(block, byte(n))
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f[1:], ": ")
		name = f[:1] + name
		number(0x20, 3, len(name))
		block = append(block, name...)
		number(0, 7, len(value))
		block = append(block, value...)
	}
	return append(quicvarint.Append([]byte{1}, uint64(len(block))), block...)
}

func data(text string) []byte {
	return append(quicvarint.Append([]byte{0}, uint64(len(text))), text...)
}

// What would be two requests by HTTP/1.1, or can be read in two ways there,
// reaches nobody: HTTP/3 is the third way to smuggle.
func TestWhatHTTP3LetsThroughIsNoOtherRequestAtTheApp(t *testing.T) {
	d, _ := quicly(t)
	var mu sync.Mutex
	var got []string
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s %s %q %v", req.Method, req.RequestURI, body, req.Header))
	}))
	const method, scheme, host, path = ":method: GET", ":scheme: https", ":authority: blog.test", ":path: /smuggled"
	for _, fields := range [][]string{
		{scheme, host, path}, {method, scheme, host}, // something is missing
		{method, scheme, host, ":path: "}, {method, scheme, host, ":path: smuggled"},
		{method, scheme, host, ":path: /smuggled HTTP/1.1\r\nX: y"}, {method, scheme, host, ":path: /smuggled x"}, {method, scheme, host, ":path: /smuggled\x00"},
		{method, scheme, host, ":path: http://blog.test/smuggled"},
		{":method: GE T", scheme, host, path}, {":method: GET / HTTP/1.1\r\nHost: blog.test\r\n\r\nGET", scheme, host, path}, {":method: ", scheme, host, path},
		{":method: CONNECT", scheme, host, path},
		{method, method, scheme, host, path}, {method, scheme, host, host, path}, {method, scheme, host, path, path}, // twice
		{method, scheme, host, path, ":status: 200"}, {method, scheme, host, "a: b", path},
		{method, scheme, ":authority: blog.test\r\nX: y", path}, {method, scheme, ":authority: me@blog.test", path}, {method, scheme, ":authority: blog test", path},
		{method, scheme, ":authority: blog.test/x", path}, {method, scheme, host, path, "host: chat.test"},
		{method, scheme, host, path, "Upper: case"}, {method, scheme, host, path, "a b: c"}, {method, scheme, host, path, "a\r\nb: c"}, {method, scheme, host, path, "a\x00: c"},
		{method, scheme, host, path, "a: b\r\nc: d"}, {method, scheme, host, path, "a: b\nTransfer-Encoding: chunked"}, {method, scheme, host, path, "a: b\x00"},
		{method, scheme, host, path, "connection: close"}, {method, scheme, host, path, "transfer-encoding: chunked"},
		{method, scheme, host, path, "upgrade: websocket"}, {method, scheme, host, path, "keep-alive: 5"},
		{method, scheme, host, path, "content-length: +8"}, {method, scheme, host, path, "content-length: 8", "content-length: 9"}, {method, scheme, host, path, "content-length: 8, 8"},
	} {
		stream, err := d.quick().OpenStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stream.Write(append(head(fields...), data("GET / HT")...))
		stream.Close()
		stream.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadAll(stream); errors.Is(err, quic.Err0RTTRejected) || isTimeout(err) {
			t.Errorf("%q: %v, want an answer or an end", fields, err)
		}
		mu.Lock()
		if len(got) > 0 {
			t.Errorf("%q: the app got %q", fields, got)
		}
		got = nil
		mu.Unlock()
	}

	// Of a body that is not as long as it says nothing becomes a request.
	for _, length := range []string{"content-length: 5", "content-length: 200"} {
		stream, err := d.quick().OpenStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stream.Write(append(head(method, scheme, host, ":path: /right", length), data("GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n")...))
		stream.Close()
		if answer, err := io.ReadAll(stream); err == nil {
			t.Errorf("%s: answered %q, want the stream reset", length, answer)
		}
	}
	stream, err := d.quick().OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stream.Write(append(head(method, scheme, host, ":path: /right"), data("all of it")...))
	stream.Close()
	if _, err := io.ReadAll(stream); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(got) == 0 || !strings.HasPrefix(got[len(got)-1], `GET /right "all of it"`) {
		t.Errorf("the app got %q, want what is right", got)
	}
	for _, request := range got {
		if !strings.HasPrefix(request, "GET /right ") {
			t.Errorf("the app got %s, which nobody has asked for", request)
		}
	}
}

// Rapid reset (CVE-2023-44487): a request that is cancelled at once costs the
// visitor nothing, and us all the work.
func TestRapidResetsEndAConnectionOfHTTP3(t *testing.T) {
	d, _ := quicly(t)
	var now, most, all atomic.Int64
	d.blog(app(t, func(_ http.ResponseWriter, req *http.Request) {
		all.Add(1)
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if _, err := io.Copy(io.Discard, req.Body); err == nil {
			<-req.Context().Done()
		}
		<-time.After(50 * time.Millisecond) // an app that takes a while to notice
		now.Add(-1)
	}))
	for what, takeBack := range map[string]func(*quic.Stream){
		"both ways":  func(s *quic.Stream) { s.CancelRead(0x10c); s.CancelWrite(0x10c) },
		"the upload": func(s *quic.Stream) { s.Write(data("x")); s.CancelWrite(0x10c) },
	} {
		conn := d.quick()
		all.Store(0)
		ask := head(":method: POST", ":scheme: https", ":authority: blog.test", ":path: /")
		var begun []*quic.Stream
		for len(begun) < 20_000 && conn.Context().Err() == nil {
			stream, err := conn.OpenStreamSync(conn.Context())
			if err != nil {
				break
			}
			stream.Write(ask)
			// A little later: what is taken back before it is read costs nothing.
			if begun = append(begun, stream); len(begun) > 100 {
				takeBack(begun[len(begun)-100])
			}
		}
		within(t, conn.Context().Done(), what+": the end of the connection")

		_, err := conn.AcceptStream(t.Context())
		if closed, ok := errors.AsType[*quic.ApplicationError](err); !ok || !closed.Remote || closed.ErrorCode != quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad) {
			t.Errorf("%s: the connection ended with %v, want excessive load", what, err)
		}
		t.Logf("%s: after %d, of which %d reached the app, %d at once", what, len(begun), all.Load(), most.Load())
		if most.Load() > 700 {
			t.Errorf("%s: %d requests were under way at once", what, most.Load())
		}
	}
	d.blog(app(t, says("others")))
	if res, err := d.client3().Get("https://blog.test/"); err != nil || read(t, res.Body) != "others" {
		t.Errorf("others are not served: %v", err)
	}
}
