package router_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// Who begins an upload and sends no more (slow POST, "R-U-D-Y") would keep a
// process, a connection and a place among the requests for ever.
func TestAnUploadThatPausesIsEndedAndIsNotTheAppsFault(t *testing.T) {
	d, _ := quicly(t)
	left := make(chan struct{}, 10)
	for protocol, target := range map[string]string{
		"": app(t, func(_ http.ResponseWriter, req *http.Request) { io.Copy(io.Discard, req.Body); left <- struct{}{} }),
		router.HTTP2: mortal(t, func(_ http.ResponseWriter, req *http.Request) {
			io.Copy(io.Discard, req.Body)
			left <- struct{}{}
		}),
	} {
		d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{target}, Protocol: protocol,
			Policy: router.Policy{Timeouts: router.Timeouts{FirstByte: time.Minute, Idle: 400 * time.Millisecond}}})
		for way, client := range d.everyWay() {
			body, say := io.Pipe()
			defer say.Close()
			go io.WriteString(say, "some of it")
			req, _ := http.NewRequest("POST", "https://blog.test/", body)
			req.ContentLength = 100
			began := time.Now()

			res, err := client.Do(req)

			if err != nil {
				t.Errorf("%s to %q: %v", way, protocol, err)
				continue
			}
			if text := read(t, res.Body); res.StatusCode != 408 || !strings.Contains(text, "H28") {
				t.Errorf("%s to %q: %s %q, want 408 H28", way, protocol, res.Status, text)
			}
			res.Body.Close()
			if took := time.Since(began); took < 400*time.Millisecond {
				t.Errorf("%s to %q: ended after %v already", way, protocol, took)
			}
			within(t, left, "the app to be rid of it")
		}
	}
	until(t, "all are counted", func() bool { return d.router.Stats("blog").Requests == 6 })
	if stats := d.router.Stats("blog"); stats.Failed != 0 {
		t.Errorf("stats = %+v, want none failed: it was the visitors", stats)
	}
}

// Who sends a little now and then does send.
func TestAnUploadThatComesSlowlyArrives(t *testing.T) {
	const limit = 600 * time.Millisecond
	d, _ := quicly(t)
	d.hurried(router.Timeouts{FirstByte: time.Minute, Idle: limit}, app(t, func(w http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		fmt.Fprint(w, n, err)
	}))
	for way, client := range d.everyWay() {
		body, say := io.Pipe()
		go func() {
			for range 10 {
				time.Sleep(limit / 5) // twice the limit in all
				io.WriteString(say, "x")
			}
			say.Close()
		}()

		res, err := client.Post("https://blog.test/", "text/plain", body)

		if err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		if got := read(t, res.Body); got != "10 <nil>" {
			t.Errorf("%s: the app got %s, want all ten", way, got)
		}
		res.Body.Close()
	}
}

// An app that takes nothing of an upload would keep its visitor for ever.
func TestAnAppThatTakesNothingOfAnUploadGetsAPage(t *testing.T) {
	d, _ := quicly(t)
	d.hurried(router.Timeouts{FirstByte: time.Minute, Idle: 400 * time.Millisecond}, accepts(t, silent(t)))
	for way, client := range d.everyWay() {
		res, err := client.Post("https://blog.test/", "text/plain", io.LimitReader(zeros{}, 1<<30))
		if err != nil {
			t.Errorf("%s: %v", way, err)
			continue
		}
		if text := read(t, res.Body); res.StatusCode != 504 || !strings.Contains(text, "H12") {
			t.Errorf("%s: %s %q, want 504 H12", way, res.Status, text)
		}
		res.Body.Close()
	}
	until(t, "all are counted as the app's failures", func() bool { return d.router.Stats("blog") == router.Stats{Requests: 3, Failed: 3} })
}

// Until the app has said that it wants the body, it is not the visitor who is
// late.
func TestAnAppThatDoesNotSayWhetherItWantsABodyGetsAPage(t *testing.T) {
	d := open(t)
	d.hurried(router.Timeouts{FirstByte: 400 * time.Millisecond, Idle: time.Minute}, accepts(t, silent(t)))
	conn, err := tls.Dial("tcp", d.https, &tls.Config{ServerName: "blog.test", RootCAs: d.roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))

	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: blog.test\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")

	answer, _ := io.ReadAll(conn)
	if text := string(answer); !strings.HasPrefix(text, "HTTP/1.1 504 ") || !strings.Contains(text, "H12") {
		t.Errorf("answered %q, want 504 H12 alone", text)
	}
}
