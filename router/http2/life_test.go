package http2_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"

	"github.com/berthhq/berth/router/http2"
)

func limits(l http2.Limits) func(*http2.Server) { return func(s *http2.Server) { s.Limits = l } }

func TestWhoSaysNothingIsNotWaitedFor(t *testing.T) {
	v := arrive(t, hello, limits(http2.Limits{Preface: 20 * time.Millisecond}))
	v.wantEnd()
}

func TestWhoSpeaksSomethingElseIsTold(t *testing.T) {
	v := arrive(t, hello)
	io.WriteString(v.conn, "GET / HTTP/1.1\r\nHost: blog.test\r\n\r\n")
	v.wantGoAway(h2.ErrCodeProtocol)
}

func TestAnIdleConnectionIsClosedAndABusyOneIsNot(t *testing.T) {
	finish := make(chan bool)
	v := visit(t, func(http.ResponseWriter, *http.Request) { <-finish }, limits(http2.Limits{Idle: 100 * time.Millisecond, Silence: 20 * time.Millisecond}))
	v.ask(1, true)
	for begun := time.Now(); time.Since(begun) < 300*time.Millisecond; {
		v.skipTo(func(f h2.Frame) bool {
			if _, ok := f.(*h2.GoAwayFrame); ok {
				t.Fatal("the connection ends with a request under way")
			}
			p, ok := f.(*h2.PingFrame)
			return ok && v.WritePing(true, p.Data) == nil
		})
	}

	finish <- true

	v.wantStatus(1, "200")
	v.wantGoAway(h2.ErrCodeNo)
}

func TestWhoDoesNotAnswerAPingHasGone(t *testing.T) {
	gone := make(chan bool, 1)
	v := visit(t, func(_ http.ResponseWriter, req *http.Request) {
		<-req.Context().Done()
		gone <- true
	}, limits(http2.Limits{Silence: 20 * time.Millisecond, Answer: 20 * time.Millisecond}))
	v.ask(1, true)

	v.skipTo(func(f h2.Frame) bool { p, ok := f.(*h2.PingFrame); return ok && !p.IsAck() })

	v.wantEnd()
	within(t, gone, "the handler to hear of it")
}

func TestRequestsOnTheirWayAreAnsweredAfterAGoodbye(t *testing.T) {
	finish, arrived := make(chan bool), make(chan bool)
	v := visit(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- true
		<-finish
		io.WriteString(w, "done")
	})
	v.ask(1, true)
	within(t, arrived, "the first")

	v.server.Shutdown()
	g := v.skipTo(func(f h2.Frame) bool { _, ok := f.(*h2.GoAwayFrame); return ok }).(*h2.GoAwayFrame)
	if g.LastStreamID != 1<<31-1 || g.ErrCode != h2.ErrCodeNo {
		t.Errorf("the first goodbye is %v", g)
	}
	v.ask(3, true) // was on its way
	within(t, arrived, "the second")

	g = v.skipTo(func(f h2.Frame) bool { _, ok := f.(*h2.GoAwayFrame); return ok }).(*h2.GoAwayFrame)
	if g.LastStreamID != 3 {
		t.Errorf("the last goodbye is %v, want stream 3", g)
	}
	v.ask(5, true)
	v.wantReset(5, h2.ErrCodeRefusedStream)
	finish <- true
	finish <- true

	v.data(func(_ map[uint32]int, end map[uint32]bool) bool { return end[1] && end[3] })
	v.wantEnd()
}

func TestAResetAndTheEndOfAConnectionEndTheContext(t *testing.T) {
	ended := make(chan error)
	begun := make(chan bool)
	v := visit(t, func(_ http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithCancel(req.Context())
		defer cancel()
		noticed := make(chan bool)
		stop := context.AfterFunc(ctx, func() { close(noticed) })
		defer stop()
		never := context.AfterFunc(req.Context(), func() { t.Error("it was stopped") })
		if !never() {
			t.Error("cannot be stopped")
		}
		begun <- true
		<-req.Context().Done()
		<-noticed
		ended <- req.Context().Err()
	})

	v.ask(1, true)
	v.ask(3, true)
	within(t, begun, "one")
	within(t, begun, "the other")
	v.must(v.WriteRSTStream(1, h2.ErrCodeCancel))
	if err := within(t, ended, "the first"); err != context.Canceled {
		t.Errorf("Err = %v", err)
	}
	v.conn.Close()
	if err := within(t, ended, "the second"); err != context.Canceled {
		t.Errorf("Err = %v", err)
	}
}

func TestTheContextEndsWithTheHandler(t *testing.T) {
	contexts := make(chan context.Context, 1)
	v := visit(t, func(_ http.ResponseWriter, req *http.Request) { contexts <- req.Context() })

	v.still(1)

	within(t, within(t, contexts, "the handler").Done(), "the end of its context")
}

func TestAPanicResetsTheStreamOnly(t *testing.T) {
	v := visit(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Do") != "" {
			io.WriteString(w, "half of it")
			panic(http.ErrAbortHandler)
		}
	})

	v.ask(1, true, "do: panic")

	v.wantReset(1, h2.ErrCodeInternal)
	v.still(3)
}

func TestWhoComesAfterAShutdownIsAnsweredAndSentElsewhere(t *testing.T) {
	v := arrive(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "done") }, (*http2.Server).Shutdown)
	io.WriteString(v.conn, h2.ClientPreface)
	v.WriteSettings()
	v.ask(1, true)

	v.wantStatus(1, "200")
	v.wantEnd()
}
