package http2_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"

	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/router/http2"
	"github.com/berthhq/berth/router/wire"
)

// FuzzConnection has a visitor say anything. Nothing may panic, and nobody may
// be left behind when the visitor has gone.
func FuzzConnection(f *testing.F) {
	settings := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}
	frame := func(kind h2.FrameType, flags byte, id byte, payload ...byte) []byte {
		return append([]byte{0, 0, byte(len(payload)), byte(kind), flags, 0, 0, 0, id}, payload...)
	}
	ask := frame(h2.FrameHeaders, 4, 1, get...)
	f.Add(append(settings, ask...))
	f.Add(append(append(settings, ask...), frame(h2.FrameData, 1, 1, 1, 2, 3)...))
	f.Add(append(append(settings, ask...), frame(h2.FrameRSTStream, 0, 1, 0, 0, 0, 8)...))
	f.Add(append(append(settings, ask...), frame(h2.FrameWindowUpdate, 0, 1, 0x7f, 0xff, 0xff, 0xff)...))
	f.Add(append(append(settings, ask...), frame(h2.FrameHeaders, 5, 1, 0)...))
	f.Add(append(settings, frame(h2.FrameHeaders, 0, 3, 0x82)...))
	f.Add(append(settings, frame(h2.FrameGoAway, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)...))
	f.Add(append(settings, frame(h2.FrameSettings, 0, 0, 0, 4, 0, 0, 0, 0)...))
	f.Fuzz(func(t *testing.T, said []byte) {
		before := runtime.NumGoroutine()
		ours, theirs := net.Pipe()
		s := &http2.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			io.Copy(w, req.Body)
			w.Write(make([]byte, 5000))
		})}
		ended := make(chan bool)
		go func() {
			defer close(ended)
			s.Serve(context.Background(), http2.Wires{Conn: theirs, Cork: &wire.Cork{Conn: theirs}})
		}()
		go io.Copy(io.Discard, ours)
		ours.SetWriteDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(ours, h2.ClientPreface)
		ours.Write(said)
		ours.Close()
		within(t, ended, "the end of the connection")
		s.Shutdown()
		await.That(t, "nobody is left", func() bool { return runtime.NumGoroutine() <= before })
	})
}
