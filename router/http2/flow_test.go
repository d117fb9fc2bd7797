package http2_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"

	"github.com/berthhq/berth/router/http2"
)

func zeros(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) { w.Write(make([]byte, n)) }
}

// data counts what comes on each stream, until enough says so.
func (v *visitor) data(enough func(got map[uint32]int, end map[uint32]bool) bool) {
	v.t.Helper()
	got, end := map[uint32]int{}, map[uint32]bool{}
	for !enough(got, end) {
		d := v.skipTo(func(f h2.Frame) bool { _, ok := f.(*h2.DataFrame); return ok }).(*h2.DataFrame)
		if got[d.StreamID] += len(d.Data()); d.StreamEnded() {
			end[d.StreamID] = true
		}
	}
}

func TestNoMoreIsSentThanTheVisitorHasRoomFor(t *testing.T) {
	v := visit(t, zeros(200_000))

	v.ask(1, true)
	v.data(func(got map[uint32]int, _ map[uint32]bool) bool { return got[1] == 65_535 })
	v.must(v.WritePing(false, [8]byte{1})) // the stream waits, the connection does not
	v.skipTo(func(f h2.Frame) bool {
		if d, ok := f.(*h2.DataFrame); ok {
			t.Fatalf("%d bytes more than there is room for", d.Length)
		}
		p, ok := f.(*h2.PingFrame)
		return ok && p.IsAck()
	})
	v.must(v.WriteWindowUpdate(1, 1<<20))
	v.must(v.WriteWindowUpdate(0, 1000))
	v.data(func(got map[uint32]int, _ map[uint32]bool) bool { return got[1] == 1000 })
	v.must(v.WriteWindowUpdate(0, 1<<20))
	v.data(func(got map[uint32]int, end map[uint32]bool) bool { return end[1] && got[1] == 200_000-66_535 })
}

func TestAWindowMayBecomeNegative(t *testing.T) {
	v := visit(t, zeros(100_000))
	v.ask(1, true)
	v.data(func(got map[uint32]int, _ map[uint32]bool) bool { return got[1] == 65_535 })

	v.must(v.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 10}))
	v.must(v.WriteWindowUpdate(0, 1<<20))
	v.must(v.WriteWindowUpdate(1, 65_525+7))

	v.data(func(got map[uint32]int, _ map[uint32]bool) bool { return got[1] == 7 })
}

func TestAStreamWithoutRoomHoldsUpNoOther(t *testing.T) {
	v := visit(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/" {
			w.Write(make([]byte, 1<<20))
		}
	})
	v.must(v.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 0}))
	for id := uint32(1); id < 100; id += 2 {
		v.ask(id, true)
		v.head(id)
	}

	v.raw(101, true, ":method: GET", ":scheme: https", ":authority: blog.test", ":path: /empty")

	v.wantStatus(101, "200")
}

func TestStreamsGetTheirTurns(t *testing.T) {
	v := visit(t, zeros(10<<20))
	v.must(v.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 1 << 30}))
	for id := uint32(1); id < 9; id += 2 {
		v.ask(id, true)
		v.head(id)
	}
	v.must(v.WriteWindowUpdate(0, 4<<20))

	v.data(func(got map[uint32]int, _ map[uint32]bool) bool {
		sum := 0
		for _, n := range got {
			sum += n
		}
		if sum < 3<<20 {
			return false
		}
		for id := uint32(1); id < 9; id += 2 {
			if got[id] < 256<<10 {
				t.Errorf("stream %d got %d of %d bytes", id, got[id], sum)
			}
		}
		return true
	})
}

func TestAVisitorWhoStallsLosesTheStream(t *testing.T) {
	failed := make(chan error, 1)
	v := visit(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/" {
			_, err := w.Write(make([]byte, 1<<20))
			failed <- err
		}
	}, func(s *http2.Server) {
		s.Limits = http2.Limits{Write: 50 * time.Millisecond, Silence: 20 * time.Millisecond}
	})

	v.ask(1, true)
	v.wantReset(1, h2.ErrCodeCancel)

	if err := within(t, failed, "the handler"); err == nil {
		t.Error("the handler has written all of it")
	}
}

func TestAnAppThatReadsNothingStopsOnlyItsVisitor(t *testing.T) {
	read := make(chan bool)
	v := visit(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Method == "GET" && req.ContentLength == 0 {
			return
		}
		<-read
		n, err := io.Copy(io.Discard, req.Body)
		fmt.Fprint(w, n, err)
	})
	const size = 512 << 10
	v.ask(1, false)
	for range size / (16 << 10) {
		v.must(v.WriteData(1, false, make([]byte, 16<<10)))
	}
	v.still(3)

	read <- true
	update := v.skipTo(func(f h2.Frame) bool { u, ok := f.(*h2.WindowUpdateFrame); return ok && u.StreamID == 1 })
	v.must(v.WriteData(1, true, make([]byte, 16<<10)))

	if n := update.(*h2.WindowUpdateFrame).Increment; n < size/2 {
		t.Errorf("the window grew by %d only, want half of it at once", n)
	}
	v.wantStatus(1, "200")
}

func TestDeadlinesAreKept(t *testing.T) {
	errs := make(chan error, 1)
	v := visit(t, func(w http.ResponseWriter, req *http.Request) {
		c := http.NewResponseController(w)
		switch req.Header.Get("Do") {
		case "read late":
			c.SetReadDeadline(time.Unix(1, 0))
			_, err := req.Body.Read(make([]byte, 1))
			errs <- err
		case "read":
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := req.Body.Read(make([]byte, 1))
			errs <- err
		case "write":
			c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := w.Write(make([]byte, 1<<20))
			errs <- err
		case "write, from elsewhere":
			time.AfterFunc(20*time.Millisecond, func() { c.SetWriteDeadline(time.Unix(1, 0)) })
			_, err := w.Write(make([]byte, 1<<20))
			errs <- err
		case "nothing":
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			c.SetReadDeadline(time.Time{})
			_, err := io.ReadAll(req.Body)
			errs <- err
		}
	})
	for i, do := range []string{"read late", "read", "write", "write, from elsewhere"} {
		v.ask(uint32(2*i+1), false, "do: "+do)
		if err := within(t, errs, do); !os.IsTimeout(err) {
			t.Errorf("%s: %v, want a timeout", do, err)
		}
	}
	v.ask(9, false, "do: nothing")
	v.must(v.WriteData(9, true, nil))
	if err := within(t, errs, "nothing"); err != nil {
		t.Errorf("without a deadline: %v", err)
	}
}
