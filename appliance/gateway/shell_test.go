package gateway_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/appliance/command"
)

func TestShellAtATerminal(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	for name, begin := range map[string]func(s *sitter){
		"ssh":   func(s *sitter) { s.ssh("ada", "shell") },
		"local": func(s *sitter) { s.local(s.seat, "shell") },
	} {
		s := w.sits()
		begin(s)
		s.sees("berth> ")

		s.types("url bl\t\r")
		s.sees("https://blog.localhost\r\n")
		s.types(runs("terminal") + "\r")
		s.sees("vt220 20 rows 70 columns")
		resize(t, s.person, 33, 99)
		if name == "local" { // it is not this test's controlling terminal
			w.must(unix.Kill(os.Getpid(), unix.SIGWINCH))
		}
		s.sees("vt220 33 rows 99 columns")
		s.types("hello\n\x04\n")
		s.sees("end of input")
		s.types("config:get blog NOPE\r")
		s.sees(`config key "NOPE" of blog not found`)
		s.types("\x04")

		if status := <-s.ended; status != command.ExitNotFound || s.blind() {
			t.Errorf("%s: status %d\n%s", name, status, s.screen)
		}
	}
}

// Every line of a shell comes in by the gate.
func TestShellOpensNothing(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	cmd := w.sshCommand("bob", nil, "shell")
	cmd.Stdin = strings.NewReader("config blog\napps:destroy blog --force\ngit-receive-pack blog\ngit-hook x\nsh -c id\n" + runs("say", "0", "one") + "\n")

	r := run(t, cmd)

	if r.status != command.ExitDenied || r.stdout != "" || strings.Count(r.stderr, " !     ") != 6 {
		t.Errorf("%+v", r)
	}
	if _, err := w.Store.App(t.Context(), "blog"); err != nil {
		t.Error(err)
	}
}
