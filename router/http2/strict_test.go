package http2_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	h2 "golang.org/x/net/http2"
)

func TestAMalformedHeadIsRefusedAndTheOthersAreAnswered(t *testing.T) {
	v := visit(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Method != "GET" || req.URL.Path != "/" || len(req.Header) > 0 {
			t.Errorf("the handler saw %s %s %v", req.Method, req.URL, req.Header)
		}
	})
	const method, scheme, host, path = ":method: GET", ":scheme: https", ":authority: blog.test", ":path: /"
	id := uint32(1)
	for _, fields := range [][]string{
		{scheme, host, path}, {method, host, path}, {method, scheme, host}, // something is missing
		{method, scheme, host, ":path: "}, {method, scheme, host, ":path: blog"}, {method, scheme, host, ":path: *"},
		{method, scheme, host, ":path: http://blog.test/"}, {method, ":scheme: ftp", host, path},
		{":method: GE T", scheme, host, path}, {":method: ", scheme, host, path}, {":method: GET / HTTP/1.1\r\nX: y", scheme, host, path},
		{method, method, scheme, host, path}, {method, scheme, host, path, path}, {method, scheme, host, host, path}, // twice
		{method, scheme, host, path, ":status: 200"}, {":status: 200"}, {method, scheme, host, path, ":what: is this"},
		{method, scheme, host, "a: b", path}, // late
		{method, scheme, host, path, ":protocol: websocket"},
		{":method: CONNECT", scheme, host, path}, {":method: CONNECT"},
		{method, scheme, ":authority: me@blog.test", path}, {method, scheme, ":authority: blog test", path},
		{method, scheme, host, path, "host: chat.test"}, {method, scheme, path, "host: a.test", "host: b.test"},
		{method, scheme, host, path, "Upper: case"}, {method, scheme, host, path, "a b: c"}, {method, scheme, host, path, "a: b\r\nc: d"},
		{method, scheme, host, path, "a: b\x00"},
		{method, scheme, host, path, "connection: close"}, {method, scheme, host, path, "keep-alive: 5"},
		{method, scheme, host, path, "proxy-connection: x"}, {method, scheme, host, path, "transfer-encoding: chunked"},
		{method, scheme, host, path, "upgrade: websocket"}, {method, scheme, host, path, "te: gzip"},
		{method, scheme, host, path, "content-length: 5"}, // and no body
		{method, scheme, host, path, "content-length: +0"}, {method, scheme, host, path, "content-length: 0", "content-length: 0"},
	} {
		v.raw(id, true, fields...)
		v.wantStatus(id, "400")
		v.wantReset(id, h2.ErrCodeProtocol)
		id += 2
	}
	v.still(id)
}

func TestABodyMustBeAsLongAsItSays(t *testing.T) {
	broken := make(chan error, 1)
	v := visit(t, func(w http.ResponseWriter, req *http.Request) {
		if req.ContentLength == 0 {
			return
		}
		_, err := io.ReadAll(req.Body)
		broken <- err
		<-req.Context().Done()
	})

	id := uint32(1)
	for _, body := range []string{"123456", "1234567890", "123", ""} {
		v.ask(id, false, "content-length: 5")
		v.must(v.WriteData(id, true, []byte(body)))
		v.wantReset(id, h2.ErrCodeProtocol)
		if err := within(t, broken, "the handler"); err == nil {
			t.Errorf("body %q: the handler read it whole", body)
		}
		id += 2
	}
	v.still(id)
}

func TestTrailersOfARequestMustBeTheEnd(t *testing.T) {
	v := visit(t, func(w http.ResponseWriter, req *http.Request) { io.Copy(io.Discard, req.Body) })

	for i, trailer := range []string{":path: /", "connection: close", "Upper: case"} {
		id := uint32(2*i + 1)
		v.ask(id, false)
		v.raw(id, true, trailer)
		v.wantReset(id, h2.ErrCodeProtocol)
	}
	v.ask(7, false)
	v.raw(7, false, "a: b") // and no end
	v.wantReset(7, h2.ErrCodeProtocol)
	v.still(9)
}

func TestHeadsHaveLimits(t *testing.T) {
	v := visit(t, hello)
	filler := strings.Repeat("x", 15<<10)

	v.ask(1, true, "a: "+filler, "b: "+filler, "c: "+filler, "d: "+filler, "e: "+filler)
	v.wantStatus(1, "431")
	v.raw(3, true, ":method: GET", ":scheme: https", ":authority: blog.test", ":path: /"+strings.Repeat("p", 40<<10))
	v.wantStatus(3, "414")
	v.ask(5, true, "a: "+filler, "b: "+filler)
	v.wantStatus(5, "200")
}

func TestAFrameAtTheWrongTimeEndsTheConnection(t *testing.T) {
	for what, say := range map[string]struct {
		code h2.ErrCode
		say  func(v *visitor)
	}{
		"DATA before HEADERS":          {h2.ErrCodeProtocol, func(v *visitor) { v.WriteData(1, true, nil) }},
		"RST_STREAM before HEADERS":    {h2.ErrCodeProtocol, func(v *visitor) { v.WriteRSTStream(1, 0) }},
		"WINDOW_UPDATE before HEADERS": {h2.ErrCodeProtocol, func(v *visitor) { v.WriteWindowUpdate(1, 1) }},
		"a stream of ours":             {h2.ErrCodeProtocol, func(v *visitor) { v.ask(2, true) }},
		"a stream that goes back":      {h2.ErrCodeProtocol, func(v *visitor) { v.ask(5, true); v.ask(3, true) }},
		"a push":                       {h2.ErrCodeProtocol, func(v *visitor) { v.WritePushPromise(h2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true}) }},
		"an ACK of nothing":            {h2.ErrCodeProtocol, func(v *visitor) { v.WriteSettingsAck(); v.WriteSettingsAck() }},
		"a setting that cannot be":     {h2.ErrCodeFlowControl, func(v *visitor) { v.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 1 << 31}) }},
		"a window that overflows":      {h2.ErrCodeFlowControl, func(v *visitor) { v.WriteWindowUpdate(0, 1<<31-1) }},
		"a frame that is too large":    {h2.ErrCodeFrameSize, func(v *visitor) { v.WriteRawFrame(h2.FrameData, 0, 1, make([]byte, 20<<10)) }},
		"a head that cannot be decoded": {h2.ErrCodeCompression, func(v *visitor) {
			v.WriteHeaders(h2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff}, EndHeaders: true})
		}},
		"a window that is exceeded": {h2.ErrCodeFlowControl, func(v *visitor) {
			for id := uint32(1); id < 20; id += 2 {
				v.ask(id, false)
				for range 32 {
					v.WriteData(id, false, make([]byte, 16<<10))
				}
			}
		}},
	} {
		t.Run(what, func(t *testing.T) {
			v := visit(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
			say.say(v)
			v.wantGoAway(say.code)
		})
	}
}

func TestAStreamsWindowEndsTheStreamOnly(t *testing.T) {
	v := visit(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Method == "GET" && req.ContentLength < 0 {
			<-req.Context().Done()
		}
	})

	v.ask(1, false)
	v.must(v.WriteWindowUpdate(1, 1<<31-1))
	v.wantReset(1, h2.ErrCodeFlowControl)
	v.ask(3, false)
	for range 33 {
		v.must(v.WriteData(3, false, make([]byte, 16<<10)))
	}
	v.wantReset(3, h2.ErrCodeFlowControl)
	v.still(5)
}
