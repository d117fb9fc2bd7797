package pipeline_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/pipeline"
)

// visitors is how many ask at the same time.
const visitors = 4

// visits has visitors ask the app again and again until the function that it
// returns is called, which returns how many were answered, and what went wrong.
func (w *world) visits(host string) (end func() (answered int64, failed []string)) {
	var stop atomic.Bool
	var answered atomic.Int64
	var mu sync.Mutex
	var failed []string
	var group sync.WaitGroup
	for range visitors {
		group.Go(func() {
			for !stop.Load() {
				answer := httptest.NewRecorder()
				w.Router.ServeHTTP(answer, httptest.NewRequest("GET", "https://"+host+"/", nil))
				if answered.Add(1); answer.Code != 200 {
					mu.Lock()
					failed = append(failed, answer.Body.String())
					mu.Unlock()
				}
			}
		})
	}
	return func() (int64, []string) {
		stop.Store(true)
		group.Wait()
		return answered.Load(), failed
	}
}

// overlapped reports whether two generations of web were there at once, from
// the calls of the engine.
func overlapped(calls []string) bool {
	return slices.Index(calls, "Stop blog.web.1 v1") > slices.Index(calls, "Start blog.web v2")
}

func TestProcessesThatMayNotOverlapTakeTurnsAndNoRequestIsLost(t *testing.T) {
	sayNo := func(w *world) {
		w.must(w.Store.SetApp(t.Context(), "blog", pipeline.OverlapSetting, "off"))
	}
	sayYes := func(w *world) { w.must(w.Store.SetApp(t.Context(), "blog", pipeline.OverlapSetting, "on")) }
	for name, tt := range map[string]struct {
		files files
		set   func(*world)
		side  bool // they run side by side
	}{
		"nothing is said":            {serves(), func(*world) {}, true},
		"it is set":                  {serves(), sayNo, false},
		"app.json says so":           {serves().and("app.json", `{"formation": {"web": {"overlap": false}}}`), func(*world) {}, false},
		"a setting goes before that": {serves().and("app.json", `{"formation": {"web": {"overlap": false}}}`), sayYes, true},
		"a volume":                   {composed(`"serve"`), func(*world) {}, false},
		"a volume that is shared":    {composed(`"serve"`), func(w *world) { w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"web": 2})) }, true},
		"a volume, and it is set":    {composed(`"serve"`), sayYes, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Builders = append(w.Builders, builder.Compose{})
			if tt.files["compose.yaml"] != "" {
				w.Builders = []builder.Builder{builder.Compose{}}
			}
			tt.set(w)
			w.deployed("blog", tt.files)
			begun := len(w.engine.Calls())
			end := w.visits("blog.localhost")

			out, err := w.push("blog", tt.files)
			w.Wait()

			answered, failed := end()
			if err != nil || len(failed) > 0 || answered == 0 {
				t.Errorf("push: %v; %d of %d requests failed: %.1q\n%s", err, len(failed), answered, failed, out)
			}
			if !strings.Contains(out, "v2 live; ") || !strings.Contains(out, " during the switch, 0 failed\n") {
				t.Errorf("the push does not say that no request failed:\n%s", out)
			}
			calls := w.engine.Calls()[begun:]
			if got := overlapped(calls); got != tt.side {
				t.Errorf("side by side: %v, want %v; calls = %q", got, tt.side, calls)
			}
		})
	}
}

// The old one has ended by the time the new one turns out not to work.
func TestWhatServedIsStartedAgainBeforeAnybodyNoticesThatTheNewOneFails(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.OverlapSetting, "off"))
	w.deployed("blog", serves())
	before := w.only("blog")
	end := w.visits("blog.localhost")

	out, err := w.push("blog", serves("say", "3", "no coffee"))
	w.Wait()

	answered, failed := end()
	if err == nil || !strings.Contains(err.Error(), "exited with status 3") || !strings.Contains(out, "v1 serves again after ") {
		t.Errorf("push: %v, want it to fail and to say that v1 serves again\n%s", err, out)
	}
	if len(failed) > 0 || answered == 0 {
		t.Errorf("%d of %d requests failed: %.1q", len(failed), answered, failed)
	}
	after := w.only("blog")
	if after.ID == before.ID || after.Release != 1 || after.Kept == appliance.Never {
		t.Errorf("process = %+v, want another one of v1 that is kept", after)
	}
	w.wantAnswer("blog.localhost", "hello")
}

func TestAPushThatIsCancelledWhileRequestsWaitBringsBackWhatServed(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.OverlapSetting, "off"))
	w.deployed("blog", serves())
	started := w.hold("Start")
	push := w.beginPush("ada", "blog", serves())
	<-started.reached
	visitor := make(chan int, 1)
	go func() {
		status, _ := w.get("blog.localhost")
		visitor <- status
	}()

	push.cancel(appliance.ErrDenied)
	close(started.open)

	if err := push.end(); err == nil {
		t.Error("the push succeeded, want it to be cancelled")
	}
	if status := <-visitor; status != 200 {
		t.Errorf("the visitor who waited got %d, want 200", status)
	}
	w.wantProcesses("blog", "web.1 v1")
}
