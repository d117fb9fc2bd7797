package pipeline_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance/pipeline"
)

// A request that fails because of the app fails during the switch as always.
func TestThePushSaysHowManyRequestsOfTheSwitchFailed(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.CheckPathSetting, "tcp"))
	arrived, answer := make(chan struct{}, 2), make(chan bool)
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/slow" {
			io.WriteString(rw, "old")
			return
		}
		arrived <- struct{}{}
		if breakOff := <-answer; breakOff {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(rw, "hello")
	}))
	defer app.Close()
	w.engine.Addr = app.Listener.Addr().String()
	first, err := w.push("blog", serves())
	if err != nil || strings.Contains(first, "during the switch") {
		t.Errorf("first push: %v, want no word of a switch\n%s", err, first)
	}
	statuses := make(chan int, 2)
	for range 2 {
		go func() {
			answer := httptest.NewRecorder()
			w.Router.ServeHTTP(answer, httptest.NewRequest("GET", "https://blog.localhost/slow", nil))
			statuses <- answer.Code
		}()
		<-arrived
	}

	w.engine.Addr = ""

	push := w.beginPush("ada", "blog", serves())
	w.eventually("the new one answers", func() bool {
		_, body := w.get("blog.localhost")
		return body == "hello"
	})
	answer <- true
	answer <- false

	if err := push.end(); err != nil {
		t.Fatal(err)
	}
	if a, b := <-statuses, <-statuses; a+b != 200+502 {
		t.Errorf("statuses = %d and %d, want one answer and one that broke off", a, b)
	}
	// Those two, and the last that asked whether it is the new one.
	if !regexp.MustCompile(`       v2 live; ([3-9]|[1-9][0-9]+) requests during the switch, 1 failed\n`).MatchString(push.out.String()) {
		t.Errorf("the push does not say that one of three or more requests failed:\n%s", push.out)
	}
}
