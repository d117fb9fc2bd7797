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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/websocket"

	"github.com/berthhq/berth/appliance/await"
)

// The ways in which a daemon is replaced, each with what starts it in real
// life.
var replacements = []struct {
	name    string
	start   func(*testing.T, *machine) *manager
	replace func(*testing.T, *machine, *manager)
	waits   bool // the new one starts when the old one has ended
}{
	{
		name:    "berth reload",
		start:   func(t *testing.T, m *machine) *manager { m.begin(t); return nil },
		replace: func(t *testing.T, m *machine, _ *manager) { m.must(t, "/", "berth", "reload") },
	},
	{
		name:    "systemctl reload",
		start:   managed,
		replace: func(t *testing.T, m *machine, _ *manager) { m.must(t, "/", "berth", "reload") },
	},
	{
		name:    "systemctl restart",
		start:   managed,
		replace: func(t *testing.T, _ *machine, by *manager) { by.restart(t) },
		waits:   true,
	},
	{
		name:  "berth supervise --reload",
		start: func(t *testing.T, m *machine) *manager { m.supervise(t); return nil },
		replace: func(t *testing.T, m *machine, _ *manager) {
			m.must(t, "/", "berth", "supervise", "--reload", "--pid-file", m.beside("supervise.pid"), "--env-file", m.beside("berth.env"))
		},
	},
}

func TestNoRequestIsLostWhenTheDaemonIsReplaced(t *testing.T) {
	for _, r := range replacements {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			m := prepared(t, "")
			m.endAll(t)
			by := r.start(t, m)
			if err := m.admit(); err != nil {
				t.Fatal(err)
			}
			dir := m.repository(t, "first")
			m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
			all := append(m.visitors(t), m.visitors3(t)...)
			end := letVisit(t, all)
			defer func() { end() }()
			m.everybodyAsks(t, all)

			for range 3 {
				before := m.pid(t)
				socket := m.openSocket(t)
				upload := m.upload(t)

				replaced := make(chan struct{})
				go func() {
					defer close(replaced)
					r.replace(t, m, by)
				}()
				if r.waits {
					upload.finish(t)
				}
				<-replaced

				if now := m.pid(t); now == before {
					t.Fatalf("process %d serves still", now)
				}
				if r.waits {
					wantGoingAway(t, socket)
				} else { // what was under way goes on beside the new one
					echo(t, socket, "still here")
					upload.finish(t)
				}
				socket.Close()
				m.everybodyAsks(t, all)
			}
		})
	}
}

// wantGoingAway checks that the next frame says 1001.
func wantGoingAway(t *testing.T, c *websocket.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(await.Patience))
	frame, err := c.NewFrameReader()
	if err != nil {
		t.Errorf("the WebSocket ended with %v, want a close frame", err)
		return
	}
	text, err := io.ReadAll(frame)
	if frame.PayloadType() != websocket.CloseFrame || string(text) != "\x03\xe9" || err != nil {
		t.Errorf("the WebSocket got frame %d %x, %v; want a close frame that says 1001", frame.PayloadType(), text, err)
	}
}

func TestAPushOutlivesTheDaemonThatReceivesIt(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	m.endAll(t)
	dir := m.repository(t, "first")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	m.change(t, dir, "second", "ENV READY_AFTER=4s")
	before := m.pid(t)
	v := &versions{machine: m, dir: dir}

	push := v.push(t, "berth:blog")
	text := make(chan string, 1)
	deploys := make(chan struct{})
	go func() { text <- readUntil(push.out, "Deploying blog", deploys) }()
	<-deploys
	m.must(t, "/", "berth", "reload")
	said := <-text

	if err := push.Wait(); err != nil {
		t.Errorf("the push failed: %v\n%s", err, said)
	}
	if now := m.pid(t); now == before {
		t.Errorf("process %d serves still", now)
	}
	m.answers(t, "https://blog.localhost/", "hello second")
	m.change(t, dir, "third")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	m.answers(t, "https://blog.localhost/", "hello third")
}

// readUntil reads to the end, and closes seen when it has read a text.
func readUntil(r io.Reader, text string, seen chan struct{}) string {
	var all strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := r.Read(buffer)
		before := strings.Contains(all.String(), text)
		all.Write(buffer[:n])
		if !before && (strings.Contains(all.String(), text) || err != nil) {
			close(seen)
		}
		if err != nil {
			return all.String()
		}
	}
}

// A new binary that does not start is noticed by whoever installs it, and by
// nobody else; and so is one that starts, takes the store, and fails then.
func TestADaemonThatCannotBeReplacedGoesOn(t *testing.T) {
	t.Parallel()
	m := prepared(t, "")
	m.endAll(t)
	m.binary = m.copyBinary(t)
	m.begin(t)
	if err := m.admit(); err != nil {
		t.Fatal(err)
	}
	dir := m.repository(t, "first")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	all := append(m.visitors(t), m.visitors3(t)...)
	defer letVisit(t, all)()
	m.everybodyAsks(t, all)
	before := m.pid(t)
	reload := m.command("/", "berth", "reload") // still the good one
	reload.Path = m.copyBinary(t)
	nowhere := m.command("/", "berth", "reload")
	nowhere.Path, nowhere.Env = reload.Path, append(nowhere.Env, "DOCKER_HOST=unix:///nowhere")

	out, err := nowhere.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "nowhere") {
		t.Errorf("one without an engine: %v\n%s", err, out)
	}
	m.everybodyAsks(t, all)
	if err := os.WriteFile(m.binary+".new", []byte("#!/bin/sh\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(m.binary+".new", m.binary); err != nil {
		t.Fatal(err)
	}
	out, err = reload.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "exit status 7") {
		t.Errorf("one that does not start: %v\n%s", err, out)
	}
	m.everybodyAsks(t, all)
	if err := os.Rename(reload.Path, m.binary); err != nil { // as whoever installs it does
		t.Fatal(err)
	}

	if now := m.pid(t); now != before {
		t.Errorf("process %d serves, want still %d", now, before)
	}
	m.change(t, dir, "second")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	m.answers(t, "https://blog.localhost/", "hello second")
}

// Who comes while there is no daemon is not turned away: the manager has the
// sockets.
func TestAVisitorWaitsForADaemonThatWasKilled(t *testing.T) {
	t.Parallel()
	m := prepared(t, "")
	m.endAll(t)
	by := managed(t, m)
	if err := m.admit(); err != nil {
		t.Fatal(err)
	}
	m.must(t, m.repository(t, "first"), "git", "push", "-q", "berth:blog", "main")
	all := append(m.newVisitors(t), m.visitors3(t)...)
	by.kill(t)

	visitors := make(chan error)
	for _, v := range all {
		go func() { visitors <- v.once() }()
	}
	m.connectAll(t)
	by.start(t)

	for range all {
		if err := <-visitors; err != nil {
			t.Error(err)
		}
	}
	m.must(t, "/", "ssh", "berth", "apps:list")
}

// connectAll sees to it that connections are taken now, although nobody
// accepts them.
func (m *machine) connectAll(t *testing.T) {
	t.Helper()
	for _, port := range []int{m.ssh, m.http, m.https} {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Errorf("a visitor was turned away: %v", err)
			continue
		}
		c.Close()
	}
}

// begin starts the daemon by hand.
func (m *machine) begin(t *testing.T) {
	t.Helper()
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
}

// beside is a file of the machine that the daemon knows nothing of.
func (m *machine) beside(name string) string { return filepath.Join(filepath.Dir(m.dir), name) }

// supervise starts the daemon by the supervisor.
func (m *machine) supervise(t *testing.T) {
	t.Helper()
	m.must(t, "/", "berth", "supervise", "--detach", "--pid-file", m.beside("supervise.pid"), "--env-file", m.beside("berth.env"), "--log", m.logFile())
	t.Cleanup(func() { m.must(t, "/", "berth", "supervise", "--stop", "--pid-file", m.beside("supervise.pid")) })
	m.pid(t)
}

// copyBinary returns a berth that can be replaced.
func (m *machine) copyBinary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "berth")
	content, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(path, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// pid returns the process that serves.
func (m *machine) pid(t *testing.T) int {
	t.Helper()
	var pid int
	err := m.eventually("a daemon answers", func() (err error) {
		pid, err = ask(t.Context(), m.dir, request{Do: doKeep}, t.Output())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// endAll ends, after the test, every daemon of the machine that there is then:
// nobody else knows of all that have replaced each other.
func (m *machine) endAll(t *testing.T) {
	t.Cleanup(func() {
		for _, pid := range processes() {
			env, err := os.ReadFile("/proc/" + pid + "/environ")
			if err != nil || !strings.Contains("\x00"+string(env), "\x00BERTH_DIR="+m.dir+"\x00") {
				continue
			}
			if argv := cmdline(pid); filepath.Base(argv[0]) == "berth" && argv[len(argv)-1] == "serve" {
				n, _ := strconv.Atoi(pid)        // processes returns numbers
				syscall.Kill(n, syscall.SIGKILL) // one that has gone is gone
			}
		}
	})
}

// newVisitors are the visitors who come anew each time.
func (m *machine) newVisitors(t *testing.T) (list []*visitor) {
	for _, v := range m.visitors(t) {
		if strings.HasPrefix(v.name, "new") {
			list = append(list, v)
		}
	}
	return list
}

// visitors3 are visitors by HTTP/3.
func (m *machine) visitors3(t *testing.T) (all []*visitor) {
	t.Helper()
	for _, name := range []string{"HTTP/3", "HTTP/3 new", "HTTP/3 slow"} {
		client, err := m.browser()
		if err != nil {
			t.Fatal(err)
		}
		transport := &http3.Transport{
			TLSClientConfig: client.Transport.(*http.Transport).TLSClientConfig,
			Dial: func(ctx context.Context, _ string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
				return quic.DialAddrEarly(ctx, fmt.Sprintf("127.0.0.1:%d", m.https), tlsConf, conf)
			},
		}
		t.Cleanup(func() { transport.Close() })
		client.Transport = transport
		v := &visitor{name: name, client: client, method: http.MethodGet, url: "https://blog.localhost/"}
		switch name {
		case "HTTP/3 slow":
			v.url += "slow"
		case "HTTP/3 new":
			client.Transport = eachAnew{transport}
		}
		all = append(all, v)
	}
	return all
}

// eachAnew opens a connection for each request.
type eachAnew struct{ *http3.Transport }

func (e eachAnew) RoundTrip(req *http.Request) (*http.Response, error) {
	one := &http3.Transport{TLSClientConfig: e.TLSClientConfig, Dial: e.Dial}
	res, err := one.RoundTrip(req)
	if err != nil {
		return nil, errors.Join(err, one.Close())
	}
	res.Body = &closing{res.Body, one}
	return res, nil
}

type closing struct {
	io.ReadCloser
	also io.Closer
}

func (c *closing) Close() error { return errors.Join(c.ReadCloser.Close(), c.also.Close()) }

// An unfinished upload is one whose first half has been sent.
type unfinished struct {
	w      *io.PipeWriter
	answer chan string
}

const halfAnUpload = 1 << 20

// upload begins an upload to the app called blog.
func (m *machine) upload(t *testing.T) *unfinished {
	t.Helper()
	client, err := m.browser()
	if err != nil {
		t.Fatal(err)
	}
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	t.Cleanup(client.CloseIdleConnections)
	r, w := io.Pipe()
	u := &unfinished{w, make(chan string, 1)}
	go func() {
		res, err := client.Post("https://blog.localhost/count", "text/plain", r)
		if err != nil {
			u.answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		u.answer <- fmt.Sprint(strings.TrimSpace(string(body)), " ", err)
	}()
	if _, err := w.Write(make([]byte, halfAnUpload)); err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *unfinished) finish(t *testing.T) {
	t.Helper()
	_, err := u.w.Write(make([]byte, halfAnUpload))
	u.w.Close()
	if got, want := <-u.answer, fmt.Sprintf("%d <nil> <nil>", 2*halfAnUpload); got != want || err != nil {
		t.Errorf("the upload got %q, %v; want %q", got, err, want)
	}
}

// The supervisor that was killed had the sockets; the next one asks for them.
func TestNobodyIsTurnedAwayWhenTheDaemonDiesUnderASecondSupervisor(t *testing.T) {
	t.Parallel()
	m := prepared(t, "")
	m.endAll(t)
	m.supervise(t)
	text, err := os.ReadFile(m.beside("supervise.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first := m.pid(t)
	supervisor, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		err = syscall.Kill(supervisor, syscall.SIGKILL)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.must(t, "/", "berth", "supervise", "--detach", "--pid-file", m.beside("supervise.pid"), "--env-file", m.beside("berth.env"), "--log", m.logFile())
	if err := m.eventually("the next supervisor has found the daemon", func() error {
		if !strings.Contains(m.log(), "runs already") {
			return errors.New("not yet")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	m.pid(t) // asks for the same as the supervisor, after it

	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	for range 20 {
		m.connectAll(t)
	}
	if now := m.pid(t); now == first {
		t.Errorf("process %d serves still", now)
	}
}
