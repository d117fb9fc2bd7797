package docker_test

import (
	"path/filepath"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

// These files stand for the versions of cgroups that the kernel of the machine
// that runs the tests does not have.
func TestThePeakIsWhatTheKernelCountedOrAtLeastWhatWasSeen(t *testing.T) {
	const now, most, outs = "x/memory.current", "x/memory.peak", "x/memory.events"
	for name, c := range map[string]struct {
		first, then map[string]string
		peak        int64
		open        bool
	}{
		"the end was seen":        {nil, map[string]string{now: "70", most: "100", outs: "oom 1\noom_kill 0\n"}, 100, false},
		"the machine's memory":    {nil, map[string]string{now: "70", most: "90", outs: "oom 0\noom_kill 1\n"}, 90, false},
		"the end was not seen":    {nil, map[string]string{now: "70", most: "80", outs: "oom 0\noom_kill 0\n"}, 80, true},
		"a kernel without a peak": {map[string]string{now: "60"}, map[string]string{now: "50", outs: "oom 1\noom_kill 1\n"}, 60, true},
		"it never ran":            {nil, nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write := func(files map[string]string) func() {
				return func() {
					for name, text := range files {
						put(t, filepath.Join(root, name), text)
					}
				}
			}
			write(map[string]string{"cgroup.controllers": ""})()

			peak, open := docker.Tallied(root, "/x", write(c.first), write(c.then))

			if peak != c.peak || open != c.open {
				t.Errorf("peak = %d, open = %v, want %d, %v", peak, open, c.peak, c.open)
			}
		})
	}
}

// It is started again by Docker, in a new cgroup of the same name.
func TestThePeakIsThatOfTheLastLife(t *testing.T) {
	e := newEngine(t)
	image := enginetest.Image(t, e)
	started, err := e.Start(t.Context(), appliance.ProcessSpec{
		App: "blog", Type: "worker", Image: image, Command: []string{enginetest.Program, "eat"}, Replicas: 1,
		Fence: appliance.Fence{Memory: 24 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Docker cannot update what is just ending.
	await.That(t, "it has ended", func() bool { return !onlyProcess(t, e, "blog").Running })
	if err := e.Keep(t.Context(), appliance.Always, started[0].ID); err != nil {
		t.Fatal(err)
	}

	var p appliance.Process
	await.That(t, "it has been out of memory three times", func() bool {
		p = onlyProcess(t, e, "blog")
		return p.Restarts >= 3 && p.Restarting && p.OOM
	})

	if want := "was ended: out of memory (limit 24 MB, peak 24 MB)"; p.Ending() != want {
		t.Errorf("ending = %q, want %q", p.Ending(), want)
	}
	// Nobody who has just come can know.
	if p := onlyProcess(t, sameInstance(t, e), "blog"); p.OOM && p.Peak != 0 && !p.PeakOpen {
		t.Errorf("peak = %d, want none that nobody has seen", p.Peak)
	}
}
