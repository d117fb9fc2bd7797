package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/gateway"
)

// A sitter is somebody at a real terminal, with a command that goes on.
type sitter struct {
	w            *world
	person, seat *os.File
	screen       *buffer
	ended        chan int
}

// sits returns somebody at a terminal of 20 rows and 70 columns.
func (w *world) sits() *sitter {
	w.t.Helper()
	s := &sitter{w: w, screen: new(buffer), ended: make(chan int, 1)}
	s.person, s.seat = openTerminal(w.t)
	resize(w.t, s.person, 20, 70)
	go io.Copy(s.screen, s.person) // ends when the terminal does
	return s
}

// ssh runs a command by the real ssh client.
func (s *sitter) ssh(key string, args ...string) {
	s.w.t.Helper()
	cmd := s.w.sshCommand(key, []string{"-t"}, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.seat, s.seat, s.seat
	cmd.Env = append(os.Environ(), "TERM=vt220")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s.w.must(cmd.Start())
	go func() {
		err := cmd.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || !exit.Exited()) {
			s.w.t.Errorf("%v: %v", cmd.Args, err)
		}
		s.ended <- cmd.ProcessState.ExitCode()
	}()
}

// local runs a command on the machine itself, with stdout where it is said to
// be.
func (s *sitter) local(stdout io.Writer, args ...string) {
	s.w.t.Helper()
	s.w.t.Setenv("TERM", "vt220")
	go func() {
		status, err := gateway.Call(context.WithoutCancel(s.w.t.Context()), s.w.socket, args, s.seat, stdout, s.seat)
		if err != nil {
			s.w.t.Error(err)
		}
		s.ended <- status
	}()
}

func (s *sitter) types(text string) {
	s.w.t.Helper()
	_, err := s.person.WriteString(text)
	s.w.must(err)
}

func (s *sitter) sees(text string) {
	s.w.t.Helper()
	s.w.eventually(text+" is on the screen", func() bool { return strings.Contains(s.screen.String(), text) })
}

// blind tells whether the terminal shows nothing of what is typed.
func (s *sitter) blind() bool {
	s.w.t.Helper()
	mode, err := unix.IoctlGetTermios(int(s.seat.Fd()), unix.TCGETS)
	s.w.must(err)
	return mode.Lflag&unix.ECHO == 0
}

// What somebody types as the value of a key shows on no screen, and is on no
// command line.
func TestSecretIsAskedForAtATerminal(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	for name, begin := range map[string]func(s *sitter, args ...string){
		"ssh":   func(s *sitter, args ...string) { s.ssh("ada", args...) },
		"local": func(s *sitter, args ...string) { s.local(s.seat, args...) },
		// berth config:set blog KEY > log
		"into a file": func(s *sitter, args ...string) { s.local(new(buffer), args...) },
	} {
		s := w.sits()

		begin(s, "config:set", "--no-restart", "blog", "KEY")
		s.sees("Value of KEY: ")
		if !s.blind() {
			t.Errorf("%s: the terminal shows what is typed", name)
		}
		s.types("hunter2 of " + name + "\r")

		if status := <-s.ended; status != 0 || strings.Contains(s.screen.String(), "hunter2") {
			t.Errorf("%s: status %d, and on the screen is\n%s", name, status, s.screen)
		}
		if s.blind() {
			t.Errorf("%s: the terminal is not given back", name)
		}
		if env, err := w.Store.Config(t.Context(), "blog"); err != nil || env["KEY"] != "hunter2 of "+name {
			t.Errorf("%s: KEY = %q, %v", name, env["KEY"], err)
		}

		s = w.sits()
		begin(s, "config:set", "--no-restart", "blog", "OTHER")
		s.sees("Value of OTHER: ")
		s.types("hunter2\x03")
		if status := <-s.ended; status != command.ExitInterrupted || s.blind() {
			t.Errorf("%s: after Ctrl-C: status %d\n%s", name, status, s.screen)
		}
		if env, err := w.Store.Config(t.Context(), "blog"); err != nil || len(env) != 1 {
			t.Errorf("%s: after Ctrl-C there are %d values, %v", name, len(env), err)
		}
	}
}

func TestSecretComesFromAPipe(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	cmd := w.sshCommand("ada", nil, "config:set", "--no-restart", "blog", "KEY")
	cmd.Stdin = strings.NewReader("hunter2\n")
	if r := run(t, cmd); r.status != 0 || r.stdout != "-----> Setting KEY\n" || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	var stdout, stderr bytes.Buffer
	status, err := gateway.Call(t.Context(), w.socket, []string{"config:set", "--no-restart", "blog", "LOCAL"}, strings.NewReader("hunter3"), &stdout, &stderr)
	if err != nil || status != 0 || stdout.String() != "-----> Setting LOCAL\n" || stderr.Len() > 0 {
		t.Errorf("locally: %v, status %d\n%s%s", err, status, &stdout, &stderr)
	}
	if env, err := w.Store.Config(t.Context(), "blog"); err != nil || env["KEY"] != "hunter2" || env["LOCAL"] != "hunter3" {
		t.Errorf("config = %q, %v", env, err)
	}
}

// Who sits at a terminal by SSH can end what does not end.
func TestCtrlCEndsACommandBySSH(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	s := w.sits()
	s.ssh("ada", "apps:destroy", "blog")
	s.sees("To proceed, type")

	s.types("blog\x03")

	if status := <-s.ended; status != command.ExitInterrupted {
		t.Errorf("status %d\n%s", status, s.screen)
	}
	if _, err := w.Store.App(t.Context(), "blog"); err != nil {
		t.Error(err)
	}
}
