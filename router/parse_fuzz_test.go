package router

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"reflect"
	"testing"

	"github.com/berthhq/berth/router/wire"
)

// FuzzParse holds our reading of a request to net/http's, field by field.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET //a/b?c=%zz#d HTTP/1.1\r\nhost:a.test:80\r\nX-a: 1\r\nx-A: 2 \r\nConnection: x, Close\r\n\r\n",
		"POST /%2f HTTP/1.1\r\nHost: a.test\r\nPragma: no-cache\r\nContent-Length: 0\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a.test\r\nCookie: a\r\nCookie: b\r\nCookie: c\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end, err := wire.End(b, 0)
		if err != nil || end == 0 || wire.Check(b[:end]) != nil {
			return
		}
		got := parse(&http.Request{}, b[:end])
		if got == nil {
			return
		}
		want, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(b[:end]), wire.MaxHead))
		if err != nil {
			t.Fatalf("%q: net/http says %v, we read it", b, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n got %#v\nwant %#v", b[:end], got, want)
		}
	})
}

// FuzzParseAnswer holds our reading of an answer to net/http's.
func FuzzParseAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd",
		"HTTP/1.1 404 \r\ncontent-length:0\r\nConnection: close\r\nX: 1\r\nx: 2\r\n\r\n",
		"HTTP/1.1 500 Oh no\r\nContent-Length: 03\r\nPragma: no-cache\r\n\r\nab",
	} {
		f.Add([]byte(s), http.MethodGet)
	}
	f.Fuzz(func(t *testing.T, b []byte, method string) {
		end, end2 := net.Pipe()
		defer end.Close()
		end2.Close()
		req := &http.Request{Method: method}
		l := newLink(nil, end)
		l.r = bufio.NewReaderSize(bytes.NewReader(b), wire.MaxHead)
		if _, err := l.r.Peek(1); err != nil {
			return
		}
		got := l.parseAnswer(req)
		if got == nil {
			return
		}
		r := bufio.NewReaderSize(bytes.NewReader(b), wire.MaxHead)
		want, err := http.ReadResponse(r, req)
		if err != nil {
			t.Fatalf("%q: net/http says %v, we read it", b, err)
		}
		gotBody, gotErr := io.ReadAll(got.Body)
		wantBody, wantErr := io.ReadAll(want.Body)
		if string(gotBody) != string(wantBody) || gotErr != wantErr || l.r.Buffered() != r.Buffered() {
			t.Errorf("%q: the body is %q, %v, want %q, %v", b, gotBody, gotErr, wantBody, wantErr)
		}
		got.Body, want.Body = nil, nil
		if got.Close {
			delete(got.Header, "Connection") // as net/http does, and whoever passes a header on should not
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n got %#v\nwant %#v", b, got, want)
		}
	})
}
