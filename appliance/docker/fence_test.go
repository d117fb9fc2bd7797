package docker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/enginetest"
)

// What the fence promises is in enginetest. This is how it is kept.
func TestAFenceHoldsBeforeAnythingRunsInIt(t *testing.T) {
	e := newEngine(t)
	build(t, e, enginetest.ProgramDir(t))
	fence := appliance.Fence{Memory: 256 << 20, CPUs: 0.5, Weight: 100, Pids: 300}
	want := map[string]string{ // seen from inside
		"limit memory/memory.limit_in_bytes": "268435456",
		"limit cpu/cpu.cfs_quota_us":         "50000",
		"limit cpu/cpu.shares":               "102",
		"limit pids/pids.max":                "300",
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		want = map[string]string{
			"limit memory.max":      "268435456",
			"limit memory.swap.max": "0",
			"limit cpu.max":         "50000 100000",
			"limit pids.max":        "300",
		}
	}
	want["read /proc/self/oom_score_adj"] = "500"
	for command, want := range want {
		args := append([]string{enginetest.Program}, strings.Fields(command)...)
		var ran strings.Builder
		if _, err := e.Run(t.Context(), appliance.RunSpec{
			App: "blog", Image: tagOf(e), Command: args, Out: &ran, Fence: fence,
		}); err != nil {
			t.Fatal(err)
		}
		dir := enginetest.ProgramDir(t)
		// The first of all that it does.
		appendTo(t, filepath.Join(dir, "Dockerfile"), `RUN ["`+strings.Join(args, `", "`)+"\"]\n")
		var built strings.Builder
		if _, err := e.Build(t.Context(), appliance.BuildSpec{
			App: "blog", Tag: tagOf(e) + "-read", Dir: dir, Fresh: true, Out: &built, Fence: fence,
		}); err != nil {
			t.Fatalf("%v\n%s", err, &built)
		}

		if got := strings.TrimSpace(ran.String()); got != want {
			t.Errorf("Run: %s = %q, want %q", command, got, want)
		}
		if !strings.Contains(built.String(), "\n"+want+"\n") {
			t.Errorf("Build: %s = %q, want %q", command, built.String(), want)
		}
	}
}

// The attack: stages of a Dockerfile run side by side, and each of them takes
// what the whole build may have.
func TestStagesThatRunSideBySideHaveOneFence(t *testing.T) {
	e := newEngine(t)
	dir := enginetest.ProgramDir(t)
	stages := ""
	for _, stage := range []string{"a", "b", "c"} {
		stages += "FROM scratch AS " + stage + "\nCOPY program " + enginetest.Program + "\nENV STAGE=" + stage + e.Instance() + "\n" +
			`RUN ["` + enginetest.Program + `", "take", "100"]` + "\n"
	}
	put(t, filepath.Join(dir, "Dockerfile"), stages+"FROM a\nCOPY --from=b /program /b\nCOPY --from=c /program /c\n")
	build := func(memory int64) error {
		_, err := e.Build(t.Context(), appliance.BuildSpec{
			App: "blog", Tag: tagOf(e), Dir: dir, Fresh: true, Fence: appliance.Fence{Memory: memory},
		})
		return err
	}

	narrow, wide := build(200<<20), build(500<<20)

	if x, ok := errors.AsType[*appliance.ExceededError](narrow); !ok || x.Resource != appliance.Memory {
		t.Errorf("three steps of 100 MB in 200 MB: %v, want that memory was exceeded", narrow)
	}
	if wide != nil {
		t.Errorf("three steps of 100 MB in 500 MB: %v, want no error", wide)
	}
}

func TestADiskFillerLeavesNothing(t *testing.T) {
	e := newEngine(t)
	capacity, err := e.Capacity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, last := string(enginetest.Name("first")), string(enginetest.Name("last"))
	dir := enginetest.ProgramDir(t)
	appendTo(t, filepath.Join(dir, "Dockerfile"),
		`RUN ["`+enginetest.Program+`", "write", "/`+first+`", "here"]`+"\n"+
			`RUN ["`+enginetest.Program+`", "fill", "/`+last+`"]`+"\n")

	_, err = e.Build(t.Context(), appliance.BuildSpec{
		App: "blog", Tag: tagOf(e), Dir: dir, Fence: appliance.Fence{Free: capacity.Free - 512<<20},
	})

	if x, ok := errors.AsType[*appliance.ExceededError](err); !ok || x.Resource != appliance.Disk {
		t.Fatalf("error = %v, want that the disk was exceeded", err)
	}
	await.That(t, "what the build wrote is gone", func() bool { return !stored(t, first) && !stored(t, last) })
}

// stored tells whether Docker has a file of a name at the top of a layer.
func stored(t testing.TB, name string) bool {
	t.Helper()
	info, err := rawDocker(t).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, layers := range []string{"overlay2/*/diff", "containerd/daemon/*/snapshots/*/fs"} {
		more, err := filepath.Glob(filepath.Join(info.DockerRootDir, layers, name))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, more...)
	}
	return len(found) > 0
}

func TestNothingOfAForkBombRunsOn(t *testing.T) {
	e := newEngine(t)
	mark := string(enginetest.Name("mark"))
	dir := enginetest.ProgramDir(t)
	appendTo(t, filepath.Join(dir, "Dockerfile"), `RUN ["`+enginetest.Program+`", "fork", "`+mark+"\"]\n")

	_, err := e.Build(t.Context(), appliance.BuildSpec{
		App: "blog", Tag: tagOf(e), Dir: dir, Fence: appliance.Fence{Pids: 200},
	})

	if x, ok := errors.AsType[*appliance.ExceededError](err); !ok || x.Resource != appliance.Processes {
		t.Fatalf("error = %v, want that the processes were exceeded", err)
	}
	if runs(t, mark) {
		t.Error("the fork bomb runs on")
	}
}
