package docker_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

// Without this, whoever pushes and hangs up a few times has the machine busy
// for hours.
func TestACancelledBuildRunsNothingAnyMore(t *testing.T) {
	e := newEngine(t)
	mark := string(enginetest.Name("mark"))
	dir := enginetest.ProgramDir(t)
	appendTo(t, filepath.Join(dir, "Dockerfile"), `RUN ["`+enginetest.Program+`", "deaf", "`+mark+"\"]\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := e.Build(ctx, appliance.BuildSpec{App: "blog", Tag: "berth-test/" + appliance.Image(mark), Dir: dir})
		ended <- err
	}()
	await.That(t, "the step runs", func() bool { return runs(t, mark) })

	cancel()

	if err := <-ended; err == nil {
		t.Error("the build has ended without an error")
	}
	await.That(t, "the step has ended", func() bool { return !runs(t, mark) })
}

// runs tells whether a process of this machine has an argument.
func runs(t testing.TB, arg string) bool {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lines {
		// Processes that end while we look are none.
		if line, err := os.ReadFile(name); err == nil && bytes.Contains(line, []byte("\x00"+arg+"\x00")) {
			return true
		}
	}
	return false
}

func TestABuildPrintsEachStepOnceAndWhatIsCached(t *testing.T) {
	e := newEngine(t)
	said := string(enginetest.Name("said"))
	push := func() string { // each push is unpacked anew
		dir := enginetest.ProgramDir(t)
		appendTo(t, filepath.Join(dir, "Dockerfile"), `RUN ["`+enginetest.Program+`", "say", "0", "`+said+"\"]\n")
		return build(t, e, dir)
	}

	first, second := push(), push()

	if !strings.Contains(first, "[1/2] COPY program") || !strings.Contains(first, "\n"+said+"\n") {
		t.Errorf("first build = %q, want its steps and what they say", first)
	}
	if !strings.Contains(second, "CACHED [2/2] RUN") || strings.Contains(second, "\n"+said+"\n") {
		t.Errorf("second build = %q, want it cached", second)
	}
	for _, out := range []string{first, second} {
		if strings.Count(out, "[2/2] RUN") != 1 || strings.Contains(out, "[internal]") {
			t.Errorf("build = %q, want each step once and nothing internal", out)
		}
	}
}

func TestABuildHonoursDockerignore(t *testing.T) {
	e := newEngine(t)
	dir := enginetest.ProgramDir(t)
	for name, content := range map[string]string{"keep.txt": "kept", "secret.env": "left out", ".dockerignore": "*.env\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	appendTo(t, filepath.Join(dir, "Dockerfile"), "COPY . /all\n")
	build(t, e, dir)

	kept := read(t, e, "/all/keep.txt")
	secret := read(t, e, "/all/secret.env")

	if !strings.Contains(kept, "kept") || strings.Contains(secret, "left out") {
		t.Errorf("the image has %q and %q, want only the first file", kept, secret)
	}
}

// What was sent for the last build is not sent again, so what has changed
// since must be, also when it looks the same: a checkout may give all files the
// time of their commit, and two commits may be of one second.
func TestABuildSeesWhatHasChanged(t *testing.T) {
	e := newEngine(t)
	dir := enginetest.ProgramDir(t)
	appendTo(t, filepath.Join(dir, "Dockerfile"), "COPY page /page\n")
	page := filepath.Join(dir, "page")
	for _, content := range []string{"one", "two"} { // of one size
		if err := os.WriteFile(page, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(page, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		build(t, e, dir)

		if got := read(t, e, "/page"); !strings.Contains(got, content) {
			t.Errorf("the image has %q, want %q", got, content)
		}
	}
}

func TestBuildsOfOneAppCanRunAtOnce(t *testing.T) {
	e := newEngine(t)
	dir := enginetest.ProgramDir(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var out strings.Builder
			if _, err := e.Build(t.Context(), appliance.BuildSpec{App: "blog", Tag: tagOf(e), Dir: dir, Out: &out}); err != nil {
				t.Errorf("%v\n%s", err, &out)
			}
		})
	}
	all.Wait()
}

func TestBuildArgumentsReachTheBuild(t *testing.T) {
	e := newEngine(t)
	dir := enginetest.ProgramDir(t)
	appendTo(t, filepath.Join(dir, "Dockerfile"), "ARG SHADE\nENV COLOUR=$SHADE\n")
	if _, err := e.Build(t.Context(), appliance.BuildSpec{
		App: "blog", Tag: tagOf(e), Dir: dir, Args: map[string]string{"SHADE": "dark blue"},
	}); err != nil {
		t.Fatal(err)
	}

	if env := run(t, e, "env"); !strings.Contains(env, "COLOUR=dark blue") {
		t.Errorf("environment = %q, want COLOUR in it", env)
	}
}

func tagOf(e *docker.Engine) appliance.Image {
	return appliance.Image("berth-test/" + e.Instance() + ":v1")
}

func build(t testing.TB, e *docker.Engine, dir string) string {
	t.Helper()
	var out strings.Builder
	if _, err := e.Build(t.Context(), appliance.BuildSpec{App: "blog", Tag: tagOf(e), Dir: dir, Out: &out}); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return out.String()
}

// run runs the test program in what build has made, and returns what it says.
func run(t testing.TB, e *docker.Engine, args ...string) string {
	t.Helper()
	var out strings.Builder
	if _, err := e.Run(t.Context(), appliance.RunSpec{
		App: "blog", Image: tagOf(e), Command: append([]string{enginetest.Program}, args...), Out: &out,
	}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func read(t testing.TB, e *docker.Engine, name string) string {
	t.Helper()
	return run(t, e, "read", name)
}

func appendTo(t testing.TB, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
