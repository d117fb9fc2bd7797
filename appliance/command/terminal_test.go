package command_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/command"
)

// A sitter is somebody at a terminal, with a command that goes on.
type sitter struct {
	w      *world
	screen *await.Buffer
	keys   *io.PipeWriter
	sizes  chan appliance.Size
	ended  chan error
}

// sit runs a command for somebody at a terminal. As by SSH, stdout and what is
// written to the screen as it is come to the same.
func (w *world) sit(actor appliance.Actor, args ...string) *sitter {
	w.t.Helper()
	return w.sitBefore(actor, appliance.Size{}, args...)
}

// sitBefore is sit with a terminal that says how large it is.
func (w *world) sitBefore(actor appliance.Actor, size appliance.Size, args ...string) *sitter {
	w.t.Helper()
	in, keys := io.Pipe()
	s := &sitter{w, new(await.Buffer), keys, make(chan appliance.Size, 1), make(chan error, 1)}
	if size != (appliance.Size{}) {
		s.sizes <- size
	}
	session := &command.Session{
		Actor: actor, Stdin: in, Stdout: s.screen, Stderr: s.screen, Screen: s.screen, TTY: true,
		Terminal: &appliance.Terminal{Name: "vt220", Sizes: s.sizes},
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	go func() { s.ended <- w.Execute(ctx, session, args) }()
	w.t.Cleanup(func() {
		cancel()
		in.Close()
	})
	return s
}

// types types, which takes as long as nobody reads it.
func (s *sitter) types(text string) {
	s.w.t.Helper()
	if _, err := io.WriteString(s.keys, text); err != nil {
		s.w.t.Fatal(err)
	}
}

// sees waits until a text is on the screen.
func (s *sitter) sees(text string) {
	s.w.t.Helper()
	if !await.Until(await.Patience, func() bool { return strings.Contains(s.screen.String(), text) }) {
		s.w.t.Fatalf("%q is not on the screen:\n%q", text, s.screen)
	}
}

func (s *sitter) status() int { return command.ExitStatus(<-s.ended) }

func (w *world) eventually(what string, so func() bool) {
	w.t.Helper()
	await.That(w.t, what, so)
}

// At a terminal by SSH nothing but the command itself minds keys.
func TestCommandsAtATerminalHaveLines(t *testing.T) {
	w := newWorld(t)
	s := w.sit(mia, "apps:destroy", "blog")
	s.sees("> ")

	s.types("blx\x7f\u00e9\x7f\x1b[D\x01og\r")

	if status := s.status(); status != 0 || !strings.Contains(s.screen.String(), "> blx\b \b\u00e9\b \bog\r\n") {
		t.Errorf("status %d\n%q", status, s.screen)
	}
	s = w.sit(carol, "config:import", "api", "--no-restart")
	s.types("A=1\rB=2\r\x04")
	if status := s.status(); status != 0 {
		t.Errorf("status %d\n%q", status, s.screen)
	}
	if env, err := w.Store.Config(t.Context(), "api"); err != nil || fmt.Sprint(env) != "map[A:1 B:2]" {
		t.Errorf("config = %v, %v", env, err)
	}
}

func TestCtrlCEndsACommandAtATerminal(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{{"apps:destroy", "blog"}, {"config:set", "blog", "KEY"}, {"config:import", "blog"}, {"registry:login", "--global", "localhost:1", "bob"}} {
		s := w.sit(ada, args...)
		s.types("bl\x03")
		if status := s.status(); status != command.ExitInterrupted {
			t.Errorf("%s: status %d\n%q", args, status, s.screen)
		}
	}
	if env, err := w.Store.Config(t.Context(), "blog"); err != nil || len(env) > 0 {
		t.Errorf("config = %v, %v", env, err)
	}
}

func TestSecretsAreAskedForAndNotShown(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		args        []string
		typed, want string
	}{
		"a word":            {[]string{"KEY"}, "hunter2\r", "hunter2"},
		"mended":            {[]string{"KEY"}, "x\x15hunter\u00e9\x7f2\r", "hunter2"},
		"arrows":            {[]string{"KEY"}, "hun\x1b[A\x1bOA\x1b[1;5Cter2\r", "hunter2"},
		"several lines":     {[]string{"KEY"}, "\x1b[200~hunter2\r\r\thunter2\r\nhunter2\r\x1b[201~\r", "hunter2\n\n\thunter2\nhunter2"},
		"other line ends":   {[]string{"KEY"}, "\x1b[200~hunter2\n\nhunter2\x1b[201~\r", "hunter2\n\nhunter2"},
		"long":              {[]string{"KEY"}, strings.Repeat("hunter2.", 10<<10) + "\r", strings.Repeat("hunter2.", 10<<10)},
		"nothing":           {[]string{"KEY"}, "\r", ""},
		"base64":            {[]string{"KEY", "--encoded"}, "aHVudGVyMg==\r", "hunter2"},
		"ended with Ctrl-D": {[]string{"KEY"}, "hunter2\x04", "hunter2"},
	} {
		s := w.sit(bob, append([]string{"config:set", "blog", "--no-restart"}, tt.args...)...)
		s.sees("Value of KEY: ")

		s.types(tt.typed)

		if status := s.status(); status != 0 || strings.Contains(s.screen.String(), "hunter") {
			t.Errorf("%s: status %d, and on the screen is %.100q", name, status, s.screen)
		}
		if env, err := w.Store.Config(t.Context(), "blog"); err != nil || env["KEY"] != tt.want {
			t.Errorf("%s: KEY = %.100q, %v", name, env["KEY"], err)
		}
	}
	s := w.sit(bob, "config:set", "blog", "--no-restart", "KEY")
	s.types("\x04")
	if err := <-s.ended; !errors.Is(err, appliance.ErrInvalid) {
		t.Errorf("nothing but Ctrl-D: %v", err)
	}
	s = w.sit(mia, "http-auth:add-user", "blog", "vera")
	s.sees("Password: ")
	s.types("hunter2\r")
	if status := s.status(); status != 0 || strings.Contains(s.screen.String(), "hunter2") {
		t.Errorf("http-auth:add-user: status %d\n%q", status, s.screen)
	}
}

func TestCommandLinesThatTakeTheTerminal(t *testing.T) {
	for line, want := range map[string]string{
		"shell": "takes", "top": "takes", "top -n 3": "takes", "top --format json": "", "run blog bash": "takes", "--app blog run ls -la": "takes",
		"run --app blog ls -la": "takes", "run --no-tty blog ls": "", "run blog --no-tty ls": "", "run blog ls --no-tty": "takes", "--as=dokku enter blog": "takes",
		"status": "", "logs blog -t": "", "": "", "help run": "",
		"config:set blog KEY": "asks", "config:set blog KEY=1": "", "config:set blog KEY OTHER=1": "", "config:set KEY": "", "config:set --global KEY": "asks",
		"--app blog config:set KEY": "asks", "config:set --app blog --no-restart KEY": "asks", "config:set --encoded blog KEY": "asks", "config:set blog KEY --no-restart": "asks",
		"config:set": "", "--as=dokku git:auth github.com ada": "asks", "config:get blog KEY": "",
	} {
		args := strings.Fields(line)
		got := ""
		if command.TakesTerminal(args) {
			got += "takes"
		}
		if command.AsksSecret(args) {
			got += "asks"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
