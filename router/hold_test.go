package router

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

// plenty bounds nothing that a test does.
var plenty = Bounds{Requests: 1000, Bytes: 1 << 30, Time: time.Minute}

// onHold is a router whose service is on hold, and a way to count who waits.
func onHold(t *testing.T, b Bounds) (r *Router, h *hold) {
	t.Helper()
	r = New(nil)
	if _, err := r.Swap(Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{says(t, "old")}}); err != nil {
		t.Fatal(err)
	}
	if old := r.Hold("blog", b); old == nil {
		t.Fatal("Hold = nil, want what served")
	}
	return r, r.generation("blog").hold.Load()
}

func says(t *testing.T, text string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func (h *hold) waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.queue.Len()
}

// A caller asks a router, and its answer comes when it does.
type caller struct {
	w    *httptest.ResponseRecorder
	hang context.CancelFunc
	done chan any // gets what the handler panicked with, or nil
}

func call(r *Router, body io.Reader) caller {
	ctx, cancel := context.WithCancel(context.Background())
	c := caller{httptest.NewRecorder(), cancel, make(chan any, 1)}
	req := httptest.NewRequestWithContext(ctx, "POST", "http://blog.test/", body)
	go func() {
		defer func() { c.done <- recover() }()
		r.ServeHTTP(c.w, req)
	}()
	return c
}

// answer waits for the end, and returns the status and the body.
func (c caller) answer(t *testing.T) string {
	t.Helper()
	defer c.hang()
	select {
	case p := <-c.done:
		if p != nil {
			return fmt.Sprint(p)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no answer within 20 s")
	}
	return fmt.Sprintf("%d %s", c.w.Code, c.w.Body)
}

func TestWhatComesDuringAHoldIsServedByTheNext(t *testing.T) {
	for name, end := range map[string]func(r *Router, next string) error{
		"Swap": func(r *Router, next string) error {
			_, err := r.Swap(Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{next}})
			return err
		},
		"Release": func(r *Router, next string) error {
			r.SetTargets("blog", []string{next})
			r.Release("blog")
			return nil
		},
		// Updates come while it is on hold, and end nothing.
		"Update, then Release": func(r *Router, next string) error {
			for _, policy := range []Policy{{}, {MaxBody: 7}} {
				if err := r.Update(Service{Name: "blog", Hosts: []string{"blog.test", "www.blog.test"}, Targets: []string{next}, Policy: policy}); err != nil {
					return err
				}
			}
			if r.generation("blog").hold.Load() == nil {
				return fmt.Errorf("the update has ended the hold")
			}
			r.Release("blog")
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, h := onHold(t, plenty)
			var calls []caller
			for range 20 {
				calls = append(calls, call(r, strings.NewReader("body")))
			}
			await.That(t, "all wait", func() bool { return h.waiting() == 20 })
			if again := r.Hold("blog", plenty); again != nil {
				t.Error("a second Hold returned a generation, want nil: nothing serves")
			}

			if err := end(r, says(t, "next")); err != nil {
				t.Fatal(err)
			}

			for _, c := range append(calls, call(r, nil)) {
				if got := c.answer(t); got != "200 next" {
					t.Errorf("got %q, want 200 next", got)
				}
			}
			if stats := r.Stats("blog"); stats != (Stats{Requests: 21}) {
				t.Errorf("stats = %+v, want each counted once and none failed", stats)
			}
		})
	}
}

func TestWhatIsUnderWayGoesOnDuringAHold(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-finish
		io.WriteString(w, "done")
	}))
	defer s.Close()
	r := New(nil)
	if _, err := r.Swap(Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{s.Listener.Addr().String()}}); err != nil {
		t.Fatal(err)
	}
	early := call(r, nil)
	<-arrived

	old := r.Hold("blog", plenty)
	late := call(r, nil)
	h := r.generation("blog").hold.Load()
	await.That(t, "the late one waits", func() bool { return h.waiting() == 1 })
	close(finish)

	if report := old.Drain(t.Context(), time.Minute); report.Served != 1 || report.Cut+report.Failed > 0 {
		t.Errorf("drain = %+v, want one served", report)
	}
	if got := early.answer(t); got != "200 done" {
		t.Errorf("the early one got %q, want 200 done", got)
	}
	r.Remove("blog")
	if got := late.answer(t); !strings.HasPrefix(got, "404") {
		t.Errorf("the late one got %q, want 404, as the service is gone", got)
	}
}

func TestTheFirstToComeIsTheFirstToGo(t *testing.T) {
	h := &hold{bounds: plenty}
	var queue []*parked
	for range 50 {
		p := &parked{turn: make(chan struct{}), gone: make(chan struct{})}
		if place, _ := h.enter(p); place == nil {
			t.Fatal("there is no place")
		}
		queue = append(queue, p)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.end()
	}()

	for i, p := range queue {
		select {
		case <-p.turn:
		case <-time.After(await.Patience):
			t.Fatalf("number %d never has its turn", i)
		}
		for n, other := range queue[i+1:] {
			select {
			case <-other.turn:
				t.Fatalf("number %d has its turn before number %d is gone", i+1+n, i)
			default:
			}
		}
		close(p.gone)
	}
	<-ended
}

func TestPastABoundThereIsAPageThatSaysWhenToComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		bounds Bounds
		fit    int
	}{
		"requests": {Bounds{Requests: 3, Bytes: 1 << 30, Time: time.Minute}, 3},
		"bytes":    {Bounds{Requests: 1000, Bytes: 2*(aConnection+mayBeThere) + 1000, Time: time.Minute}, 2},
		"time":     {Bounds{Requests: 1000, Bytes: 1 << 30, Time: time.Millisecond}, 0},
		"none":     {Bounds{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, h := onHold(t, c.bounds)
			var fit []caller
			for range c.fit {
				fit = append(fit, call(r, strings.NewReader(strings.Repeat("x", 1<<20))))
			}
			await.That(t, "as many wait as may", func() bool { return h.waiting() == c.fit })

			over := call(r, strings.NewReader(strings.Repeat("x", 1<<20)))

			if got := over.answer(t); !strings.HasPrefix(got, "503") || over.w.Header().Get("Retry-After") == "" || !strings.Contains(got, starting.Code) {
				t.Errorf("one more got %q, want 503 %s with Retry-After", got, starting.Code)
			}
			if stats := r.Stats("blog"); stats != (Stats{Requests: 1, Failed: 1}) {
				t.Errorf("stats = %+v, want the one that was refused", stats)
			}
			if _, err := r.Swap(Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{says(t, "next")}}); err != nil {
				t.Fatal(err)
			}
			for _, c := range fit {
				if got := c.answer(t); got != "200 next" {
					t.Errorf("one that fitted got %q, want 200 next", got)
				}
			}
		})
	}
}

func TestAVisitorWhoHangsUpMakesRoom(t *testing.T) {
	r, h := onHold(t, Bounds{Requests: 1, Bytes: 1 << 30, Time: time.Minute})
	gone := call(r, nil)
	await.That(t, "the first waits", func() bool { return h.waiting() == 1 })

	gone.hang()

	if got := gone.answer(t); got != http.ErrAbortHandler.Error() {
		t.Errorf("the handler ended with %q, want it to close the connection", got)
	}
	next := call(r, nil)
	await.That(t, "another waits in its place", func() bool { return h.waiting() == 1 })
	if h.queued > weight(httptest.NewRequest("POST", "http://blog.test/", nil)) {
		t.Errorf("%d bytes are counted, want those of one request", h.queued)
	}
	r.Remove("blog")
	next.answer(t)
	if r.Hold("nobody", plenty) != nil {
		t.Error("Hold of no service returned a generation")
	}
	r.Release("nobody")
}

// A visitor can hang up at the very moment in which the hold ends.
func TestAHoldEndsWhateverItsVisitorsDo(t *testing.T) {
	for range 200 {
		r, h := onHold(t, Bounds{Requests: 1000, Bytes: 1 << 30, Time: 10 * time.Millisecond})
		var calls []caller
		for range 10 {
			calls = append(calls, call(r, nil))
		}
		await.That(t, "some wait", func() bool { return h.waiting() > 0 || len(calls[9].done) > 0 })
		go func() {
			for _, c := range calls {
				c.hang()
			}
		}()
		r.Remove("blog")
		for _, c := range calls {
			c.answer(t)
		}
	}
}
