package enginetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

var execPromises = []promise{
	{"Exec sees the files and the environment of its process", func(w *world) {
		p := w.start(appliance.ProcessSpec{Env: []string{"COLOUR=grey", "SHADE=light"}})[0]

		w.exec(p.ID, appliance.ExecSpec{}, "write", "/left", "here")
		_, left := w.exec(p.ID, appliance.ExecSpec{}, "read", "/left")
		_, env := w.exec(p.ID, appliance.ExecSpec{Env: []string{"SHADE=dark"}}, "env")

		if strings.TrimSpace(left) != "here" {
			w.Errorf("it read %q, want what was written before", left)
		}
		lines := strings.Split(env, "\n")
		if !slices.Contains(lines, "COLOUR=grey") || !slices.Contains(lines, "SHADE=dark") || slices.Contains(lines, "SHADE=light") {
			w.Errorf("environment = %q, want the process's, with what was asked for", env)
		}
		if !w.process(p.ID).Running {
			w.Error("the process has ended")
		}
	}},

	{"Exec returns the status and writes both streams", func(w *world) {
		p := w.start(appliance.ProcessSpec{})[0]

		status, out := w.exec(p.ID, appliance.ExecSpec{}, "say", "3", "to stdout", "to stderr")

		if status != 3 || !strings.Contains(out, "to stdout\n") || !strings.Contains(out, "to stderr\n") {
			w.Errorf("status %d and %q, want 3 and both lines", status, out)
		}
	}},

	{"Exec ends when it is cancelled, and its process does not", func(w *world) {
		p := w.start(appliance.ProcessSpec{})[0]
		ctx, cancel := context.WithCancel(w.Context())
		var out buffer
		ended := make(chan error, 1)
		go func() {
			_, err := w.e.Exec(ctx, p.ID, appliance.ExecSpec{Command: []string{Program, "deaf"}, Env: []string{"PORT=9"}, Out: &out})
			ended <- err
		}()
		w.eventually("it runs", func() bool { return strings.Contains(out.String(), "listening") })

		cancel()

		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.Errorf("error = %v, want context.Canceled", err)
		}
		if !w.process(p.ID).Running {
			w.Error("the process has ended with it")
		}
	}},

	{"Exec beside what does not run is an error", func(w *world) {
		p := w.start(appliance.ProcessSpec{Image: w.image, Command: []string{Program, "say", "0"}})[0]
		w.eventually("it has ended", func() bool { return !w.process(p.ID).Running })

		if _, err := w.e.Exec(w.Context(), p.ID, appliance.ExecSpec{Command: []string{Program, "env"}}); err == nil {
			w.Error("there is no error for a process that has ended")
		}
		if _, err := w.e.Exec(w.Context(), strings.Repeat("0", 64), appliance.ExecSpec{Command: []string{Program, "env"}}); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("error = %v for no process, want ErrNotFound", err)
		}
	}},
}

// exec runs the test program beside a process, and returns what it printed.
func (w *world) exec(id string, spec appliance.ExecSpec, args ...string) (int, string) {
	w.Helper()
	var out bytes.Buffer
	spec.Command, spec.Out = append([]string{Program}, args...), &out
	status, err := w.e.Exec(w.Context(), id, spec)
	if err != nil {
		w.Fatalf("exec %q: %v\n%s", args, err, &out)
	}
	return status, out.String()
}
