package router_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/berthhq/berth/router"
)

// nobody is an address at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l := listen(t)
	defer l.Close()
	return l.Addr().String()
}

func TestATargetThatRefusesIsPassedOver(t *testing.T) {
	d := open(t)
	d.blog(nobody(t), app(t, func(_ http.ResponseWriter, req *http.Request) {
		if b, err := io.ReadAll(req.Body); string(b) != "body" {
			t.Errorf("the app got %q, %v, want the whole body", b, err)
		}
	}), nobody(t))

	for range 20 {
		res, err := d.client(false).Post("https://blog.test/", "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("got %s, want the target that listens to answer", res.Status)
		}
	}

	if stats := d.router.Stats("blog"); stats.Failed != 0 {
		t.Errorf("stats = %+v, want none failed", stats)
	}
}

func TestTargetsShareTheWork(t *testing.T) {
	d := open(t)
	var counts [3]atomic.Int32
	var targets []string
	for i := range counts {
		targets = append(targets, app(t, func(http.ResponseWriter, *http.Request) { counts[i].Add(1) }))
	}
	d.blog(targets...)

	for range 30 {
		d.get("https://blog.test/")
	}

	for i := range counts {
		if n := counts[i].Load(); n < 5 {
			t.Errorf("target %d got %d of 30 requests, want about 10", i, n)
		}
	}
}

func TestABusyTargetGetsFewerRequests(t *testing.T) {
	d := open(t)
	busy, arrived, finish := slow(t)
	d.blog(busy)
	// More than one: a request that was answered just now may still be counted
	// for a moment.
	const slowOnes = 4
	var visitors sync.WaitGroup
	for range slowOnes {
		visitors.Go(func() { d.get("https://blog.test/") })
		within(t, arrived, "the slow request")
	}
	d.router.SetTargets("blog", []string{busy, app(t, says("free"))})

	for range 10 {
		if _, body := d.get("https://blog.test/"); body != "free" {
			t.Errorf("%q answered, want the target that is free", body)
		}
	}
	for range slowOnes {
		finish <- struct{}{}
	}
	visitors.Wait()
}

func TestARequestOutlastsTheRestartOfItsOnlyTarget(t *testing.T) {
	for name, restart := range map[string]func(d *door, addr string){
		"at the same address": func(d *door, addr string) {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			s := httptest.NewUnstartedServer(says("back"))
			s.Listener.Close()
			s.Listener = l
			s.Start()
			t.Cleanup(s.Close)
		},
		"at another address": func(d *door, _ string) { d.router.SetTargets("blog", []string{app(t, says("back"))}) },
	} {
		d := open(t)
		addr := nobody(t)
		d.blog(addr)
		answer := make(chan string, 1)
		go func() {
			_, body := d.get("https://blog.test/")
			answer <- body
		}()

		// A restart takes this long; the request must come in before it.
		time.AfterFunc(300*time.Millisecond, func() { restart(d, addr) })

		if body := within(t, answer, "the answer"); body != "back" {
			t.Errorf("%s: got %q, want back", name, body)
		}
	}
}

func TestAServiceThatCannotBeReachedGetsAPage(t *testing.T) {
	d := open(t)
	d.blog(nobody(t))
	began := time.Now()

	res, err := d.client(true).Get("https://blog.test/")
	if err != nil {
		t.Fatal(err)
	}

	body := read(t, res.Body)
	if res.StatusCode != 502 || !strings.Contains(body, "H21") || res.Header.Get("Retry-After") == "" || res.Header.Get("X-Request-Id") == "" {
		t.Errorf("got %s %v %q, want 502 H21 with Retry-After", res.Status, res.Header, body)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("it gave up after %s, want it to wait for a restart", took)
	}
	until(t, "it is counted", func() bool { return d.router.Stats("blog").Failed == 1 })
}

func TestAServiceWithoutProcessesSaysSo(t *testing.T) {
	d := open(t)
	d.blog()

	res, err := d.client(false).Get("https://blog.test/")
	if err != nil {
		t.Fatal(err)
	}

	if body := read(t, res.Body); res.StatusCode != 503 || !strings.Contains(body, "H14") || res.Header.Get("Retry-After") == "" {
		t.Errorf("got %s %q, want 503 H14 with Retry-After", res.Status, body)
	}
}

// A request of which something has been sent may have been acted upon, and
// nobody may repeat a payment.
func TestARequestThatWasSentIsNotSentAgain(t *testing.T) {
	d := open(t)
	var seen atomic.Int32
	breaks := func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		seen.Add(1)
		panic(http.ErrAbortHandler)
	}
	d.blog(app(t, breaks), app(t, breaks))

	res, err := d.client(false).Post("https://blog.test/", "text/plain", strings.NewReader("pay"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()

	if res.StatusCode != 502 || seen.Load() != 1 {
		t.Errorf("got %s after %s, want 502 after one", res.Status, fmt.Sprint(seen.Load()))
	}
}

// Attack: a request that kills the process that gets it. Repeated by us, it
// would kill them all. Kept connections do not make a difference, and neither
// does that it says that it may be repeated.
func TestARequestThatKillsItsProcessKillsNoOther(t *testing.T) {
	for _, protocol := range []string{"", router.HTTP2} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS"} {
			t.Run(cmp.Or(protocol, "http/1.1")+" "+method, func(t *testing.T) {
				d := open(t)
				var seen atomic.Int32
				dies := func(w http.ResponseWriter, req *http.Request) {
					if req.URL.Path != "/die" {
						return
					}
					seen.Add(1)
					conn, _ := req.Context().Value(connKey{}).(net.Conn)
					conn.Close()
				}
				d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Protocol: protocol, Targets: []string{mortal(t, dies), mortal(t, dies)}})
				client := d.client(false)
				for range 8 { // both have kept connections
					d.get("https://blog.test/")
				}

				req, _ := http.NewRequest(method, "https://blog.test/die", nil)
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()

				if res.StatusCode != 502 || seen.Load() != 1 {
					t.Errorf("got %s after killing %d, want 502 after one", res.Status, seen.Load())
				}
			})
		}
	}
}

// A service that speaks HTTP/2 says why it gives up a request. Only what says
// that the request was not begun has it sent again.
func TestOnlyAnHTTP2RequestThatWasNotBegunIsSentAgain(t *testing.T) {
	reset := func(code h2.ErrCode) func(*h2.Framer, uint32) error {
		return func(f *h2.Framer, id uint32) error { return f.WriteRSTStream(id, code) }
	}
	for name, c := range map[string]struct {
		giveUp func(*h2.Framer, uint32) error
		want   int32 // how often the request is sent
	}{
		"PROTOCOL_ERROR": {giveUp: reset(h2.ErrCodeProtocol), want: 1},
		"INTERNAL_ERROR": {giveUp: reset(h2.ErrCodeInternal), want: 1},
		"CANCEL":         {giveUp: reset(h2.ErrCodeCancel), want: 1},
		"REFUSED_STREAM": {giveUp: reset(h2.ErrCodeRefusedStream), want: 2},
		"GOAWAY":         {giveUp: func(f *h2.Framer, id uint32) error { return f.WriteGoAway(id-2, h2.ErrCodeNo, nil) }, want: 2},
	} {
		// However the reset is cut into segments.
		for _, piece := range []int{1, 5, 1 << 20} {
			t.Run(fmt.Sprint(name, " in pieces of ", piece), func(t *testing.T) {
				d := open(t)
				var seen atomic.Int32
				d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Protocol: router.HTTP2, Targets: []string{fickle(t, piece, func(f *h2.Framer, id uint32, path string) error {
					if path == "/pay" && seen.Add(1) == 1 {
						return c.giveUp(f, id)
					}
					return f.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: true}) // :status 200
				})}})
				d.get("https://blog.test/") // the connection is kept, and used before

				res, err := d.client(false).Get("https://blog.test/pay")
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()

				if want := map[int32]int{1: 502, 2: 200}[c.want]; res.StatusCode != want || seen.Load() != c.want {
					t.Errorf("got %s after %d, want %d after %d", res.Status, seen.Load(), want, c.want)
				}
			})
		}
	}
}

// fickle is an app that speaks HTTP/2 frame by frame, in pieces.
func fickle(t *testing.T, piece int, answer func(f *h2.Framer, id uint32, path string) error) string {
	t.Helper()
	return accepts(t, func(conn net.Conn) {
		go func() {
			defer conn.Close()
			io.ReadFull(conn, make([]byte, len(h2.ClientPreface)))
			f := h2.NewFramer(pieces{conn, piece}, conn)
			f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			err := f.WriteSettings()
			for err == nil {
				var frame h2.Frame
				if frame, err = f.ReadFrame(); err != nil {
					return
				}
				switch frame := frame.(type) {
				case *h2.SettingsFrame:
					if !frame.IsAck() {
						err = f.WriteSettingsAck()
					}
				case *h2.MetaHeadersFrame:
					err = answer(f, frame.StreamID, frame.PseudoValue("path"))
				}
			}
		}()
	})
}

// pieces writes at most size bytes at a time.
type pieces struct {
	io.Writer
	size int
}

func (p pieces) Write(b []byte) (int, error) {
	for piece := range slices.Chunk(b, p.size) {
		if _, err := p.Writer.Write(piece); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

type connKey struct{}

// mortal is an app that can close the connection that a request came by.
func mortal(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
