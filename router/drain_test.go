package router_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// slow is an app whose answers wait for finish, or for the visitor to leave.
func slow(t *testing.T) (addr string, arrived <-chan struct{}, finish chan<- struct{}) {
	in, out := make(chan struct{}, 10), make(chan struct{})
	return app(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/begun" {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		in <- struct{}{}
		select {
		case <-out:
			io.WriteString(w, "done")
		case <-req.Context().Done():
		}
	}), in, out
}

func TestDrainWaitsForWhatIsUnderWayAndNothingElse(t *testing.T) {
	d := open(t)
	addr, arrived, finish := slow(t)
	d.blog(addr)
	answer := make(chan string, 1)
	go func() {
		_, body := d.get("https://blog.test/")
		answer <- body
	}()
	within(t, arrived, "the request at the old app")

	old := d.blog(app(t, says("new")))
	report := make(chan router.Report, 1)
	go func() { report <- old.Drain(t.Context(), time.Minute) }()
	for range 5 {
		if _, body := d.get("https://blog.test/"); body != "new" {
			t.Errorf("after the switch %q answers, want new", body)
		}
	}
	select {
	case r := <-report:
		t.Fatalf("drain returned %+v with a request under way", r)
	default:
	}
	finish <- struct{}{}

	if body := within(t, answer, "the old app's answer"); body != "done" {
		t.Errorf("the request under way got %q, want done", body)
	}
	if r := within(t, report, "the drain"); r.Served != 1 || r.Failed != 0 || r.Cut != 0 || r.Took <= 0 {
		t.Errorf("report = %+v, want one served", r)
	}
	until(t, "all are counted", func() bool { return d.router.Stats("blog") == router.Stats{Requests: 6} })
}

func TestDrainCutsAtTheLimitWhateverIsWaitedFor(t *testing.T) {
	stuck := func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		<-req.Context().Done()
	}
	flood := func(w http.ResponseWriter, req *http.Request) { io.Copy(w, zeros{}) }
	nothing := func() io.Reader { return nil }
	stall := func() io.Reader { r, _ := io.Pipe(); return r }
	for name, c := range map[string]struct {
		app   http.HandlerFunc
		body  func() io.Reader
		reads bool
	}{
		"an app that does not answer": {stuck, nothing, true},
		"an app that does not finish": {flood, nothing, true},
		"a visitor who does not read": {flood, nothing, false},
		"a visitor who does not send": {stuck, stall, true},
		"one who does neither":        {flood, stall, false},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, http2), func(t *testing.T) {
				d := open(t, func(s *router.Server) { s.Grace = time.Millisecond })
				arrived := make(chan struct{}, 1)
				d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
					arrived <- struct{}{}
					c.app(w, req)
				}))
				ended := make(chan string, 1)
				go func() { ended <- d.visit(c.body(), c.reads, http2) }()
				within(t, arrived, "the request")

				report := make(chan router.Report, 1)
				go func() { report <- d.router.Remove("blog").Drain(t.Context(), 50*time.Millisecond) }()

				if r := within(t, report, "the drain"); r.Cut != 1 || r.Served != 0 || r.Failed != 0 || r.Took < 50*time.Millisecond || r.Took > 20*time.Second {
					t.Errorf("report = %+v, want one cut at the limit", r)
				}
				if !c.reads {
					return
				}
				if end := within(t, ended, "the visitor to be told"); end == "200 OK" {
					t.Error("the visitor took it for a whole answer")
				}
			})
		}
	}
}

// visit posts to the blog and returns how that ended.
func (d *door) visit(body io.Reader, reads, http2 bool) string {
	req, _ := http.NewRequestWithContext(d.t.Context(), "POST", "https://blog.test/", body)
	res, err := d.client(http2).Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	if !reads {
		<-d.t.Context().Done()
		return "left"
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err.Error()
	}
	return res.Status
}

func TestARequestThatIsCutBeforeItsAnswerGetsAPage(t *testing.T) {
	d := open(t)
	addr, arrived, _ := slow(t)
	d.blog(addr)
	answer := make(chan string, 1)
	go func() {
		status, body := d.get("https://blog.test/")
		answer <- http.StatusText(status) + " " + body
	}()
	within(t, arrived, "the request")

	old := d.blog()
	old.Drain(t.Context(), 0)

	if got := within(t, answer, "the answer"); !strings.HasPrefix(got, "Service Unavailable") || !strings.Contains(got, "H18") {
		t.Errorf("the visitor got %q, want 503 H18", got)
	}
	if stats := d.router.Stats("blog"); stats != (router.Stats{Requests: 1, Failed: 1}) {
		t.Errorf("stats = %+v, want the cut one counted as failed", stats)
	}
}

func TestDrainThatIsCalledOffCutsNothing(t *testing.T) {
	d := open(t)
	addr, arrived, finish := slow(t)
	d.blog(addr)
	answer := make(chan string, 1)
	go func() {
		_, body := d.get("https://blog.test/")
		answer <- body
	}()
	within(t, arrived, "the request")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	report := d.blog().Drain(ctx, time.Minute)
	finish <- struct{}{}

	if report.Served+report.Failed+report.Cut != 0 {
		t.Errorf("report = %+v, want nothing ended", report)
	}
	if body := within(t, answer, "the answer"); body != "done" {
		t.Errorf("the visitor got %q, want done", body)
	}
}

func TestNoGenerationHasNothingToDrain(t *testing.T) {
	var none *router.Generation

	if r := none.Drain(t.Context(), time.Minute); r != (router.Report{}) {
		t.Errorf("report = %+v, want the zero one", r)
	}
}

func TestNewTargetsKeepTheGeneration(t *testing.T) {
	d := open(t)
	addr, arrived, finish := slow(t)
	d.blog(addr)
	answer := make(chan string, 1)
	go func() {
		_, body := d.get("https://blog.test/")
		answer <- body
	}()
	within(t, arrived, "the request")

	d.router.SetTargets("blog", []string{app(t, says("restarted"))})

	if _, body := d.get("https://blog.test/"); body != "restarted" {
		t.Errorf("after SetTargets %q answers, want restarted", body)
	}
	until(t, "that one has left", func() bool { return d.router.Stats("blog").Requests == 1 })
	report := make(chan router.Report, 1)
	old := d.router.Remove("blog")
	go func() { report <- old.Drain(t.Context(), time.Minute) }()
	finish <- struct{}{}
	if body := within(t, answer, "the answer"); body != "done" {
		t.Errorf("what was under way got %q, want done", body)
	}
	if r := within(t, report, "the drain"); r.Served != 1 {
		t.Errorf("report = %+v, want the request from before SetTargets in it", r)
	}
	d.router.SetTargets("nobody", []string{"127.0.0.1:1"})
}
