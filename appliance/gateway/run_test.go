package gateway_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/gateway"
)

// runs is a command line of the test program in blog.
func runs(args ...string) string {
	return "run blog " + enginetest.Program + " " + strings.Join(args, " ")
}

func TestRunHasTheTerminalOfTheSession(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	client, err := w.dial(w.signer("ada"))
	w.must(err)
	t.Cleanup(func() { client.Close() })
	session, err := client.NewSession()
	w.must(err)
	screen := new(buffer)
	session.Stdout = screen
	typed, err := session.StdinPipe()
	w.must(err)
	see := func(what string) {
		t.Helper()
		w.eventually(what+" is on the screen", func() bool { return strings.Contains(screen.String(), what) })
	}

	w.must(session.RequestPty("vt220", 20, 70, gossh.TerminalModes{}))
	w.must(session.Start(runs("terminal")))
	see("vt220 20 rows 70 columns")
	for rows := range 50 { // nobody waits for any of them
		w.must(session.WindowChange(30+rows, 99))
	}
	see("vt220 79 rows 99 columns")
	_, err = io.WriteString(typed, "hello\n")
	w.must(err)
	see("typed hello")
	w.must(typed.Close())

	if err := session.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	// What an app draws on the screen is for its own terminal to change.
	if strings.Contains(screen.String(), "\r\n") {
		t.Errorf("on the screen is %q, want it as the program wrote it", screen)
	}
}

func TestRunPassesStatusStreamsAndInputOn(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	for _, status := range []int{0, 1, 20, 127, 255} {
		if r := w.ssh("ada", runs("say", strconv.Itoa(status), "one", "two")); r.status != status || r.stdout != "one\n" || r.stderr != "two\n" {
			t.Errorf("%d: %+v", status, r)
		}
		if r := w.local("run", "blog", enginetest.Program, "say", strconv.Itoa(status), "one", "two"); r.status != status || r.stdout != "one\n" || r.stderr != "two\n" {
			t.Errorf("%d locally: %+v", status, r)
		}
	}
	sent := strings.Repeat("\x00\r\n\xff\x04\n", 50_000)
	cmd := w.sshCommand("ada", nil, runs("cat"))
	cmd.Stdin = strings.NewReader(sent)

	if r := run(t, cmd); r.status != 0 || r.stdout != sent || r.stderr != "" {
		t.Errorf("status %d, %d bytes came back of %d, and %q", r.status, len(r.stdout), len(sent), r.stderr)
	}
	var stdout, stderr bytes.Buffer
	status, err := gateway.Call(t.Context(), w.socket, []string{"run", "blog", enginetest.Program, "cat"}, strings.NewReader(sent), &stdout, &stderr)
	if err != nil || status != 0 || stdout.String() != sent {
		t.Errorf("locally: %v, status %d, %d bytes came back of %d", err, status, stdout.Len(), len(sent))
	}
}

func TestRunEndsWhenItsPersonHangsUp(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	d := w.begin(w.sshCommand("ada", []string{"-tt"}, runs("deaf")))
	d.says("listening")

	w.must(d.cmd.Process.Kill())
	_ = d.cmd.Wait() // it was killed

	w.eventually("nothing of it is left", func() bool {
		list, err := w.Pipeline.OneOffs(t.Context(), "blog", true)
		w.must(err)
		return len(list) == 0
	})
}

// The local door's terminal is the person's own.
func TestRunTakesTheLocalTerminalAndGivesItBack(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	person, seat := openTerminal(t)
	resize(t, person, 20, 70)
	before, err := unix.IoctlGetTermios(int(seat.Fd()), unix.TCGETS)
	w.must(err)
	t.Setenv("TERM", "vt220")
	screen := new(buffer)
	go io.Copy(screen, person) // ends when the terminal does
	ended := make(chan int, 1)
	go func() {
		status, err := gateway.Call(context.WithoutCancel(t.Context()), w.socket, []string{"run", "blog", enginetest.Program, "terminal"}, seat, seat, seat)
		if err != nil {
			t.Error(err)
		}
		ended <- status
	}()
	see := func(what string) {
		t.Helper()
		w.eventually(what+" is on the screen", func() bool { return strings.Contains(screen.String(), what) })
	}

	see("vt220 20 rows 70 columns")
	during, err := unix.IoctlGetTermios(int(seat.Fd()), unix.TCGETS)
	w.must(err)
	if during.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG) != 0 {
		t.Errorf("the terminal still does by itself what the program's does: %#x", during.Lflag)
	}
	resize(t, person, 33, 99)
	w.must(unix.Kill(os.Getpid(), unix.SIGWINCH)) // as the kernel tells who has it as the controlling terminal
	see("vt220 33 rows 99 columns")
	_, err = person.WriteString("hello\n" + "\x04\n")
	w.must(err)
	see("typed hello")

	if status := <-ended; status != 0 {
		t.Errorf("status = %d\n%s", status, screen)
	}
	if after, err := unix.IoctlGetTermios(int(seat.Fd()), unix.TCGETS); err != nil || *after != *before {
		t.Errorf("the terminal is left as %+v, %v, want %+v", after, err, before)
	}
}

// openTerminal returns both ends of a terminal.
func openTerminal(t *testing.T) (person, seat *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	var n, unlock uint32
	for request, arg := range map[uintptr]*uint32{unix.TIOCSPTLCK: &unlock, unix.TIOCGPTN: &n} {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	seat, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seat.Close() })
	return person, seat
}

func resize(t *testing.T, terminal *os.File, rows, columns uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
}
