package http2_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"
)

// Rapid reset (CVE-2023-44487): a request that is cancelled at once costs the
// visitor nothing, and us all the work.
func TestRapidResetsEndTheConnection(t *testing.T) {
	var now, most, all atomic.Int64
	v := visit(t, func(_ http.ResponseWriter, req *http.Request) {
		all.Add(1)
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-req.Context().Done()
		<-time.After(50 * time.Millisecond) // an app that takes a while to notice
		now.Add(-1)
	})

	go func() {
		for id := uint32(1); id < 20_000; id += 2 {
			if v.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: get, EndStream: true, EndHeaders: true}) != nil ||
				v.WriteRSTStream(id, h2.ErrCodeCancel) != nil {
				return
			}
		}
	}()
	v.wantGoAway(h2.ErrCodeEnhanceYourCalm)

	if n := most.Load(); n > 500 {
		t.Errorf("%d requests were under way at once, want 500 at most", n)
	}
	if n := all.Load(); n > 2000 {
		t.Errorf("%d requests were begun", n)
	}
}

// get is a head without anything that changes the table of names.
var get = []byte{0x82, 0x84, 0x87, 0x01, 0x04, 'b', 'l', 'o', 'g'}

// MadeYouReset (CVE-2025-8671): the same, but it is we who reset.
func TestHavingUsResetIsNoWayAroundIt(t *testing.T) {
	v := visit(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })

	go func() {
		for id := uint32(1); id < 20_000; id += 2 {
			if v.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: get, EndStream: true, EndHeaders: true}) != nil ||
				v.WriteWindowUpdate(id, 1<<31-1) != nil {
				return
			}
		}
	}()

	v.wantGoAway(h2.ErrCodeEnhanceYourCalm)
}

func TestAPageThatIsLeftMayCancelAllItsRequests(t *testing.T) {
	v := visit(t, func(_ http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Stay") == "" {
			<-req.Context().Done()
		}
	})
	id := uint32(1)
	for ; id < 500; id += 2 {
		v.must(v.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: get, EndStream: true, EndHeaders: true}))
	}
	for old := uint32(1); old < id; old += 2 {
		v.must(v.WriteRSTStream(old, h2.ErrCodeCancel))
	}

	v.ask(id, true, "stay: yes")
	v.wantStatus(id, "200")
}

func TestMoreStreamsThanAnnouncedAreRefused(t *testing.T) {
	v := visit(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	for i := range uint32(251) {
		v.ask(2*i+1, true)
	}
	v.wantReset(501, h2.ErrCodeRefusedStream)
}

func TestFloodsEndTheConnection(t *testing.T) {
	for what, say := range map[string]func(v *visitor, i int) error{
		"SETTINGS":   func(v *visitor, _ int) error { return v.WriteSettings() },
		"PING":       func(v *visitor, _ int) error { return v.WritePing(false, [8]byte{}) },
		"PRIORITY":   func(v *visitor, _ int) error { return v.WritePriority(3, h2.PriorityParam{}) },
		"empty DATA": func(v *visitor, _ int) error { return v.WriteData(1, false, nil) },
		"padding":    func(v *visitor, _ int) error { return v.WriteDataPadded(1, false, nil, make([]byte, 9)) },
		"unknown":    func(v *visitor, _ int) error { return v.WriteRawFrame(0x77, 0, 1, nil) },
		"closed":     func(v *visitor, i int) error { return v.WriteWindowUpdate(3, 1) },
		"CONTINUATION": func(v *visitor, i int) error {
			if i == 0 {
				return v.WriteHeaders(h2.HeadersFrameParam{StreamID: 5, BlockFragment: get})
			}
			return v.WriteContinuation(5, false, nil)
		},
		"refused heads": func(v *visitor, i int) error {
			return v.WriteHeaders(h2.HeadersFrameParam{StreamID: uint32(2*i + 5), BlockFragment: []byte{0x82}, EndStream: true, EndHeaders: true})
		},
	} {
		t.Run(what, func(t *testing.T) {
			v := visit(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
			v.ask(1, false)
			v.ask(3, true)
			v.must(v.WriteRSTStream(3, h2.ErrCodeCancel))
			go func() {
				for i := range 100_000 {
					if say(v, i) != nil {
						return
					}
				}
			}()
			v.wantGoAway(h2.ErrCodeEnhanceYourCalm)
		})
	}
}

// A visitor who asks and does not read the answers must not have us keep them.
func TestAnswersToWhoDoesNotReadThemAreNotKept(t *testing.T) {
	v := visit(t, hello)
	for {
		if v.WritePing(false, [8]byte{}) != nil {
			break // the connection has been given up
		}
	}
	v.conn.Close()
	within(t, v.ended, "the end of the connection")
}
