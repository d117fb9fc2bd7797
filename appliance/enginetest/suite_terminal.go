package enginetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A seat is where a person sits who talks to a command.
type seat struct {
	*appliance.Terminal
	sizes  chan appliance.Size
	typed  *io.PipeReader
	types  *io.PipeWriter
	screen buffer
}

func newSeat() *seat {
	s := &seat{sizes: make(chan appliance.Size, 1)}
	s.typed, s.types = io.Pipe()
	s.Terminal = &appliance.Terminal{Name: "vt220", Sizes: s.sizes}
	return s
}

// talk is what somebody does at a terminal while a command runs there.
func (w *world) talk(s *seat, run func() (status int, err error)) {
	w.Helper()
	s.sizes <- appliance.Size{Rows: 20, Columns: 70}
	ended := make(chan error, 1)
	go func() {
		status, err := run()
		if err == nil && status != 0 {
			err = errors.New("it failed")
		}
		ended <- err
	}()
	see := func(what string) {
		w.Helper()
		w.eventually(what+" is on the screen", func() bool { return strings.Contains(s.screen.String(), what) })
	}

	see("vt220 20 rows 70 columns")
	s.sizes <- appliance.Size{Rows: 33, Columns: 99}
	see("vt220 33 rows 99 columns")
	_, _ = io.WriteString(s.types, "hello\n") // it is not heard if it has ended
	see("typed hello")
	s.types.Close()
	see("end of input")

	if err := <-ended; err != nil {
		w.Errorf("it ended with %v\n%s", err, &s.screen)
	}
}

var terminalPromises = []promise{
	{"Run has a terminal whose size changes, and whose input ends", func(w *world) {
		s := newSeat()

		w.talk(s, func() (int, error) {
			result, err := w.tryRun(w.Context(), appliance.RunSpec{Terminal: s.Terminal, Stdin: s.typed, Out: &s.screen}, "terminal")
			return result.Status, err
		})
	}},

	{"Exec has a terminal whose size changes, and whose input ends", func(w *world) {
		p := w.start(appliance.ProcessSpec{})[0]
		s := newSeat()

		w.talk(s, func() (int, error) {
			return w.e.Exec(w.Context(), p.ID, appliance.ExecSpec{
				Command: []string{Program, "terminal"}, Terminal: s.Terminal, Stdin: s.typed, Out: &s.screen,
			})
		})
	}},

	{"without a terminal both streams are as they were written, and apart", func(w *world) {
		p := w.start(appliance.ProcessSpec{})[0]
		sent := strings.Repeat("\x00\r\n\xff\x04\n", 20_000)
		var out, err, execOut, execErr bytes.Buffer

		_, failed := w.tryRun(w.Context(), appliance.RunSpec{Stdin: strings.NewReader(sent), Out: &out, Err: &err}, "both")
		_, execFailed := w.e.Exec(w.Context(), p.ID, appliance.ExecSpec{
			Command: []string{Program, "both"}, Stdin: strings.NewReader(sent), Out: &execOut, Err: &execErr,
		})

		if failed != nil || out.String() != sent || err.String() != sent {
			w.Errorf("Run: %v, %d and %d bytes, want %d of each", failed, out.Len(), err.Len(), len(sent))
		}
		if execFailed != nil || execOut.String() != sent || execErr.String() != sent {
			w.Errorf("Exec: %v, %d and %d bytes, want %d of each", execFailed, execOut.Len(), execErr.Len(), len(sent))
		}
	}},

	{"what is given up hears of it before it is ended", func(w *world) {
		desk := []appliance.Mount{{Volume: "desk", Path: "/desk"}}
		p := w.start(appliance.ProcessSpec{Mounts: desk})[0]
		for file, run := range map[string]func(ctx context.Context, out io.Writer) error{
			"/desk/run": func(ctx context.Context, out io.Writer) error {
				_, err := w.tryRun(ctx, appliance.RunSpec{Mounts: desk, Out: out, HangUp: patience}, "mourn", "/desk/run")
				return err
			},
			"/desk/exec": func(ctx context.Context, out io.Writer) error {
				_, err := w.e.Exec(ctx, p.ID, appliance.ExecSpec{Command: []string{Program, "mourn", "/desk/exec"}, Out: out, HangUp: patience})
				return err
			},
		} {
			ctx, hangUp := context.WithCancel(w.Context())
			defer hangUp()
			var out buffer
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, &out) }()
			w.eventually(file+" waits", func() bool { return strings.Contains(out.String(), "waiting") })

			hangUp()

			if err := <-ended; !errors.Is(err, context.Canceled) {
				w.Errorf("%s: error = %v, want context.Canceled", file, err)
			}
			if _, said := w.exec(p.ID, appliance.ExecSpec{}, "read", file); strings.TrimSpace(said) != "hung up" {
				w.Errorf("%s: it left %q, want that it was hung up on", file, said)
			}
		}
	}},

	{"what does not heed a hang-up is ended all the same", func(w *world) {
		ctx, hangUp := context.WithCancel(w.Context())
		defer hangUp()
		var out buffer
		ended := make(chan error, 1)
		go func() {
			_, err := w.tryRun(ctx, appliance.RunSpec{Out: &out, HangUp: 50 * time.Millisecond}, "deaf")
			ended <- err
		}()
		w.eventually("it runs", func() bool { return strings.Contains(out.String(), "listening") })

		hangUp()

		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.Errorf("error = %v, want context.Canceled", err)
		}
	}},
}
