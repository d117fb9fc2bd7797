package router_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/berthhq/berth/router"
)

var compressing = router.Policy{Compression: router.Compression{On: true}}

// plain is what a body in a content coding says.
func plain(t *testing.T, coding string, r io.Reader) io.Reader {
	t.Helper()
	switch coding {
	case "":
		return r
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		return z
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(z.Close)
		return z
	}
	t.Fatalf("Content-Encoding: %s", coding)
	return nil
}

const prose = "All happy families are alike; each unhappy family is unhappy in its own way. "

func TestTextIsCompressedInTheWayThatTheVisitorWantsMost(t *testing.T) {
	text := strings.Repeat(prose, 100)
	d := guarded(t, compressing, app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Accept-Ranges", "bytes")
		io.WriteString(w, text)
	}))

	for accept, want := range map[string]string{
		"gzip": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd", "GZIP": "gzip", "gzip;q=1.0, zstd;q=0.5": "gzip", "gzip; q=0.1": "gzip",
		"*": "gzip", "*;q=0.5, gzip;q=0": "", "br, deflate": "", "": "", "identity": "", "gzip;q=0": "", "gzip;q=0.000, zstd;q=0": "",
		"identity;q=1, gzip;q=0.5": "", "identity;q=0.5, gzip;q=1": "gzip", "identity;q=0, *": "gzip", "gzip;q=nonsense": "", "gzip;q=2": "", "xgzip": "", "gzip,": "gzip", " , ,zstd": "zstd",
	} {
		for _, http2 := range []bool{false, true} {
			for _, method := range []string{"GET", "HEAD"} {
				req, _ := http.NewRequest(method, "https://blog.test/", nil)
				req.Header.Set("Accept-Encoding", accept)
				res, err := d.client(http2).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				coded, h := read(t, res.Body), res.Header
				res.Body.Close()
				if h.Get("Content-Encoding") != want || h.Get("Vary") != "Accept-Encoding" {
					t.Errorf("%s for %q: %v, want coding %q, and Vary", method, accept, h, want)
					continue
				}
				if method == "GET" {
					if got := read(t, plain(t, want, strings.NewReader(coded))); got != text {
						t.Errorf("for %q: %d bytes %.20q…, want the app's %d", accept, len(got), got, len(text))
					}
				}
				etag, length, ranges := `W/"v1"`, "", ""
				if want == "" {
					etag, length, ranges = `"v1"`, strconv.Itoa(len(text)), "bytes"
				} else if len(coded) > len(text)/10 {
					t.Errorf("for %q: %d bytes of %d", accept, len(coded), len(text))
				}
				if h.Get("Etag") != etag || h.Get("Content-Length") != length || h.Get("Accept-Ranges") != ranges {
					t.Errorf("%s for %q: ETag %s, length %q, ranges %q; want %s, %q, %q", method, accept, h.Get("Etag"), h.Get("Content-Length"), h.Get("Accept-Ranges"), etag, length, ranges)
				}
			}
		}
	}
}

func TestWhatIsNotToBeCompressedStaysAsItIs(t *testing.T) {
	text := strings.Repeat(prose, 100)
	var mu sync.Mutex
	var headers map[string]string
	var status int
	d := guarded(t, compressing, app(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body := text
		for name, value := range headers {
			if name == "size" {
				n, _ := strconv.Atoi(value)
				body = text[:n]
				continue
			}
			w.Header().Set(name, value)
		}
		if status != 204 && status != 304 {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))

	for _, c := range []struct {
		name    string
		status  int
		headers map[string]string
		want    string
	}{
		{"text", 200, map[string]string{"Content-Type": "text/plain"}, "gzip"},
		{"JSON", 200, map[string]string{"Content-Type": "Application/JSON;charset=utf-8"}, "gzip"},
		{"SVG", 200, map[string]string{"Content-Type": "image/svg+xml"}, "gzip"},
		{"an error", 500, map[string]string{"Content-Type": "text/html"}, "gzip"},
		{"just large enough", 200, map[string]string{"Content-Type": "text/plain", "size": "1024"}, "gzip"},
		{"weak ETag", 200, map[string]string{"Content-Type": "text/plain", "ETag": `W/"v1"`}, "gzip"},
		{"too small", 200, map[string]string{"Content-Type": "text/plain", "size": "1023"}, ""},
		{"a picture", 200, map[string]string{"Content-Type": "image/png"}, ""},
		{"a font", 200, map[string]string{"Content-Type": "font/woff2"}, ""},
		{"gRPC", 200, map[string]string{"Content-Type": "application/grpc"}, ""},
		{"no type", 200, map[string]string{"Content-Type": ""}, ""},
		{"events", 200, map[string]string{"Content-Type": "text/event-stream; charset=utf-8"}, ""},
		{"compressed by the app", 200, map[string]string{"Content-Type": "text/plain", "Content-Encoding": "br"}, "br"},
		{"a part", 206, map[string]string{"Content-Type": "text/plain", "Content-Range": "bytes 0-7699/9999"}, ""},
		{"not to be transformed", 200, map[string]string{"Content-Type": "text/plain", "Cache-Control": "public, No-Transform"}, ""},
		{"a digest", 200, map[string]string{"Content-Type": "text/plain", "Content-Digest": "sha-256=:x:"}, ""},
		{"nothing", 204, map[string]string{"Content-Type": "text/plain"}, ""},
		{"not modified", 304, map[string]string{"Content-Type": "text/plain", "ETag": `"v1"`}, ""},
	} {
		mu.Lock()
		status, headers = c.status, c.headers
		mu.Unlock()
		res, body := d.come("GET", "https://blog.test/", "Accept-Encoding", "gzip")
		if got := res.Header.Get("Content-Encoding"); got != c.want || res.StatusCode != c.status {
			t.Errorf("%s: %s, coding %q, want %d, %q", c.name, res.Status, got, c.status, c.want)
		}
		if c.want == "" && c.status != 204 && c.status != 304 {
			if want := text[:len(body)]; body != want || res.ContentLength != int64(len(body)) {
				t.Errorf("%s: %d bytes, said to be %d", c.name, len(body), res.ContentLength)
			}
			if etag := res.Header.Get("Etag"); strings.HasPrefix(etag, "W/") {
				t.Errorf("%s: ETag %s", c.name, etag)
			}
		}
		if etag := res.Header.Get("Etag"); strings.Contains(etag, "W/W/") {
			t.Errorf("%s: ETag %s", c.name, etag)
		}
	}
}

func TestTheOwnerChoosesWhatIsCompressed(t *testing.T) {
	text := strings.Repeat(prose, 10)
	addr := app(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", strings.TrimPrefix(req.URL.Path, "/"))
		w.Header().Set("Vary", "Cookie")
		io.WriteString(w, text)
	})

	for _, c := range []struct {
		compression router.Compression
		kind, want  string
	}{
		{router.Compression{}, "text/plain", ""},
		{router.Compression{On: true}, "text/plain", ""}, // 770 bytes
		{router.Compression{On: true, MinSize: 770}, "text/plain", "gzip"},
		{router.Compression{On: true, MinSize: 771}, "text/plain", ""},
		{router.Compression{On: true, MinSize: 1, Types: []string{"application/*", "Text/CSV"}}, "text/plain", ""},
		{router.Compression{On: true, MinSize: 1, Types: []string{"application/*", "Text/CSV"}}, "text/csv", "gzip"},
		{router.Compression{On: true, MinSize: 1, Types: []string{"application/*", "Text/CSV"}}, "application/x-thing", "gzip"},
		{router.Compression{On: true, MinSize: 1, Types: []string{"text/*"}}, "text/event-stream", ""},
		{router.Compression{On: true, MinSize: 1, Types: []string{"text/*"}}, "text", ""},
	} {
		d := guarded(t, router.Policy{Compression: c.compression}, addr)
		res, _ := d.come("GET", "https://blog.test/"+c.kind, "Accept-Encoding", "gzip")
		if got := res.Header.Get("Content-Encoding"); got != c.want {
			t.Errorf("%+v for %s: coding %q, want %q", c.compression, c.kind, got, c.want)
		}
		if vary := strings.Join(res.Header["Vary"], ","); vary != "Cookie" && c.want == "" || c.want != "" && vary != "Cookie,Accept-Encoding" {
			t.Errorf("%+v for %s: Vary %q", c.compression, c.kind, vary)
		}
	}
}

// Each part that the app sends arrives before it sends the next: compression
// must not wait for more.
func TestACompressedStreamArrivesAsItIsSent(t *testing.T) {
	next := make(chan string)
	policy := router.Policy{Compression: router.Compression{On: true, MinSize: 1}}
	d := guarded(t, policy, app(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		if req.URL.Path == "/sized" {
			w.Header().Set("Content-Length", "150")
		} else {
			w.Header().Set("Trailer", "X-Sum")
		}
		w.(http.Flusher).Flush()
		for line := range next {
			io.WriteString(w, line+"\n")
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-Sum", "42")
	}))

	for _, coding := range []string{"gzip", "zstd"} {
		for i := range 4 {
			http2, path, trailer := i%2 > 0, "/", "42"
			if i/2 > 0 {
				path, trailer = "/sized", ""
			}
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://blog.test"+path, nil)
			req.Header.Set("Accept-Encoding", coding)
			res, err := d.client(http2).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Header.Get("Content-Encoding"); got != coding {
				t.Fatalf("coding %q, want %q", got, coding)
			}
			send := func(line string) {
				t.Helper()
				select {
				case next <- line:
				case <-t.Context().Done():
					t.Fatal("the app does not take the next line")
				}
			}
			send("line 0")
			r := bufio.NewReader(plain(t, coding, res.Body))
			for i := range 20 {
				if i > 0 {
					send(fmt.Sprintf("line %d", i))
				}
				lines := make(chan string, 1)
				go func() {
					line, _ := r.ReadString('\n')
					lines <- line
				}()
				if got, want := within(t, lines, "the line just sent"), fmt.Sprintf("line %d\n", i); got != want {
					t.Fatalf("%s: got %q, want %q", coding, got, want)
				}
			}
			close(next)
			if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
				t.Errorf("%s: %q, %v behind the last line", coding, rest, err)
			}
			// The reader of the coding may have stopped at its end.
			_, _ = io.Copy(io.Discard, res.Body)
			if got := res.Trailer.Get("X-Sum"); got != trailer {
				t.Errorf("%s %s: trailer %q, want %q", coding, path, got, trailer)
			}
			res.Body.Close()
			next = make(chan string)
		}
	}
}

// A visitor has to notice that something is missing.
func TestAnAnswerThatBreaksOffHasNoEndAlsoWhenItIsCompressed(t *testing.T) {
	d := guarded(t, compressing, app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, strings.Repeat(prose, 100))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))

	for _, coding := range []string{"gzip", "zstd"} {
		req, _ := http.NewRequest("GET", "https://blog.test/", nil)
		req.Header.Set("Accept-Encoding", coding)
		res, err := d.client(false).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		coded, err := io.ReadAll(res.Body)
		res.Body.Close()
		if res.Header.Get("Content-Encoding") != coding || err == nil {
			t.Errorf("%s: %v, %d bytes, %v: want an error", coding, res.Header, len(coded), err)
		}
	}
}

func TestManyVisitorsShareTheEncoders(t *testing.T) {
	bodies := make([][]byte, 8)
	for i := range bodies {
		random := make([]byte, 200_000)
		rand.Read(random)
		bodies[i] = bytes.Join([][]byte{random, []byte(strings.Repeat(prose, 2000))}, []byte{byte(i)})
	}
	d := guarded(t, compressing, app(t, func(w http.ResponseWriter, req *http.Request) {
		i, _ := strconv.Atoi(req.URL.Query().Get("i"))
		w.Header().Set("Content-Type", "text/plain")
		w.Write(bodies[i])
	}))
	client := d.client(true)

	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() {
			i, coding := n%len(bodies), []string{"gzip", "zstd"}[n%2]
			req, _ := http.NewRequest("GET", "https://blog.test/?i="+strconv.Itoa(i), nil)
			req.Header.Set("Accept-Encoding", coding)
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if n%5 == 0 {
				return // and leaves the rest
			}
			// Where there are more than there are encoders for, as it is.
			got, err := io.ReadAll(plain(t, res.Header.Get("Content-Encoding"), res.Body))
			if err != nil || !bytes.Equal(got, bodies[i]) {
				t.Errorf("%d with %s: %d bytes, %v", n, coding, len(got), err)
			}
		})
	}
	all.Wait()
	// Also those of visitors who left.
	until(t, "all encoders given back", func() bool { return router.EncodersInUse() == 0 })
}
