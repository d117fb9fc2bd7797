package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestFakeIsAnEngine(t *testing.T) {
	enginetest.Test(t, newFake(t), "program")
}

func TestAFakeKeepsThePromisesAboutRegistries(t *testing.T) {
	f := newFake(t)
	login := appliance.RegistryLogin{Server: "registry.example.test", User: "acme", Password: "hunter2"}
	f.AddRegistry(login)

	enginetest.TestRegistry(t, f, "program", login)
}

func TestAFakeTellsWhatWasAskedOfIt(t *testing.T) {
	f := newFake(t)
	started := start(t, f, appliance.ProcessSpec{App: "blog", Type: "web", Release: 2, Image: "program", Replicas: 2})
	if err := f.Keep(t.Context(), appliance.Always, started[1].ID); err != nil {
		t.Fatal(err)
	}
	if err := f.Stop(t.Context(), 0, started[0].ID); err != nil {
		t.Fatal(err)
	}

	if got, want := f.Calls(), []string{"Start blog.web v2", "Keep blog.web.2 v2", "Stop blog.web.1 v2"}; !slices.Equal(got, want) {
		t.Errorf("calls = %q, want %q", got, want)
	}
	if specs := f.Started(); len(specs) != 1 || specs[0].Replicas != 2 {
		t.Errorf("started = %v, want the one spec", specs)
	}
}

func TestAFakeFailsWhenItIsToldTo(t *testing.T) {
	f := newFake(t)
	sorry := errors.New("sorry")
	f.Refuse(func(call string) error {
		if call == "Start" {
			return sorry
		}
		return nil
	})

	_, err := f.Start(t.Context(), appliance.ProcessSpec{App: "blog", Type: "web", Image: "program", Replicas: 1})

	if !errors.Is(err, sorry) {
		t.Errorf("error = %v, want %v", err, sorry)
	}
	if left, err := f.Processes(t.Context(), ""); err != nil || len(left) != 0 {
		t.Errorf("processes = %v, %v, want none", left, err)
	}
}

func TestAFakesProcessesExitAndMoveAndWatchersHear(t *testing.T) {
	f := newFake(t)
	p := start(t, f, appliance.ProcessSpec{App: "blog", Type: "web", Image: "program", Replicas: 1, Port: 80})[0]
	told := make(chan appliance.AppName, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Watch(ctx, func(app appliance.AppName) { told <- app }) }()
	hear := func(want appliance.AppName) {
		t.Helper()
		if got := <-told; got != want {
			t.Errorf("told of %q, want %q", got, want)
		}
	}
	hear("")

	f.Move(p.ID, "192.0.2.7:80")
	hear("blog")
	if found, _ := f.Processes(t.Context(), "blog"); found[0].Addr != "192.0.2.7:80" {
		t.Errorf("address = %q, want the new one", found[0].Addr)
	}
	f.Exit(p.ID, 9)
	hear("blog")
	if found, _ := f.Processes(t.Context(), "blog"); found[0].Running || found[0].ExitStatus != 9 {
		t.Errorf("process = %+v, want it ended with 9", found[0])
	}
	f.Lose()
	hear("")

	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAFakesRunsCanBeScripted(t *testing.T) {
	f := newFake(t)
	f.Program = func(_ context.Context, spec appliance.RunSpec) (appliance.RunResult, error) {
		fmt.Fprintln(spec.Out, "-----> Node.js")
		return appliance.RunResult{Collected: []byte("web: node .")}, nil
	}
	var out strings.Builder

	result, err := f.Run(t.Context(), appliance.RunSpec{
		App: "blog", Image: "program", Out: &out, Collect: "/app/Procfile", Commit: &appliance.CommitSpec{Tag: "blog:1"},
	})

	if err != nil || string(result.Collected) != "web: node ." || out.String() != "-----> Node.js\n" {
		t.Errorf("run = %v, %v, %q, want what the script says", result, err, out.String())
	}
	if _, err := f.Inspect(t.Context(), "blog:1"); err != nil {
		t.Errorf("the image: %v, want it committed", err)
	}
}

func newFake(t *testing.T) *enginetest.Fake {
	t.Helper()
	f := new(enginetest.Fake)
	t.Cleanup(f.Close)
	f.AddImage("program", appliance.ImageInfo{Cmd: []string{enginetest.Program}})
	return f
}

func start(t *testing.T, f *enginetest.Fake, spec appliance.ProcessSpec) []appliance.Process {
	t.Helper()
	started, err := f.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return started
}
