package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/command"
)

// A sitter is somebody at a real terminal, with a program that goes on.
type sitter struct {
	t      *testing.T
	person *os.File
	screen *await.Buffer
	cmd    *exec.Cmd
}

// sit runs a program at a terminal that is its own.
func (m *machine) sit(t *testing.T, rows, columns uint16, name string, args ...string) *sitter {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	seat, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer seat.Close()
	s := &sitter{t, person, new(await.Buffer), m.command("/", name, args...)}
	s.resize(rows, columns)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = seat, seat, seat
	s.cmd.Env = append(s.cmd.Env, "TERM=xterm")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(s.screen, person) // until the terminal is given up
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended
		person.Close()
		<-shown
	})
	return s
}

// resize makes the terminal another size, of which the kernel tells who runs
// there.
func (s *sitter) resize(rows, columns uint16) {
	s.t.Helper()
	if err := unix.IoctlSetWinsize(int(s.person.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sitter) types(text string) {
	s.t.Helper()
	if _, err := s.person.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sitter) sees(text string) {
	s.t.Helper()
	if !await.Until(await.Patience, func() bool { return strings.Contains(s.screen.String(), text) }) {
		s.t.Fatalf("%q is not on the screen:\n%s", text, s.screen)
	}
}

// ends waits for the program and checks its status.
func (s *sitter) ends(status int) {
	s.t.Helper()
	late := time.AfterFunc(await.Patience, func() { _ = s.cmd.Process.Kill() }) // it may have ended
	defer late.Stop()
	_ = s.cmd.Wait() // its status says more
	if got := s.cmd.ProcessState.ExitCode(); got != status {
		s.t.Errorf("%v ended with %d, want %d\n%s", s.cmd.Args, got, status, s.screen)
	}
}

// Who ends a command on the machine itself is not told that nobody listens.
func TestCtrlCOnTheMachineIsNoFailure(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	deaf, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := deaf.Accept(); err == nil {
			defer conn.Close()
		}
		cancel()
	}()
	var stdout, stderr bytes.Buffer

	status := call(ctx, config{socket: socket}, []string{"logs", "blog", "-t"}, strings.NewReader(""), &stdout, &stderr)

	if status != command.ExitInterrupted || stdout.Len()+stderr.Len() > 0 {
		t.Errorf("status %d, %q, %q", status, &stdout, &stderr)
	}
}
