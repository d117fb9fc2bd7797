package http2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	h2 "golang.org/x/net/http2"

	"github.com/berthhq/berth/router/http2"
	"github.com/berthhq/berth/router/wire"
)

// client is Go's own, whose connections are served with h.
func client(t *testing.T, h http.HandlerFunc) *http.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http2.Server{Handler: h}
	ended := make(chan bool)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DisableCompression: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		theirs, err := l.Accept()
		go func() {
			s.Serve(context.Background(), http2.Wires{Conn: theirs, Cork: &wire.Cork{Conn: theirs}})
			ended <- true
		}()
		return ours, err
	}}
	t.Cleanup(func() {
		s.Shutdown()
		transport.CloseIdleConnections()
		within(t, ended, "the end of the connection")
		l.Close()
	})
	return &http.Client{Transport: transport}
}

func TestAHandlerSeesTheRequestAndTheVisitorTheAnswer(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		got := fmt.Sprint(req.Method, req.Host, req.RequestURI, req.URL.RawQuery, req.Proto, req.ContentLength, req.Header, string(body), err, req.Trailer)
		if want := `POSTblog.test/a%2fb?c=dc=dHTTP/2.0-1 map[Accept-Language:[de fr] Cookie:[a=b; c=d] User-Agent:[me]]hello<nil> map[Sum:[5]]`; got != want {
			t.Errorf("the handler saw\n%s, want\n%s", got, want)
		}
		w.Header().Set("Trailer", "Told, Never")
		w.Header()["Connection"] = []string{"keep-alive"}
		w.Header()["X-Own"] = []string{"a", "b"}
		w.Header()["bad name"] = []string{"x"}
		w.Header().Set("Bad-Value", "x\ny")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(201)
		w.Header().Set("X-Late", "too")
		io.WriteString(w, "hello")
		w.Header().Set("Told", "1")
		w.Header().Set(http.TrailerPrefix+"Untold", "2")
	})
	hints := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		if hints++; code != 103 || len(h["X-Own"]) != 2 {
			t.Errorf("interim answer %d %v", code, h)
		}
		return nil
	}})
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://blog.test/a%2fb?c=d", io.MultiReader(strings.NewReader("hello")))
	req.Header = http.Header{"Accept-Language": {"de", "fr"}, "Cookie": {"a=b", "c=d"}, "User-Agent": {"me"}}
	req.Trailer = http.Header{"Sum": {"5"}}

	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)

	if string(body) != "hello" || err != nil || res.StatusCode != 201 || hints != 1 {
		t.Errorf("got %d %q, %v, and %d hints", res.StatusCode, body, err, hints)
	}
	date := res.Header.Get("Date")
	delete(res.Header, "Date")
	want := http.Header{"X-Own": {"a", "b"}, "Content-Type": {"text/plain; charset=utf-8"}, "Content-Length": {"5"}}
	if date == "" || !maps.EqualFunc(res.Header, want, func(a, b []string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		t.Errorf("header %v, want %v and a date", res.Header, want)
	}
	if got := fmt.Sprint(res.Trailer); got != "map[Never:[] Told:[1] Untold:[2]]" {
		t.Errorf("trailer %s", got)
	}
}

func TestAnswersWithoutABodyHaveNone(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/204":
			w.WriteHeader(204)
			if _, err := io.WriteString(w, "body"); err != http.ErrBodyNotAllowed {
				t.Errorf("Write = %v", err)
			}
		case "/304":
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
		}
	})
	for _, ask := range []struct {
		method, path string
		status       int
		length       int64
	}{{"GET", "/204", 204, 0}, {"GET", "/304", 304, 0}, {"HEAD", "/", 200, 5}} {
		req, _ := http.NewRequest(ask.method, "http://blog.test"+ask.path, nil)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || len(body) > 0 || res.StatusCode != ask.status || res.ContentLength != ask.length {
			t.Errorf("%v: %d %q %v, length %d", ask, res.StatusCode, body, err, res.ContentLength)
		}
	}
}

func TestABodyIsAskedForWhenItIsWanted(t *testing.T) {
	v := visit(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header["Wanted"] == nil {
			w.WriteHeader(413)
			return
		}
		io.Copy(w, req.Body)
	})

	v.ask(1, false, "expect: 100-continue")
	v.wantStatus(1, "413")
	v.wantReset(1, h2.ErrCodeNo)
	v.ask(3, false, "expect: 100-continue", "wanted: yes")
	if got := v.head(3).PseudoValue("status"); got != "100" {
		t.Errorf("status %s, want 100", got)
	}
	v.must(v.WriteData(3, true, []byte("hello")))
	v.wantStatus(3, "200")
}

// Who sends a little that nobody reads gets the answer, and no reset beside it.
func TestTheRestOfARequestThatIsNotWantedMayCome(t *testing.T) {
	v := visit(t, func(w http.ResponseWriter, req *http.Request) { w.WriteHeader(413) })

	v.ask(1, false)
	v.wantStatus(1, "413")
	v.must(v.WriteData(1, false, make([]byte, 16<<10)))
	v.must(v.WriteData(1, true, []byte("the end")))

	v.ask(3, false)
	v.wantReset(3, h2.ErrCodeNo) // which is the first
}

func TestAnAnswerIsAsLongAsItSays(t *testing.T) {
	const size = 300_000
	c := client(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/unknown" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		n := size
		if req.URL.Path == "/short" {
			n -= 2
		}
		for _, piece := range []int{1, 4095, 4096, 4097, 70_000} {
			w.Write(make([]byte, piece))
			n -= piece
		}
		w.Write(make([]byte, n))
		if _, err := w.Write([]byte{1}); req.URL.Path == "/long" && !errors.Is(err, http.ErrContentLength) {
			t.Errorf("Write = %v", err)
		}
	})
	for path, want := range map[string]int{"/exact": size, "/long": size, "/unknown": size + 1, "/short": -1} {
		res, err := c.Get("http://blog.test" + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if want >= 0 && (err != nil || len(body) != want) || want < 0 && err == nil {
			t.Errorf("%s: %d bytes, %v, want %d", path, len(body), err, want)
		}
	}
}

func TestAnUploadThatIsNotWantedIsStopped(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})
	r, w := io.Pipe()
	go func() {
		for {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
	}()
	defer r.Close()

	res, err := c.Post("http://blog.test/", "", r)

	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("got %v, %v", res, err)
	}
	res.Body.Close()
}

func TestALargeUploadComesWhole(t *testing.T) {
	const size = 20 << 20
	c := client(t, func(w http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		fmt.Fprint(w, n, err)
	})
	res, err := c.Post("http://blog.test/", "", io.LimitReader(endless{}, size))
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(res.Body); string(body) != fmt.Sprint(size, nil) {
		t.Errorf("the handler read %s", body)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }
