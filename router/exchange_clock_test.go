package router_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

func (d *door) hurried(limits router.Timeouts, targets ...string) {
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: targets, Policy: router.Policy{Timeouts: limits}})
}

func TestAnAppThatDoesNotAnswerInTimeGetsAPage(t *testing.T) {
	d := open(t)
	d.hurried(router.Timeouts{FirstByte: 400 * time.Millisecond}, app(t, func(_ http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		<-req.Context().Done()
	}))

	for _, http2 := range []bool{false, true} {
		for _, body := range []io.Reader{nil, strings.NewReader("small"), io.LimitReader(zeros{}, 1<<20)} {
			res, err := d.client(http2).Post("https://blog.test/", "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			if text := read(t, res.Body); res.StatusCode != 504 || !strings.Contains(text, "H12") {
				t.Errorf("HTTP/2 %v: %s %q, want 504 H12", http2, res.Status, text)
			}
			res.Body.Close()
		}
	}
	until(t, "all are counted", func() bool { return d.router.Stats("blog") == router.Stats{Requests: 6, Failed: 6} })
}

func TestAnUploadMayTakeLongerThanTheFirstByte(t *testing.T) {
	d := open(t)
	arrived := make(chan struct{}, 1)
	d.hurried(router.Timeouts{FirstByte: 300 * time.Millisecond}, app(t, func(w http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		io.Copy(w, req.Body)
	}))
	body, say := io.Pipe()
	answer := make(chan string, 1)
	go func() {
		res, err := d.client(false).Post("https://blog.test/", "text/plain", body)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	within(t, arrived, "the request")

	// Three times the limit, for a visitor who is slow to send.
	time.AfterFunc(900*time.Millisecond, func() { io.WriteString(say, "late"); say.Close() })

	if got := within(t, answer, "the answer"); got != "late" {
		t.Errorf("got %q, want late", got)
	}
}

func TestSilenceEndsAnAnswerAndAWebSocket(t *testing.T) {
	d := open(t)
	ended := make(chan struct{}, 1)
	ws := echo(t, ended)
	d.hurried(router.Timeouts{Idle: 500 * time.Millisecond}, app(t, func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(200)
		for range 10 {
			// Not silent: five times the limit in all.
			time.Sleep(250 * time.Millisecond)
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
		<-req.Context().Done()
	}))
	res, err := d.client(false).Get("https://blog.test/")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err == nil || string(b) != strings.Repeat("x", 10) {
		t.Errorf("got %q, %v, want all ten and then an error", b, err)
	}

	d.hurried(router.Timeouts{Idle: 500 * time.Millisecond}, ws)
	_, r := d.upgrade()
	if _, err := r.ReadByte(); err == nil {
		t.Error("the WebSocket spoke, want it ended")
	}
	within(t, ended, "the app to see the end")
}
