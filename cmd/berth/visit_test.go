package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/websocket"

	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/tls/acmetest"
)

// serving returns a machine that serves, for the time of the test.
func serving(t testing.TB, docker string, env ...string) *machine {
	t.Helper()
	m := prepared(t, docker, env...)
	if err := errors.Join(m.start(), m.admit()); err != nil {
		t.Fatal(err)
	}
	return m
}

// prepared returns a machine whose daemon is not started yet.
func prepared(t testing.TB, docker string, env ...string) *machine {
	t.Helper()
	enginetest.NeedDocker(t)
	m, err := newMachine(docker)
	if err != nil {
		t.Fatal(err)
	}
	m.extra = env
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the daemon's log:\n" + m.log())
		}
		if err := m.remove(); err != nil {
			t.Errorf("remove the machine: %v", err)
		}
	})
	return m
}

// must fails the test unless a program of the person succeeds, and returns
// what it printed.
func (m *machine) must(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	out, err := m.run(dir, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// repository makes a repository of the test program, which greets with
// greeting.
func (m *machine) repository(t testing.TB, greeting string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	content, err := os.ReadFile(testProgram(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "app"), content, 0o755); err != nil {
		t.Fatal(err)
	}
	m.must(t, dir, "git", "init", "--quiet")
	m.change(t, dir, greeting)
	return dir
}

// change makes a repository's program greet otherwise.
func (m *machine) change(t testing.TB, dir, greeting string, lines ...string) {
	t.Helper()
	text := "FROM scratch\nCOPY app /\nENV GREETING=" + greeting + "\nEXPOSE 8080\nCMD [\"/app\"]\n" + strings.Join(lines, "\n")
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m.must(t, dir, "git", "add", "--all")
	m.must(t, dir, "git", "commit", "--quiet", "--message", greeting)
}

// answers waits until a URL is answered with a text.
func (m *machine) answers(t testing.TB, url, want string) {
	t.Helper()
	err := m.eventually(url+" says "+want, func() error {
		got, err := m.get(url)
		if err == nil && !strings.Contains(got, want) {
			err = errors.New(got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAWebSocketReachesTheAppAndOutlivesADeploy(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	dir := m.repository(t, "first")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")

	first := m.openSocket(t)
	defer first.Close()
	echo(t, first, "before")
	m.change(t, dir, "second")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	second := m.openSocket(t)
	defer second.Close()

	echo(t, second, "to the new one")
}

// openSocket opens a WebSocket to the app called blog, over TLS.
func (m *machine) openSocket(t *testing.T) *websocket.Conn {
	t.Helper()
	client, err := m.browser()
	if err != nil {
		t.Fatal(err)
	}
	config, err := websocket.NewConfig("wss://blog.localhost/echo", "https://blog.localhost")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := m.dial(t.Context(), "tcp", "blog.localhost:443")
	if err != nil {
		t.Fatal(err)
	}
	secure := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	secure.ServerName = "blog.localhost"
	c, err := websocket.NewClient(config, tls.Client(raw, secure))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func echo(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	var got string
	if err := errors.Join(websocket.Message.Send(c, text), websocket.Message.Receive(c, &got)); err != nil || got != text {
		t.Errorf("echo = %q, %v, want %q", got, err, text)
	}
}

func TestManyRequestsShareOneConnectionOfHTTP2(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	m.must(t, m.repository(t, "first"), "git", "push", "-q", "berth:blog", "main")
	client, err := m.browser()
	if err != nil {
		t.Fatal(err)
	}
	var dials int
	transport := client.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials++
		return dial(ctx, network, addr)
	}

	visit(t, client, "https://blog.localhost/") // opens the connection
	answers := make(chan string)
	const n = 20
	for range n {
		go func() { answers <- visit(t, client, "https://blog.localhost/slow") }()
	}

	for range n {
		if got := <-answers; got != "HTTP/2.0 200 hello first at last\n" {
			t.Errorf("answer = %q", got)
		}
	}
	if dials != 1 {
		t.Errorf("%d connections, want 1", dials)
	}
}

// visit returns protocol, status and body of an answer.
func visit(t *testing.T, client *http.Client, url string) string {
	r, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %d %s", r.Proto, r.StatusCode, body)
}

// Not parallel: the ACME server reads the environment of this process.
func TestAHostGetsItsCertificateByItselfAndKeepsIt(t *testing.T) {
	enginetest.NeedDocker(t)
	roots := filepath.Join(t.TempDir(), "acme.pem")
	m := prepared(t, "", "BERTH_ACME_ROOTS="+roots)
	acme := acmetest.Start(t, m.http, m.https)
	if err := errors.Join(os.WriteFile(roots, acme.RootPEM, 0o644), m.start(), m.admit()); err != nil {
		t.Fatal(err)
	}
	m.must(t, "/", "berth", "letsencrypt:set", "server", acme.Directory)
	m.must(t, "/", "berth", "letsencrypt:set", "email", "ada@example.com")
	m.must(t, "/", "berth", "letsencrypt:set", "check", "off") // this CA has a DNS of its own
	m.must(t, m.repository(t, "first"), "git", "push", "-q", "berth:blog", "main")

	// Nobody visits: the certificate comes because the host was added.
	m.must(t, "/", "berth", "domains:add", "blog", "www.blog-by-berth.com")
	issued := func() error {
		out, err := m.run("/", "berth", "certs:report", "blog", "--format", "json")
		if err == nil && !strings.Contains(out, `"issuer":"Pebble`) {
			err = errors.New(out)
		}
		return err
	}
	if err := m.eventually("the certificate is there", issued); err != nil {
		t.Fatal(err)
	}

	m.trust = acme.Issued
	const url = "https://www.blog-by-berth.com/"
	m.answers(t, url, "(certificate of Pebble")
	before := m.certificate(t, url)
	orders := acme.Orders()
	if err := errors.Join(m.kill(), m.start()); err != nil {
		t.Fatal(err)
	}
	m.answers(t, url, "hello first")
	if after := m.certificate(t, url); after != before {
		t.Errorf("certificate = %s, want still %s", after, before)
	}
	if now := acme.Orders(); now != orders {
		t.Errorf("%d orders after the restart, want still %d", now, orders)
	}
	m.wantNoSecretFiles(t)
}

// certificate returns the serial number of the certificate at a URL.
func (m *machine) certificate(t *testing.T, url string) string {
	t.Helper()
	client, err := m.browser()
	if err != nil {
		t.Fatal(err)
	}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	return r.TLS.PeerCertificates[0].SerialNumber.String()
}

// wantNoSecretFiles checks that what has to do with certificates is in the
// store alone, and cannot be read there. The host key is SSH's.
func (m *machine) wantNoSecretFiles(t *testing.T) {
	t.Helper()
	var inStore bool
	err := filepath.WalkDir(m.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "host_key" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(text), "BEGIN CERTIFICATE") || strings.Contains(string(text), "PRIVATE KEY") {
			t.Errorf("%s has a certificate or a key", path)
		}
		if strings.HasPrefix(d.Name(), "berth.db") && strings.Contains(string(text), ".crt") {
			inStore = true // sealed, under its name
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !inStore {
		t.Error("no certificate is in the store: this test looks for the wrong thing")
	}
}
