package router_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// watched starts an app and tells when a connection to it has been closed.
func watched(t *testing.T, closed chan<- struct{}) string {
	t.Helper()
	s := httptest.NewUnstartedServer(says("hello"))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestEventsArriveWhenTheyAreSent(t *testing.T) {
	d := open(t)
	more := make(chan struct{})
	d.blog(app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n", i)
			w.(http.Flusher).Flush()
			<-more
		}
	}))

	for _, http2 := range []bool{false, true} {
		res, err := d.client(http2).Get("https://blog.test/")
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(res.Body)
		for i := range 3 {
			// The app sends the next one only after this one is here.
			if want := fmt.Sprintf("data: %d", i); !lines.Scan() || lines.Text() != want {
				t.Fatalf("HTTP/2 %v: got %q, %v, want %q", http2, lines.Text(), lines.Err(), want)
			}
			more <- struct{}{}
		}
		res.Body.Close()
	}
}

func TestAnAnswerOfKnownLengthIsNotHeldBackEither(t *testing.T) {
	d := open(t)
	more := make(chan struct{})
	d.blog(app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "6")
		io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		<-more
		io.WriteString(w, "two")
	}))

	for _, http2 := range []bool{false, true} {
		begun := make(chan *http.Response, 1)
		go func() {
			res, err := d.client(http2).Get("https://blog.test/")
			if err != nil {
				t.Error(err)
				return
			}
			io.ReadFull(res.Body, make([]byte, 3))
			begun <- res
		}()
		res := within(t, begun, "the first half before there is a second")
		more <- struct{}{}
		if rest := read(t, res.Body); rest != "two" {
			t.Errorf("HTTP/2 %v: the second half is %q, want two", http2, rest)
		}
		res.Body.Close()
	}
}

func TestAppAndVisitorCanTalkAtTheSameTime(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		for lines := bufio.NewScanner(req.Body); lines.Scan(); {
			fmt.Fprintln(w, strings.ToUpper(lines.Text()))
			w.(http.Flusher).Flush()
		}
	}))

	for _, http2 := range []bool{false, true} {
		body, say := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://blog.test/", body)
		answer := make(chan *http.Response, 1)
		go func() {
			res, err := d.client(http2).Do(req)
			if err != nil {
				t.Error(err)
			}
			answer <- res
		}()
		io.WriteString(say, "one\n")
		res := within(t, answer, "the header before the request is complete")
		lines := bufio.NewReader(res.Body)
		for _, word := range []string{"ONE", "TWO", "THREE"} {
			if line, err := lines.ReadString('\n'); line != word+"\n" {
				t.Fatalf("HTTP/2 %v: got %q, %v, want %s", http2, line, err, word)
			}
			if word != "THREE" {
				io.WriteString(say, map[string]string{"ONE": "two\n", "TWO": "three\n"}[word])
			}
		}
		say.Close()
		if rest := read(t, lines); rest != "" {
			t.Errorf("HTTP/2 %v: %q came after the end", http2, rest)
		}
		res.Body.Close()
	}
}

func TestALargeUploadArrivesWhole(t *testing.T) {
	d, _ := quicly(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		fmt.Fprint(w, n, err)
	}))
	const size = 32 << 20

	for way, client := range d.everyWay() {
		for _, length := range []int64{size, -1} {
			req, _ := http.NewRequest("PUT", "https://blog.test/", io.LimitReader(zeros{}, size))
			req.ContentLength = length
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := read(t, res.Body), fmt.Sprint(size, " <nil>"); got != want {
				t.Errorf("%s, length %d: the app read %s, want %s", way, length, got, want)
			}
			res.Body.Close()
		}
	}
}

// However much is uploaded, only a little of it is here at a time.
func TestALargeUploadTakesNoMoreMemoryThanASmallOne(t *testing.T) {
	const size, most = 96 << 20, 16 << 20
	d, _ := quicly(t)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		before, grown, total := heap(), int64(0), int64(0)
		for {
			n, err := io.CopyN(io.Discard, req.Body, size/8)
			total += n
			grown = max(grown, heap()-before)
			if err != nil {
				fmt.Fprint(w, total, err)
				break
			}
		}
		if grown > most {
			t.Errorf("%d MB more are in use during the upload, want less than %d", grown>>20, most>>20)
		}
	}))

	for way, client := range d.everyWay() {
		res, err := client.Post("https://blog.test/", "text/plain", io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := read(t, res.Body), fmt.Sprint(size, io.EOF); got != want {
			t.Errorf("%s: the app read %s, want %s", way, got, want)
		}
		res.Body.Close()
	}
}

func TestAPartIsAnsweredByTheAppAlone(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Etag", `"1"`)
		http.ServeContent(w, req, "film.txt", time.Time{}, strings.NewReader("0123456789"))
	}))
	for _, http2 := range []bool{false, true} {
		for _, c := range []struct {
			asked, condition string
			status           int
			said, body       string
		}{
			{"bytes=2-4", "", 206, "bytes 2-4/10", "234"},
			{"bytes=-3", `"1"`, 206, "bytes 7-9/10", "789"},
			{"bytes=2-4", `"2"`, 200, "", "0123456789"},
			{"bytes=20-", "", 416, "bytes */10", "invalid range: failed to overlap\n"},
		} {
			req, _ := http.NewRequest("GET", "https://blog.test/film.txt", nil)
			req.Header.Set("Range", c.asked)
			if c.condition != "" {
				req.Header.Set("If-Range", c.condition)
			}
			res, err := d.client(http2).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := read(t, res.Body)
			res.Body.Close()
			if res.StatusCode != c.status || res.Header.Get("Content-Range") != c.said || body != c.body {
				t.Errorf("HTTP/2 %v: %s if %s: got %s %q %q, want %d %q %q", http2, c.asked, c.condition, res.Status, res.Header.Get("Content-Range"), body, c.status, c.said, c.body)
			}
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestAVisitorWhoLeavesEndsTheRequestAtTheApp(t *testing.T) {
	d := open(t)
	arrived, left := make(chan struct{}), make(chan struct{})
	d.blog(app(t, func(_ http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		<-req.Context().Done()
		left <- struct{}{}
	}))

	for _, http2 := range []bool{false, true} {
		ctx, leave := cancellable(t)
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://blog.test/", nil)
		go d.client(http2).Do(req)
		within(t, arrived, "the request at the app")
		leave()
		within(t, left, "its end at the app")
	}

	until(t, "both are counted", func() bool { return d.router.Stats("blog").Requests == 2 })
	if stats := d.router.Stats("blog"); stats.Failed != 0 {
		t.Errorf("stats = %+v, want none failed: it was the visitors who left", stats)
	}
}

func TestAnAppThatBreaksOffIsCountedAsFailed(t *testing.T) {
	d := open(t)
	d.blog(app(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/half" {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	}))

	for _, http2 := range []bool{false, true} {
		res, err := d.client(http2).Get("https://blog.test/half")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("HTTP/2 %v: the visitor got no error for half an answer", http2)
		}
		res.Body.Close()
	}
	if status, body := d.get("https://blog.test/nothing"); status != 502 || !strings.Contains(body, "H13") {
		t.Errorf("no answer gave %d %q, want 502 H13", status, body)
	}

	until(t, "all are counted", func() bool { return d.router.Stats("blog").Requests == 3 })
	if stats := d.router.Stats("blog"); stats.Failed != 3 {
		t.Errorf("stats = %+v, want all failed", stats)
	}
}
