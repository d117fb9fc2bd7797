package drains_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/drains"
)

// running returns drains that run until the test ends.
func running(t *testing.T, config *tls.Config) *drains.Set {
	t.Helper()
	s := &drains.Set{TLS: config, Log: slog.New(slog.DiscardHandler), Dial: func(bool) drains.Dial { return new(net.Dialer).DialContext }}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

func to(s *drains.Set, spec drains.Spec) {
	spec.ID = "d1"
	s.Set(map[appliance.AppName]drains.App{"blog": {Name: "blog", Specs: []drains.Spec{spec}}})
}

func line(text string) appliance.LogLine {
	return appliance.LogLine{At: time.Date(2026, 11, 27, 10, 0, 0, 123456789, time.UTC), Process: "web.1", Release: 3, Stream: appliance.Stdout, Text: text}
}

// A message is what a receiver reads of RFC 5424.
type message struct{ priority, at, host, program, process, text string }

var rfc5424 = regexp.MustCompile(`(?s)^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) (\S{1,255}) (\S{1,48}) (\S{1,128}) - - (.*)$`)

func parse(text string) (message, error) {
	m := rfc5424.FindStringSubmatch(text)
	if m == nil {
		return message{}, fmt.Errorf("%q is not of RFC 5424", text)
	}
	return message{m[1], m[2], m[3], m[4], m[5], m[6]}, nil
}

// A receiver takes messages, as a log service does.
type receiver struct {
	mu       sync.Mutex
	messages []message
	errs     []error
}

func (r *receiver) take(text string) {
	m, err := parse(text)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	r.messages = append(r.messages, m)
}

// takeFrames takes messages with their lengths before them.
func (r *receiver) takeFrames(from io.Reader) {
	in := bufio.NewReader(from)
	for {
		size, err := in.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(size))
		text := make([]byte, max(0, min(n, 1<<20)))
		if _, readErr := io.ReadFull(in, text); err != nil || readErr != nil {
			r.mu.Lock()
			r.errs = append(r.errs, errors.Join(err, readErr))
			r.mu.Unlock()
			return
		}
		r.take(string(text))
	}
}

func (r *receiver) texts() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, m := range r.messages {
		list = append(list, m.text)
	}
	return strings.Join(list, ",")
}

func (r *receiver) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	want := message{"190", "2026-11-27T10:00:00.123456Z", "blog", "app", "web.1", "one"}
	if len(r.errs) > 0 || len(r.messages) == 0 || r.messages[0] != want {
		t.Errorf("%v %v, want %v first", r.messages, r.errs, want)
	}
}

// accept has a receiver take what comes to a listener.
func accept(r *receiver, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			r.takeFrames(conn)
		}()
	}
}

func TestSyslogReceiversGetEachLine(t *testing.T) {
	server := httptest.NewUnstartedServer(nil) // for its certificate
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for _, scheme := range []string{"syslog", "syslog+tls", "syslog+udp"} {
		var r receiver
		var addr string
		if scheme == "syslog+udp" {
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			addr = conn.LocalAddr().String()
			go func() {
				b := make([]byte, 64<<10)
				for {
					n, _, err := conn.ReadFrom(b)
					if err != nil {
						return
					}
					r.take(string(b[:n]))
				}
			}()
		} else {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			addr = l.Addr().String()
			if scheme == "syslog+tls" {
				l = tls.NewListener(l, &tls.Config{Certificates: server.TLS.Certificates})
			}
			go accept(&r, l)
		}
		s := running(t, &tls.Config{RootCAs: roots})
		to(s, drains.Spec{URL: scheme + "://" + addr})
		other := line("two\x00 ☃")
		other.Stream = appliance.Stderr

		s.Send("blog", []appliance.LogLine{line("one"), other})
		s.Send("other", []appliance.LogLine{line("not this")})

		await.That(t, scheme+" has both", func() bool { return r.texts() == "one,two\x00 ☃" })
		r.check(t)
	}
}

// Attack: somebody in between shows a certificate of their own.
func TestNothingIsSentToWhoeverCannotShowTheCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request came through") }))
	defer server.Close()
	for _, scheme := range []string{"https", "syslog+tls"} {
		s := running(t, nil)
		to(s, drains.Spec{URL: scheme + "://" + server.Listener.Addr().String()})

		s.Send("blog", []appliance.LogLine{line("one")})

		await.That(t, "it fails", func() bool { return s.Status("blog")["d1"].Err != nil })
	}
}

func TestLinesGoOnWhenTheServiceIsBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s := running(t, nil)
	to(s, drains.Spec{URL: "syslog://" + addr})
	s.Send("blog", []appliance.LogLine{line("one")})
	await.That(t, "it fails", func() bool { return s.Status("blog")["d1"].Err != nil })

	if l, err = net.Listen("tcp", addr); err != nil {
		t.Skip("somebody else has the port now: ", err)
	}
	defer l.Close()
	var r receiver
	go accept(&r, l)

	await.That(t, "it arrives", func() bool { return r.texts() == "one" })
	await.That(t, "it is known", func() bool { now := s.Status("blog")["d1"]; return now.Err == nil && now.Sent == 1 })
}

func TestHTTPServicesGetBatches(t *testing.T) {
	var requests atomic.Int64
	var frames sync.Map
	var r receiver
	rows := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, password, _ := req.BasicAuth()
		if user != "me" || password != "hunter2" || req.URL.RawQuery != "token=hunter2" || req.Method != http.MethodPost {
			t.Errorf("%s %s by %s", req.Method, req.URL, user)
		}
		frames.Store(req.Header.Get("Logplex-Frame-Id"), true)
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if req.Header.Get("Content-Type") == "application/x-ndjson" {
			body, _ := io.ReadAll(req.Body)
			rows <- string(body)
			return
		}
		if req.Header.Get("Content-Type") != "application/logplex-1" || req.Header.Get("Logplex-Msg-Count") != "2" {
			t.Errorf("headers = %v", req.Header)
		}
		r.takeFrames(req.Body)
	}))
	defer server.Close()
	at := strings.Replace(server.URL, "http://", "http://me:hunter2@", 1) + "/logs?token=hunter2"
	s := running(t, nil)

	to(s, drains.Spec{URL: at})
	s.Send("blog", []appliance.LogLine{line("one"), line("two")})
	await.That(t, "both are there, at the second attempt", func() bool { return r.texts() == "one,two" })
	r.check(t)
	n := 0
	frames.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d frame ids, want the same for the same lines", n)
	}

	to(s, drains.Spec{URL: at, Format: drains.JSON})
	s.Send("blog", []appliance.LogLine{line("one")})
	var row struct {
		At                         time.Time
		App, Process, Stream, Text string
		Release                    int
	}
	if err := json.Unmarshal([]byte(<-rows), &row); err != nil || row.App != "blog" || row.Process != "web.1" || row.Text != "one" || row.Release != 3 || row.Stream != "stdout" {
		t.Errorf("%+v, %v", row, err)
	}
}

// Attack: a service sends lines on to where its owner may not reach.
func TestRedirectsAreNotFollowed(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	defer inner.Close()
	server := httptest.NewServer(http.RedirectHandler(inner.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	s := running(t, nil)
	to(s, drains.Spec{URL: server.URL})

	s.Send("blog", []appliance.LogLine{line("one")})

	await.That(t, "it is left out", func() bool { now := s.Status("blog")["d1"]; return now.Dropped == 1 && now.Err != nil })
}

// Attack: an app prints without end, and the service takes nothing.
func TestWhatCannotBeSentIsBoundedAndCounted(t *testing.T) {
	var open atomic.Bool
	var r receiver
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !open.Load() {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		r.takeFrames(req.Body)
	}))
	defer server.Close()
	s := running(t, nil)
	to(s, drains.Spec{URL: server.URL})

	for range 100 {
		s.Send("blog", []appliance.LogLine{line(strings.Repeat("x", 100<<10))})
	}
	if dropped := s.Status("blog")["d1"].Dropped; dropped < 40 {
		t.Errorf("%d lines were left out, of 10 MB", dropped)
	}
	s.Send("blog", []appliance.LogLine{line("last")})
	open.Store(true)

	await.That(t, "the last arrives, and that lines are missing", func() bool {
		got := r.texts()
		return strings.HasSuffix(got, ",last") && strings.Contains(got, " lines were left out: the drain could not take them in time,")
	})
}

func TestOnlyWhatCanBeADrainIsOne(t *testing.T) {
	for _, at := range []string{"", "logs.example.com", "ftp://logs.example.com", "syslog://", "syslog://u:p@logs.example.com", "syslog://logs.example.com/path",
		"https:logs.example.com", "https://", "https://logs.example.com/#x", "file:///etc/passwd", "syslog+unix:///dev/log"} {
		if err := (drains.Spec{URL: at}).Check(); !errors.Is(err, appliance.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", at, err)
		}
	}
	for at, want := range map[string]string{
		"syslog+tls://logs.example.com":                                     "syslog+tls://logs.example.com",
		"https://me:hunter2@logs.example.com":                               "https://…@logs.example.com",
		"https://logs.example.com/hunter2?x=1":                              "https://logs.example.com/…",
		"https://logs.example.com?token=hunter2":                            "https://logs.example.com/…",
		"syslog://[2001:db8::1]:1514":                                       "syslog://[2001:db8::1]:1514",
		"https://hunter2@logs.example.com/?q=" + url.QueryEscape("hunter2"): "https://…@logs.example.com/…",
	} {
		spec := drains.Spec{URL: at}
		if err := spec.Check(); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		if got := spec.Masked(); got != want {
			t.Errorf("masked = %s, want %s", got, want)
		}
	}
}
