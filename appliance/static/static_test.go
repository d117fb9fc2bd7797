package static_test

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/appliance/static"
)

var long = strings.Repeat("all work and no play ", 200)

// A server serves the files below root.
type server struct {
	*httptest.Server
	root string
}

// site makes a directory of files and serves it as c says.
func site(t *testing.T, c static.Config) server {
	t.Helper()
	c.Root = t.TempDir()
	for name, content := range map[string]string{
		"index.html": "home", "about.html": "about us", "404.html": "lost", "style.css": long, "photo.bin": "\x00\x01\x02",
		"docs/index.html": "docs", "empty/note.txt": "note", ".env": "SECRET", ".git/config": "SECRET", "docs/.hidden": "SECRET",
		".well-known/security.txt": "mail us", "static.json": "SECRET", "Procfile": "SECRET", "data": "<html><p>sniffed",
	} {
		name = filepath.Join(c.Root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h, err := static.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.Close(); h.Close() })
	return server{s, c.Root}
}

func pattern(t *testing.T, s string) static.Pattern {
	t.Helper()
	p, err := static.ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask sends a request and follows nothing. A header is "Name: value".
func ask(t *testing.T, s server, method, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestPathsAnswer(t *testing.T) {
	plain := site(t, static.Config{})
	clean := site(t, static.Config{CleanURLs: true})
	spa := site(t, static.Config{Routes: []static.Route{{Pattern: pattern(t, "/**"), Target: "index.html"}}})

	for _, test := range []struct {
		site   server
		path   string
		status int
		body   string
	}{
		{plain, "/", 200, "home"},
		{plain, "/index.html", 200, "home"},
		{plain, "/docs/", 200, "docs"},
		{plain, "/docs", 301, ""},
		{plain, "/style.css", 200, long},
		{plain, "/.well-known/security.txt", 200, "mail us"},
		{plain, "/nothing", 404, "lost"},
		{plain, "/index.html/", 404, "lost"},
		{plain, "/empty/", 404, "lost"}, // no list of what is there
		{plain, "/about", 404, "lost"},
		{plain, "/.env", 404, "lost"},
		{plain, "/%2eenv", 404, "lost"},
		{plain, "/.git/config", 404, "lost"},
		{plain, "/docs/.hidden", 404, "lost"},
		{plain, "/.well-known/../.env", 404, "lost"},
		{plain, "/static.json", 404, "lost"},
		{plain, "/Procfile", 404, "lost"},
		{plain, "/../../../../etc/passwd", 404, "lost"},
		{plain, "/%2e%2e/%2e%2e/etc/passwd", 404, "lost"},
		{plain, "/index.html%00.txt", 404, "lost"},
		{clean, "/about", 200, "about us"},
		{clean, "/nothing", 404, "lost"},
		{spa, "/users/7", 200, "home"},
		{spa, "/app.js", 404, "lost"},
		{spa, "/.env", 404, "lost"},
	} {
		r, body := ask(t, test.site, "GET", test.path)
		if r.StatusCode != test.status || body != test.body {
			t.Errorf("%s = %d %.20q, want %d %.20q", test.path, r.StatusCode, body, test.status, test.body)
		}
	}
}

// An address like //evil.example/.. must not become a redirect to that host.
func TestRedirectStaysOnTheSite(t *testing.T) {
	s := site(t, static.Config{})
	if err := os.MkdirAll(filepath.Join(s.root, "evil.example/docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.root, "evil.example/docs/index.html"), nil, 0o644); err != nil {
		t.Fatal(err)
	}

	r, _ := ask(t, s, "GET", "//evil.example/docs?q=1")

	if to := r.Header.Get("Location"); to != "/evil.example/docs/?q=1" {
		t.Errorf("Location = %q", to)
	}
}

// A repository may bring a link to /etc/passwd, or to the files of the
// machine that builds it.
func TestLinkOutOfTheRootIsNotFollowed(t *testing.T) {
	s := site(t, static.Config{})
	outside := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(outside, []byte("SECRET"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"a.txt": outside, "b": filepath.Dir(outside), "c.txt": "../../../../etc/passwd", "good.html": "about.html"} {
		if err := os.Symlink(target, filepath.Join(s.root, name)); err != nil {
			t.Fatal(err)
		}
	}

	for _, path := range []string{"/a.txt", "/b/secret.txt", "/c.txt"} {
		if r, body := ask(t, s, "GET", path); r.StatusCode != 404 {
			t.Errorf("%s = %d %q, want 404", path, r.StatusCode, body)
		}
	}
	if _, body := ask(t, s, "GET", "/good.html"); body != "about us" {
		t.Errorf("a link within the root = %q", body)
	}
}

// Opening a named pipe for reading waits for a writer, for ever.
func TestPipeIsNotFound(t *testing.T) {
	s := site(t, static.Config{})
	if err := syscall.Mkfifo(filepath.Join(s.root, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}

	r, _ := ask(t, s, "GET", "/pipe")

	if r.StatusCode != 404 {
		t.Errorf("status = %d, want 404", r.StatusCode)
	}
}

func TestSecondVisitSendsNothingAgain(t *testing.T) {
	s := site(t, static.Config{})

	for _, encoding := range []string{"identity", "gzip"} {
		first, _ := ask(t, s, "GET", "/style.css", "Accept-Encoding: "+encoding)
		again, body := ask(t, s, "GET", "/style.css", "Accept-Encoding: "+encoding, "If-None-Match: "+first.Header.Get("ETag"))

		if again.StatusCode != 304 || body != "" {
			t.Errorf("%s: second visit = %d %.20q, want 304", encoding, again.StatusCode, body)
		}
		if first.Header.Get("Last-Modified") == "" {
			t.Errorf("%s: no Last-Modified", encoding)
		}
	}
}

// All files of a commit have one time, to the second, and the next commit may
// have the same.
func TestChangedFileOfTheSameTimeAndSizeHasAnotherTag(t *testing.T) {
	a, b := site(t, static.Config{}), site(t, static.Config{})
	when, err := os.Stat(filepath.Join(a.root, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(b.root, "index.html")
	if err := os.WriteFile(name, []byte("HOME"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, when.ModTime(), when.ModTime()); err != nil {
		t.Fatal(err)
	}

	before, _ := ask(t, a, "GET", "/")
	after, body := ask(t, b, "GET", "/", "If-None-Match: "+before.Header.Get("ETag"))

	if after.StatusCode != 200 || body != "HOME" {
		t.Errorf("changed page = %d %q", after.StatusCode, body)
	}
}

func TestTextIsCompressedForThoseWhoTakeIt(t *testing.T) {
	s := site(t, static.Config{})

	for header, want := range map[string]string{"gzip": "gzip", "br, gzip;q=0.5": "gzip", "*": "gzip", "gzip;q=0": "", "*, gzip;q=0": "", "br": ""} {
		r, _ := ask(t, s, "GET", "/style.css", "Accept-Encoding: "+header)
		if got := r.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q = %q, want %q", header, got, want)
		}
		if r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: Vary = %q", header, r.Header.Get("Vary"))
		}
	}
	r, body := ask(t, s, "GET", "/style.css", "Accept-Encoding: gzip")
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || string(plain) != long {
		t.Errorf("unpacked = %.20q, %v", plain, err)
	}
	if r.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("Content-Type = %q", r.Header.Get("Content-Type"))
	}
}

func TestPartOfAFileIsOfTheFileItself(t *testing.T) {
	s := site(t, static.Config{})

	r, body := ask(t, s, "GET", "/style.css", "Accept-Encoding: gzip", "Range: bytes=4-7")

	if r.StatusCode != 206 || body != "work" || r.Header.Get("Content-Encoding") != "" {
		t.Errorf("part = %d %q %q, want 206 work", r.StatusCode, body, r.Header.Get("Content-Encoding"))
	}
}

func TestHeadHasNoBodyAndOtherMethodsAreRefused(t *testing.T) {
	s := site(t, static.Config{})

	for path, length := range map[string]string{"/": "4", "/nothing": "4"} {
		if r, body := ask(t, s, "HEAD", path); body != "" || r.Header.Get("Content-Length") != length {
			t.Errorf("HEAD %s = %q, length %s, want %s", path, body, r.Header.Get("Content-Length"), length)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		if r, _ := ask(t, s, method, "/"); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s = %d, Allow %q", method, r.StatusCode, r.Header.Get("Allow"))
		}
	}
}

func TestTypeComesFromTheNameAndThenTheContent(t *testing.T) {
	s := site(t, static.Config{})

	for path, want := range map[string]string{"/": "text/html; charset=utf-8", "/photo.bin": "application/octet-stream", "/data": "text/html; charset=utf-8"} {
		if r, _ := ask(t, s, "GET", path); r.Header.Get("Content-Type") != want || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s = %q, want %q", path, r.Header.Get("Content-Type"), want)
		}
	}
}

func TestErrorPageMayHaveAnotherName(t *testing.T) {
	s := site(t, static.Config{ErrorPage: "/about.html"})

	r, body := ask(t, s, "GET", "/nothing")

	if r.StatusCode != 404 || body != "about us" {
		t.Errorf("answer = %d %q", r.StatusCode, body)
	}
}

func TestServeFinishesWhatItHasBegun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "whole")
	})
	served, answered := make(chan error, 1), make(chan string, 1)
	go func() { served <- static.Serve(ctx, l, slow) }()
	go func() {
		r, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		answered <- string(body)
	}()

	<-begun
	stop()
	close(finish)

	if got := <-answered; got != "whole" {
		t.Errorf("answer = %q", got)
	}
	if err := <-served; err != nil {
		t.Errorf("serve = %v", err)
	}
}

func TestMainServesWhatStaticJSONSays(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("static.json", []byte(`{"root": "missing/"}`), 0o644); err != nil {
		t.Fatal(err)
	}

	err := static.Main(t.Context(), nil)

	if err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("error = %v, want one about the directory static.json names", err)
	}
}
