package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

var runPromises = []promise{
	{"Run returns the status and writes both streams", func(w *world) {
		result, out := w.run(appliance.RunSpec{}, "say", "3", "to stdout", "to stderr")

		if result.Status != 3 {
			w.Errorf("status = %d, want 3", result.Status)
		}
		if !strings.Contains(out, "to stdout\n") || !strings.Contains(out, "to stderr\n") {
			w.Errorf("output = %q, want both lines", out)
		}
	}},

	{"Run gives the process its environment", func(w *world) {
		if _, out := w.run(appliance.RunSpec{Env: []string{"COLOUR=grey = blue"}}, "env"); !slices.Contains(strings.Split(out, "\n"), "COLOUR=grey = blue") {
			w.Errorf("environment = %q, want COLOUR in it", out)
		}
	}},

	{"Run of an image that is not there is ErrNotFound", func(w *world) {
		if _, err := w.tryRun(w.Context(), appliance.RunSpec{Image: w.tag("nowhere")}, "env"); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("error = %v, want ErrNotFound", err)
		}
	}},

	{"Run passes stdin on to its end", func(w *world) {
		text := strings.Repeat("a line of text\n", 100_000)

		if _, out := w.run(appliance.RunSpec{Stdin: strings.NewReader(text)}, "cat"); out != text {
			w.Errorf("got %d bytes back, want all %d", len(out), len(text))
		}
	}},

	{"Run ends with the process although stdin does not", func(w *world) {
		never, held := io.Pipe() // as a terminal whose person only looks
		defer held.Close()

		if result, _ := w.run(appliance.RunSpec{Stdin: never}, "say", "4"); result.Status != 4 {
			w.Errorf("status = %d, want 4", result.Status)
		}
	}},

	{"Run unpacks files before the start and brings one back", func(w *world) {
		files := archive(w, "in/letter", "dear engine")

		_, out := w.run(appliance.RunSpec{Files: files, FilesDir: "/made/up"}, "read", "/made/up/in/letter")
		result, _ := w.run(appliance.RunSpec{Collect: "/answer"}, "write", "/answer", "dear test")

		if strings.TrimSpace(out) != "dear engine" {
			w.Errorf("the process read %q", out)
		}
		if string(result.Collected) != "dear test" {
			w.Errorf("collected %q", result.Collected)
		}
	}},

	{"Run commits what the process leaves, and its configuration", func(w *world) {
		w.run(appliance.RunSpec{Commit: &appliance.CommitSpec{
			Tag: w.tag("v1"), Command: []string{Program, "read", "/left"}, User: "1000", Dir: "/tmp", Env: []string{"SHADE=dark"},
		}}, "write", "/left", "here")

		_, env := w.run(appliance.RunSpec{Image: w.tag("v1")}, "env")
		_, left := w.run(appliance.RunSpec{Image: w.tag("v1")}, "read", "/left")
		info, err := w.e.Inspect(w.Context(), w.tag("v1"))

		if !strings.Contains(env, "SHADE=dark") {
			w.Errorf("environment = %q, want SHADE in it", env)
		}
		if strings.TrimSpace(left) != "here" {
			w.Errorf("left %q, want the file", left)
		}
		if err != nil || !slices.Equal(info.Cmd, []string{Program, "read", "/left"}) {
			w.Errorf("Inspect = %v, %v, want the new command", info, err)
		}
	}},

	// A build is given config that holds passwords.
	{"Run commits nothing of its environment", func(w *world) {
		w.run(appliance.RunSpec{
			Env:    []string{"PASSWORD=sesame", "SHADE=light"},
			Commit: &appliance.CommitSpec{Tag: w.tag("v1"), Env: []string{"SHADE=dark"}},
		}, "write", "/left", "here")

		_, env := w.run(appliance.RunSpec{Image: w.tag("v1")}, "env")

		if strings.Contains(env, "PASSWORD") || !strings.Contains(env, "SHADE=dark") {
			w.Errorf("environment of what was committed = %q", env)
		}
	}},

	{"Run commits nothing of a process that failed", func(w *world) {
		w.run(appliance.RunSpec{Commit: &appliance.CommitSpec{Tag: w.tag("v1")}}, "say", "1")

		if _, err := w.e.Inspect(w.Context(), w.tag("v1")); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("Inspect = %v, want ErrNotFound", err)
		}
	}},

	{"a volume outlasts the run, a tmpfs does not even reach the image", func(w *world) {
		cache := []appliance.Mount{{Volume: "cache", Path: "/cache"}}
		w.run(appliance.RunSpec{Mounts: cache}, "write", "/cache/kept", "still here")
		w.run(appliance.RunSpec{Tmpfs: []string{"/fast"}, Commit: &appliance.CommitSpec{Tag: w.tag("v1")}}, "write", "/fast/lost", "gone")

		_, kept := w.run(appliance.RunSpec{Mounts: cache}, "read", "/cache/kept")
		lost, _ := w.run(appliance.RunSpec{Image: w.tag("v1")}, "read", "/fast/lost")

		if strings.TrimSpace(kept) != "still here" {
			w.Errorf("the volume holds %q", kept)
		}
		if lost.Status == 0 {
			w.Error("what was on the tmpfs is in the image")
		}
	}},

	{"a run that is cancelled ends, and what runs is no process", func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		var out buffer
		ended := make(chan error, 1)
		go func() {
			_, err := w.tryRun(ctx, appliance.RunSpec{Out: &out}, "deaf")
			ended <- err
		}()
		w.eventually("it runs", func() bool { return strings.Contains(out.String(), "listening") })

		if found := w.processes(); len(found) != 0 {
			w.Errorf("processes = %v, want none", found)
		}
		cancel()

		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.Errorf("error = %v, want context.Canceled", err)
		}
	}},

	{"a run goes on with what was prepared for it", func(w *world) {
		spec := appliance.RunSpec{Mounts: []appliance.Mount{{Volume: "cache", Path: "/cache"}}}
		id := w.prepare(spec, "cat")
		spec.Prepared, spec.Stdin = id, strings.NewReader("a line")
		spec.Commit = &appliance.CommitSpec{Tag: w.tag("v1")}
		spec.Files, spec.FilesDir = archive(w, "letter", "dear engine"), "/made/up"

		// What runs says whether it is what was prepared: this would exit with 7.
		result, out := w.run(spec, "say", "7")

		if result.Status != 0 || out != "a line" {
			w.Errorf("status = %d, output = %q, want the line of what was prepared", result.Status, out)
		}
		if _, letter := w.run(appliance.RunSpec{Image: w.tag("v1")}, "read", "/made/up/letter"); strings.TrimSpace(letter) != "dear engine" {
			w.Errorf("it was given %q", letter)
		}
		if err := w.e.Stop(w.Context(), 0, id); err != nil {
			w.Errorf("Stop of what has run: %v", err)
		}
	}},

	{"a run that was prepared and is gone is made anew", func(w *world) {
		id := w.prepare(appliance.RunSpec{}, "cat")
		if err := w.e.Stop(w.Context(), 0, id); err != nil {
			w.Fatal(err)
		}

		if result, _ := w.run(appliance.RunSpec{Prepared: id, Stdin: strings.NewReader("a line")}, "say", "7"); result.Status != 7 {
			w.Errorf("status = %d, want 7", result.Status)
		}
	}},

	{"a run that was prepared and is cancelled ends", func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		id := w.prepare(appliance.RunSpec{}, "deaf")
		var out buffer
		never, held := io.Pipe()
		defer held.Close()
		ended := make(chan error, 1)
		go func() {
			_, err := w.tryRun(ctx, appliance.RunSpec{Prepared: id, Stdin: never, Out: &out}, "deaf")
			ended <- err
		}()

		cancel()

		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.Errorf("error = %v, want context.Canceled", err)
		}
	}},

	{"what is prepared is no process, and Sweep removes it", func(w *world) {
		id := w.prepare(appliance.RunSpec{}, "cat")

		if found := w.processes(); len(found) != 0 {
			w.Errorf("processes = %v, want none", found)
		}
		if err := w.e.Sweep(w.Context(), time.Now()); err != nil {
			w.Fatal(err)
		}
		if result, _ := w.run(appliance.RunSpec{Prepared: id, Stdin: strings.NewReader("")}, "say", "7"); result.Status != 7 {
			w.Errorf("status = %d: what was swept runs", result.Status)
		}
	}},

	{"Sweep ends the runs that began before a moment, and no process", func(w *world) {
		p := w.start(appliance.ProcessSpec{})[0]
		began := time.Now()
		var out buffer
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			// It ends in one way or another; that it ends is the point.
			_, _ = w.tryRun(w.Context(), appliance.RunSpec{Out: &out}, "deaf")
		}()
		w.eventually("it runs", func() bool { return strings.Contains(out.String(), "listening") })

		if err := w.e.Sweep(w.Context(), began); err != nil {
			w.Fatal(err)
		}
		select {
		case <-ended:
			w.Fatal("a run that began later has been ended")
		default:
		}
		if err := w.e.Sweep(w.Context(), time.Now()); err != nil {
			w.Fatal(err)
		}

		<-ended
		if !w.process(p.ID).Running {
			w.Error("the process runs no more")
		}
	}},
}

// archive returns a tar stream with one file.
func archive(w *world, name, content string) io.Reader {
	w.Helper()
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		w.Fatal(err)
	}
	if _, err := io.WriteString(t, content); err != nil {
		w.Fatal(err)
	}
	if err := t.Close(); err != nil {
		w.Fatal(err)
	}
	return &b
}
