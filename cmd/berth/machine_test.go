package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/berthhq/berth/appliance/await"
	dockerengine "github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

// A machine is a berth of its own on the real Docker, with the clients that a
// person has: git, ssh and a browser. Its names and addresses are nobody
// else's, so that machines can run beside each other.
type machine struct {
	dir      string // what the daemon keeps
	home     string // of the person: configuration of git and ssh, a key
	instance string
	docker   string // where its Docker listens; the usual one if ""
	path     string // the person's PATH
	binary   string // the berth to use; this test binary if ""
	extra    []string

	ssh, http, https int

	daemon *exec.Cmd
	ended  chan struct{}  // closed when the daemon has ended
	trust  *x509.CertPool // what the browser trusts beside the local CA
}

// newMachine makes a machine whose daemon is not started yet. Whoever makes
// one calls remove.
func newMachine(docker string) (_ *machine, err error) {
	dir, err := os.MkdirTemp("", "berth-e2e-") // short: a socket's path has 108 bytes at most
	if err != nil {
		return nil, err
	}
	m := &machine{
		dir: filepath.Join(dir, "berth"), home: filepath.Join(dir, "home"),
		instance: string(enginetest.Name("berth-e2e")), docker: docker,
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	for _, port := range []*int{&m.ssh, &m.http, &m.https} {
		if *port, err = freePort(); err != nil {
			return nil, err
		}
	}
	return m, m.furnish()
}

// freePort returns a port that stays free also while the daemon is down: the
// system gives none of these to whoever asks for any.
func freePort() (int, error) {
	for {
		port := 12000 + rand.IntN(18000)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return 0, err
		}
		return port, ln.Close()
	}
}

// furnish makes the person's home: a key, and an ssh that knows "berth" as the
// name of the machine and reads no configuration but this.
func (m *machine) furnish() error {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		return err
	}
	bin := filepath.Join(m.home, "bin")
	m.path = bin + ":" + os.Getenv("PATH")
	config := filepath.Join(m.home, ".ssh", "config")
	err = errors.Join(os.MkdirAll(bin, 0o700), os.MkdirAll(filepath.Dir(config), 0o700))
	if err != nil {
		return err
	}
	key := filepath.Join(m.home, ".ssh", "id_ed25519")
	for name, text := range map[string]string{
		filepath.Join(bin, "ssh"): fmt.Sprintf("#!/bin/sh\nexec %s -F '%s' \"$@\"\n", ssh, config),
		config: fmt.Sprintf("Host *\n  HostName 127.0.0.1\n  Port %d\n  User berth\n  IdentityFile %s\n  IdentitiesOnly yes\n"+
			"  UserKnownHostsFile %s/known_hosts\n  StrictHostKeyChecking accept-new\n  LogLevel ERROR\n  BatchMode yes\n",
			m.ssh, key, filepath.Dir(config)),
		filepath.Join(m.home, ".gitconfig"): "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			return err
		}
	}
	return m.newKey(key)
}

// newKey makes a key pair.
func (m *machine) newKey(path string) error {
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@laptop", "-f", path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ssh-keygen: %s: %w", out, err)
	}
	return nil
}

// env is the environment of the daemon and of the person.
func (m *machine) env() []string {
	env := []string{
		"HOME=" + m.home, "PATH=" + m.path, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_MERGE_AUTOEDIT=no",
		"BERTH_DIR=" + m.dir, "BERTH_SOCKET=" + filepath.Join(m.dir, "berth.sock"), "BERTH_INSTANCE=" + m.instance,
		fmt.Sprintf("BERTH_SSH=127.0.0.1:%d", m.ssh), fmt.Sprintf("BERTH_HTTP=127.0.0.1:%d", m.http), fmt.Sprintf("BERTH_HTTPS=127.0.0.1:%d", m.https),
		"BERTH_IP=127.0.0.1",        // whatever this machine is called outside
		"GORACE=atexit_sleep_ms=10", // or each command and hook takes a second more to end under the race detector
		"INSTANCE=" + m.instance, fmt.Sprintf("SSH_PORT=%d", m.ssh), fmt.Sprintf("HTTPS_PORT=%d", m.https),
	}
	if m.docker != "" {
		env = append(env, "DOCKER_HOST="+m.docker)
	}
	return append(env, m.extra...)
}

// command is a program that the person runs in dir.
func (m *machine) command(dir, name string, args ...string) *exec.Cmd {
	switch {
	case name == "ssh":
		name = filepath.Join(m.home, "bin", name)
	case name == "berth" && m.binary != "":
		name = m.binary
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(m.env(), "LC_ALL=C.UTF-8")
	return cmd
}

// run runs a program and returns all that it printed.
func (m *machine) run(dir, name string, args ...string) (string, error) {
	out, err := m.command(dir, name, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// start starts the daemon and returns when it serves.
func (m *machine) start() error {
	log, err := os.OpenFile(m.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	m.daemon = m.command("/", "berth", "serve")
	m.daemon.Env = append(m.daemon.Env, "GOTRACEBACK=all")
	m.daemon.Stderr = log
	if err := m.daemon.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	m.ended = ended
	go func() {
		m.daemon.Wait() // how it ended, its log says
		close(ended)
	}()
	return m.eventually("the daemon serves", func() error {
		select {
		case <-ended:
			return fmt.Errorf("%w\n%s", errOver, m.log())
		default:
		}
		_, err := m.report()
		return err
	})
}

// A report is what berth says of itself.
type report struct {
	SSHPort int    `json:"ssh_port"`
	URL     string `json:"url"`
}

func (m *machine) report() (r report, err error) {
	out, err := m.command("/", "berth", "report", "--global", "--format", "json").Output()
	if err != nil {
		return r, err
	}
	var first struct{ Values *report }
	first.Values = &r
	return r, json.NewDecoder(bytes.NewReader(out)).Decode(&first)
}

// admit lets the person's key in, as an admin.
func (m *machine) admit() error {
	key, err := os.ReadFile(filepath.Join(m.home, ".ssh", "id_ed25519.pub"))
	if err != nil {
		return err
	}
	add := m.command("/", "berth", "ssh-keys:add", "ada", "--admin")
	add.Stdin = bytes.NewReader(key)
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("add the key: %s: %w", out, err)
	}
	return nil
}

// end ends the daemon with a signal and waits until it is gone.
func (m *machine) end(signal os.Signal) error {
	if m.daemon == nil {
		return nil
	}
	if err := m.daemon.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-m.ended:
		m.daemon = nil
		return nil
	case <-time.After(await.Patience):
		return fmt.Errorf("the daemon does not end by %s", signal)
	}
}

func (m *machine) kill() error { return m.end(syscall.SIGKILL) }

// errOver says that waiting longer is in vain.
var errOver = errors.New("the daemon has ended")

// eventually waits until try gives no error.
func (m *machine) eventually(what string, try func() error) error {
	var err error
	await.Until(await.Patience, func() bool {
		err = try()
		return err == nil || errors.Is(err, errOver)
	})
	if err != nil {
		return fmt.Errorf("it did not come about that %s: %w", what, err)
	}
	return nil
}

func (m *machine) logFile() string { return filepath.Join(filepath.Dir(m.dir), "berth.log") }

func (m *machine) log() string {
	text, err := os.ReadFile(m.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// things lists, a line for each, what there is of the machine in Docker, but
// for the stack and what it was made of.
func (m *machine) things() (string, error) {
	var list, pins strings.Builder
	for _, kind := range []struct {
		name string
		args []string
	}{
		{"container", []string{"ps", "-a", "--format", "{{.Names}} {{.Status}}"}},
		{"image", []string{"images", "--format", "{{.Repository}}:{{.Tag}}"}},
		{"network", []string{"network", "ls", "--format", "{{.Name}}"}},
		{"volume", []string{"volume", "ls", "--format", "{{.Name}}"}},
	} {
		out, err := m.run("/", "docker", append(kind.args, "--filter", "label=berth.instance="+m.instance)...)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(out) {
			if kind.name == "container" && strings.Contains(line, ".keeps.") {
				fmt.Fprintf(&pins, "pin %s", line) // it never runs: an image that is to stay has it
				continue
			}
			if !strings.HasPrefix(line, m.instance+"/stack:") {
				fmt.Fprintf(&list, "%s %s", kind.name, line)
			}
		}
	}
	return list.String() + pins.String(), nil
}

// remove ends the daemon and removes all there is of the machine.
func (m *machine) remove() error {
	err := m.kill()
	engine, dockerErr := dockerengine.New(m.docker, m.instance)
	if dockerErr == nil {
		ctx, cancel := context.WithTimeout(context.Background(), await.Patience)
		defer cancel()
		dockerErr = errors.Join(engine.Purge(ctx), engine.Close())
	}
	// The other name of the base image; there is none if no base was there.
	_ = m.command("/", "docker", "image", "rm", m.instance+baseName).Run()
	return errors.Join(err, dockerErr, os.RemoveAll(filepath.Dir(m.dir)))
}
