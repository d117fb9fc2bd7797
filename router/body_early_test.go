package router_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/berthhq/berth/router"
)

// hasty is an app that answers whole as soon as it has a head, and leaves the
// body where it is.
func hasty(t *testing.T, answer string) string {
	return app(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, answer)
		io.Copy(io.Discard, conn)
	})
}

// Nobody has to send all of an upload to be told that it is not wanted.
func TestAnAnswerThatComesBeforeItsRequestHasEndedArrivesWhole(t *testing.T) {
	d := open(t)
	for name, answer := range map[string]string{
		"a length": "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nhello",
		"chunks":   "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"no body":  "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
	} {
		d.blog(hasty(t, answer))
		want := "hello"
		if name == "no body" {
			want = ""
		}
		for _, http2 := range []bool{false, true} {
			for range 2 { // the second on a connection of its own
				body, rest := io.Pipe()
				go fmt.Fprint(rest, "begin")
				req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://blog.test/", body)
				res, err := d.client(http2).Do(req)
				if err != nil {
					t.Errorf("%s, HTTP/2 %v: %v", name, http2, err)
					rest.Close()
					continue
				}
				got, err := io.ReadAll(res.Body)
				if res.StatusCode != 403 || string(got) != want || err != nil {
					t.Errorf("%s, HTTP/2 %v: got %s %q, %v, want 403 %q", name, http2, res.Status, got, err, want)
				}
				rest.Close()
				res.Body.Close()
			}
		}
	}
}

func TestAnAnswerByHTTP2ThatComesBeforeItsRequestHasEndedArrivesWhole(t *testing.T) {
	d := open(t)
	s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "hello")
	})}
	s.Protocols.SetUnencryptedHTTP2(true)
	l := listen(t)
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{l.Addr().String()}, Protocol: router.HTTP2})

	for _, http2 := range []bool{false, true} {
		body, rest := io.Pipe()
		go fmt.Fprint(rest, "begin")
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://blog.test/", body)
		res, err := d.client(http2).Do(req)
		if err != nil {
			t.Errorf("HTTP/2 %v: %v", http2, err)
			rest.Close()
			continue
		}
		if got, err := io.ReadAll(res.Body); res.StatusCode != 403 || string(got) != "hello" || err != nil {
			t.Errorf("HTTP/2 %v: got %s %q, %v, want 403 hello", http2, res.Status, got, err)
		}
		rest.Close()
		res.Body.Close()
	}
}
