package gateway_test

import (
	"crypto/ed25519"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/appliance/gateway"
)

func TestKeyDecidesAndNoUserName(t *testing.T) {
	w := newWorld(t)
	ip, port := w.host()
	for _, user := range []string{"berth", "dokku", "git", "root", "ada", "no.such-user", "a b"} {
		cmd := w.sshCommand("ada", nil)
		cmd.Args = slices.Concat([]string{"ssh"}, w.options("ada"), []string{"-p", port, "-l", user, ip, "apps:list"})

		if r := run(t, cmd); r.status != 0 || !strings.Contains(r.stderr, "haven't deployed any") {
			t.Errorf("%s: %+v", user, r)
		}
	}
}

func TestWhoeverHasNoKnownKeyStaysOutside(t *testing.T) {
	w := newWorld(t)
	for name, options := range map[string][]string{
		"an unknown key":       nil,
		"a password":           {"-o", "PreferredAuthentications=password", "-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1"},
		"keyboard-interactive": {"-o", "PreferredAuthentications=keyboard-interactive", "-o", "BatchMode=no"},
		"nothing":              {"-o", "PreferredAuthentications=none"},
		"host-based":           {"-o", "PreferredAuthentications=hostbased"},
	} {
		r := run(t, w.sshCommand("eve", options, "apps:list"))

		if r.status != 255 || r.stdout != "" || !strings.Contains(r.stderr, "Permission denied (publickey)") {
			t.Errorf("%s: %+v, want it refused, with keys the only way", name, r)
		}
	}
}

// Offering a key is not having it. A client may offer an admin's public key,
// fail to sign with it, and then come in with a key of its own: it is then
// itself, and nobody else.
func TestOfferedKeyGivesNoRights(t *testing.T) {
	w := newWorld(t)
	ada, bob := w.signer("ada"), w.signer("bob")
	for name, keys := range map[string][]gossh.Signer{
		"the admin's first":         {offered{ada.PublicKey()}, bob},
		"the admin's in between":    {offered{bob.PublicKey()}, offered{ada.PublicKey()}, bob},
		"an unknown one in between": {offered{ada.PublicKey()}, offered{newSigner(t).PublicKey()}, bob},
	} {
		client, err := w.dial(keys...)
		w.must(err)
		session, err := client.NewSession()
		w.must(err)

		out, err := session.CombinedOutput("apps:create blog")

		if err == nil || !strings.Contains(string(out), "permission denied") {
			t.Errorf("%s: apps:create gave %v, %q", name, err, out)
		}
		client.Close()
	}
	if client, err := w.dial(offered{ada.PublicKey()}); err == nil {
		client.Close()
		t.Error("an admin's public key alone came in")
	}
	w.nothing("blog")
}

// offered is a public key without the private one.
type offered struct{ key gossh.PublicKey }

func (o offered) PublicKey() gossh.PublicKey { return o.key }
func (o offered) Sign(io.Reader, []byte) (*gossh.Signature, error) {
	return &gossh.Signature{}, nil // a better one that is wrong ends the connection
}

func newSigner(t *testing.T) gossh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (w *world) signer(name string) gossh.Signer {
	w.t.Helper()
	text, err := os.ReadFile(w.path(name))
	w.must(err)
	signer, err := gossh.ParsePrivateKey(text)
	w.must(err)
	return signer
}

func (w *world) dial(keys ...gossh.Signer) (*gossh.Client, error) {
	return gossh.Dial("tcp", w.Remote.Addr().String(), &gossh.ClientConfig{
		User: "git", Auth: []gossh.AuthMethod{gossh.PublicKeys(keys...)}, HostKeyCallback: gossh.InsecureIgnoreHostKey(),
	})
}

// Somebody has left, with a connection still open.
func TestRemovedKeyEndsAtTheNextSessionOfItsConnection(t *testing.T) {
	w := newWorld(t)
	client, err := w.dial(w.signer("ada"))
	w.must(err)
	t.Cleanup(func() { client.Close() })
	command := func() (string, error) {
		session, err := client.NewSession()
		w.must(err)
		out, err := session.CombinedOutput("apps:create blog")
		return string(out), err
	}
	w.must(w.Store.RemoveKey(t.Context(), "ada"))

	out, err := command()

	if err == nil || !strings.Contains(out, "permission denied") {
		t.Errorf("apps:create gave %v, %q", err, out)
	}
	w.nothing("blog")
}

func TestWeakAlgorithmsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.know("rsa", false, "-t", "rsa", "-b", "2048")
	w.know("short", false, "-t", "rsa", "-b", "1024")
	w.know("p256", false, "-t", "ecdsa", "-b", "256")
	for _, tt := range []struct {
		key     string
		options []string
		ok      bool
	}{
		{"ada", nil, true},
		{"rsa", nil, true},
		{"p256", nil, true},
		{"ada", []string{"-o", "KexAlgorithms=curve25519-sha256"}, true},
		{"ada", []string{"-c", "aes256-ctr", "-m", "hmac-sha2-256"}, true},
		{"ada", []string{"-o", "KexAlgorithms=diffie-hellman-group14-sha1"}, false},
		{"ada", []string{"-o", "KexAlgorithms=diffie-hellman-group14-sha256"}, false},
		{"ada", []string{"-o", "KexAlgorithms=diffie-hellman-group-exchange-sha256"}, false},
		{"ada", []string{"-c", "aes128-cbc"}, false},
		{"ada", []string{"-c", "3des-cbc"}, false},
		{"ada", []string{"-c", "aes128-ctr", "-m", "hmac-sha1"}, false},
		{"ada", []string{"-c", "aes128-ctr", "-m", "hmac-md5"}, false},
		{"rsa", []string{"-o", "PubkeyAcceptedAlgorithms=ssh-rsa"}, false},
		{"rsa", []string{"-o", "PubkeyAcceptedAlgorithms=rsa-sha2-256"}, true},
		{"short", []string{"-o", "RequiredRSASize=1024"}, false},
	} {
		if r := run(t, w.sshCommand(tt.key, tt.options, "apps:list")); (r.status == 0) != tt.ok {
			t.Errorf("%s with %v: %+v, want it taken: %v", tt.key, tt.options, r, tt.ok)
		}
	}
}

func TestNothingIsForwarded(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	t.Cleanup(func() { l.Close() })
	reached := make(chan struct{}, 1)
	go func() {
		if conn, err := l.Accept(); err == nil {
			conn.Close()
			reached <- struct{}{}
		}
	}()
	client, err := w.dial(w.signer("ada"))
	w.must(err)
	t.Cleanup(func() { client.Close() })

	if conn, err := client.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("a port was forwarded")
	}
	if conn, err := client.Dial("unix", w.socket); err == nil {
		conn.Close()
		t.Error("the local socket was forwarded")
	}
	if _, err := client.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("a port was opened for the client")
	}
	session, err := client.NewSession()
	w.must(err)
	for _, request := range []string{"auth-agent-req@openssh.com", "x11-req", "subsystem", "window-change", "no-such-thing"} {
		if ok, err := session.SendRequest(request, true, gossh.Marshal(struct{ Name string }{"sftp"})); err != nil || ok {
			t.Errorf("%s = %v, %v, want it refused", request, ok, err)
		}
	}
	select {
	case <-reached:
		t.Error("somebody came through")
	default:
	}
	if r := run(t, w.sshCommand("ada", []string{"-s"}, "sftp")); r.status == 0 {
		t.Errorf("sftp: %+v", r)
	}
	if r := run(t, w.sshCommand("ada", []string{"-W", l.Addr().String()})); r.status == 0 {
		t.Errorf("ssh -W: %+v", r)
	}
}

func TestThereIsNoShell(t *testing.T) {
	w := newWorld(t)
	for _, options := range [][]string{nil, {"-tt"}} {
		cmd := w.sshCommand("bob", options)
		cmd.Stdin = strings.NewReader("id\n")

		r := run(t, cmd)

		if r.status != 0 || !strings.HasPrefix(r.stdout, "Hello bob. This is Berth; there is no shell here.") || !strings.Contains(r.stdout, "list and remove apps") || strings.Contains(r.stdout, "uid=") {
			t.Errorf("ssh %v: %+v, want a greeting and help", options, r)
		}
	}
	for _, line := range []string{"sh", "/bin/sh -c id", "$(id)", "apps:list; id", "apps:list && id", "apps:list | sh", "apps:list `id`", "scp -t /tmp"} {
		if r := w.ssh("ada", line); r.status == 0 || strings.Contains(r.stdout+r.stderr, "uid=") {
			t.Errorf("%s: %+v, want it refused", line, r)
		}
	}
}

func TestClientsThatShowNoKeyAreCutInTime(t *testing.T) {
	w := newWorld(t, func(g *gateway.Gateway) { g.HandshakeTime = 300 * time.Millisecond })
	for name, say := range map[string]string{"silent": "", "chatty": "SSH-2.0-x\r\n"} {
		conn, err := net.Dial("tcp", w.Remote.Addr().String())
		w.must(err)
		t.Cleanup(func() { conn.Close() })
		began := time.Now()
		_, err = io.WriteString(conn, say)
		w.must(err)

		conn.SetDeadline(time.Now().Add(patience))
		_, err = io.Copy(io.Discard, conn) // until we are cut

		if took := time.Since(began); err != nil && os.IsTimeout(err) || took > patience/2 {
			t.Errorf("%s: cut after %v (%v), want in about 300ms", name, took, err)
		}
	}
	// Whoever has shown one may take their time.
	client, err := w.dial(w.signer("ada"))
	w.must(err)
	t.Cleanup(func() { client.Close() })
	session, err := client.NewSession()
	w.must(err)
	w.must(session.Run("apps:list"))
	<-time.After(600 * time.Millisecond) // longer than the time that others have
	session, err = client.NewSession()
	w.must(err)
	if err := session.Run("apps:list"); err != nil {
		t.Errorf("second session: %v", err)
	}
}

func TestConnectionsBeyondTheLimitAreRefused(t *testing.T) {
	w := newWorld(t, func(g *gateway.Gateway) { g.MaxConnections = 12 }) // 3 of one host
	var held []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", w.Remote.Addr().String())
		w.must(err)
		t.Cleanup(func() { conn.Close() })
		if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil { // its greeting
			t.Fatal(err)
		}
		held = append(held, conn)
	}

	over, err := net.Dial("tcp", w.Remote.Addr().String())
	w.must(err)
	t.Cleanup(func() { over.Close() })
	over.SetDeadline(time.Now().Add(patience))
	if n, err := over.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("the fourth connection got %d bytes, %v, want it closed", n, err)
	}
	// The local door is not one of them, and a place that was left is free.
	if r := w.local("apps:list"); r.status != 0 {
		t.Errorf("local: %+v", r)
	}
	held[0].Close()
	w.eventually("somebody else comes in", func() bool { return w.ssh("ada", "apps:list").status == 0 })
}

// One who does not read what was asked for keeps nobody else waiting.
func TestSlowReaderCostsOnlyItself(t *testing.T) {
	w := newWorld(t)
	client, err := w.dial(w.signer("ada"))
	w.must(err)
	t.Cleanup(func() { client.Close() })
	session, err := client.NewSession()
	w.must(err)
	out, err := session.StdoutPipe()
	w.must(err)
	w.must(session.Start("test:noise 20000"))
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}

	if r := w.ssh("bob", "apps:list"); r.status != 0 {
		t.Errorf("somebody else: %+v", r)
	}

	rest, err := io.ReadAll(out)
	w.must(err)
	if lines := strings.Count(string(rest), "\n"); lines != 20000 {
		t.Errorf("it got %d lines in the end, want 20000", lines)
	}
}

func TestLargeOutputComesWhole(t *testing.T) {
	w := newWorld(t)

	for name, r := range map[string]result{"ssh": w.ssh("bob", "test:noise", "8000"), "local": w.local("test:noise", "8000")} {
		if lines := strings.Count(r.stdout, "\n"); r.status != 0 || lines != 8000 || !strings.Contains(r.stdout, "\n7999 ") {
			t.Errorf("%s: %d with %d lines, want 8000", name, r.status, lines)
		}
	}
}

func TestOpenStdinKeepsNoCommandWaiting(t *testing.T) {
	w := newWorld(t)
	read, write, err := os.Pipe()
	w.must(err)
	t.Cleanup(func() { read.Close(); write.Close() })
	cmd := w.sshCommand("ada", nil, "apps:list")
	cmd.Stdin = read

	if r := run(t, cmd); r.status != 0 {
		t.Errorf("ssh: %+v", r)
	}
	status, err := gateway.Call(t.Context(), w.socket, []string{"apps:list"}, read, io.Discard, io.Discard)
	if err != nil || status != 0 {
		t.Errorf("local: %d, %v", status, err)
	}
}

func TestHostKeyIsTheGateways(t *testing.T) {
	w := newWorld(t)
	ip, port := w.host()
	known := "[" + ip + "]:" + port + " " + string(gossh.MarshalAuthorizedKey(w.HostKey.PublicKey()))
	w.must(os.WriteFile(w.path("known"), []byte(known), 0o600))

	cmd := w.sshCommand("ada", nil)
	cmd.Args = slices.Concat([]string{"ssh", "-o", "UserKnownHostsFile=" + w.path("known"), "-o", "StrictHostKeyChecking=yes"}, w.options("ada"), []string{"-p", port, ip, "apps:list"})
	if r := run(t, cmd); r.status != 0 {
		t.Errorf("%+v", r)
	}
}

func TestCallSaysThatNobodyListens(t *testing.T) {
	status, err := gateway.Call(t.Context(), filepath.Join(t.TempDir(), "none"), []string{"apps:list"}, nil, io.Discard, io.Discard)

	if err == nil || status == 0 {
		t.Errorf("Call = %d, %v, want an error", status, err)
	}
}
