package docker_test

import (
	"bufio"
	"strconv"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestProcessesAreHardened(t *testing.T) {
	e := newEngine(t)
	image := enginetest.Image(t, e)
	command := []string{enginetest.Program, "read", "/proc/self/status"}
	var ran strings.Builder
	if _, err := e.Run(t.Context(), appliance.RunSpec{App: "blog", Image: image, Command: command, Out: &ran}); err != nil {
		t.Fatal(err)
	}
	started, err := e.Start(t.Context(), appliance.ProcessSpec{App: "blog", Type: "web", Image: image, Command: command, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	var kept strings.Builder
	if err := e.Logs(t.Context(), started[0].ID, appliance.LogOptions{Follow: true}, &kept); err != nil {
		t.Fatal(err)
	}
	container, err := rawDocker(t).ContainerInspect(t.Context(), started[0].ID)
	if err != nil {
		t.Fatal(err)
	}

	for how, status := range map[string]string{"Run": ran.String(), "Start": kept.String()} {
		facts := parseStatus(status)
		if facts["NoNewPrivs"] != "1" {
			t.Errorf("%s: NoNewPrivs = %q, want 1", how, facts["NoNewPrivs"])
		}
		// The bits of linux/capability.h: chown, dac_override, fowner,
		// fsetid, kill, setgid, setuid, net_bind_service.
		const want = 1<<0 | 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<10
		if got, err := strconv.ParseUint(facts["CapBnd"], 16, 64); err != nil || got != want {
			t.Errorf("%s: capabilities = %q, want %x", how, facts["CapBnd"], want)
		}
		// An init process is before it.
		if facts["Pid"] == "1" || facts["Pid"] == "" {
			t.Errorf("%s: pid = %q, want another than 1", how, facts["Pid"])
		}
	}
	if limit := container.HostConfig.PidsLimit; limit == nil || *limit <= 0 || *limit > 4096 {
		t.Errorf("pids limit = %v, want one", limit)
	}
	if log := container.HostConfig.LogConfig; log.Config["max-size"] == "" {
		t.Errorf("log = %v, want a size limit", log)
	}
	if ports := container.HostConfig.PortBindings; len(ports) != 0 {
		t.Errorf("published ports = %v, want none", ports)
	}
}

// parseStatus reads /proc/<pid>/status.
func parseStatus(s string) map[string]string {
	facts := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(s)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		facts[key] = strings.TrimSpace(value)
	}
	return facts
}

func TestWhatEatsTooMuchMemoryIsEndedAndSaysSo(t *testing.T) {
	e := newEngine(t)
	image := enginetest.Image(t, e)
	hungry := sameInstance(t, e)
	hungry.Memory = 16 << 20
	eat := []string{enginetest.Program, "eat"}

	result, err := hungry.Run(t.Context(), appliance.RunSpec{App: "blog", Image: image, Command: eat})
	if err != nil {
		t.Fatal(err)
	}
	started, err := hungry.Start(t.Context(), appliance.ProcessSpec{App: "blog", Type: "worker", Image: image, Command: eat, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}

	if want := "out of memory (limit 16 MB, peak 16 MB)"; !result.OOM || result.Status == 0 || result.OutOfMemory() != want {
		t.Errorf("run = %+v, %s, want it %s", result, result.OutOfMemory(), want)
	}
	await.That(t, "the process ends for want of memory", func() bool {
		p := onlyProcess(t, e, "blog")
		return p.ID == started[0].ID && !p.Running && p.OOM
	})
	// Now and then Docker does not mark it.
	unmarked, err := rawDocker(t).ContainerInspect(t.Context(), started[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	unmarked.State.OOMKilled = false
	if !docker.OutOfMemory(e, t.Context(), unmarked, 0) {
		t.Error("the process is not out of memory when Docker has not marked it")
	}
}

func TestAStatusOf137AloneIsNoWantOfMemory(t *testing.T) {
	e := newEngine(t)
	image := enginetest.Image(t, e)

	result, err := e.Run(t.Context(), appliance.RunSpec{App: "blog", Image: image, Command: []string{enginetest.Program, "say", "137"}})

	if err != nil || result.Status != 137 || result.OOM {
		t.Errorf("run = %+v, %v, want status 137 and nothing about memory", result, err)
	}
}

func onlyProcess(t testing.TB, e *docker.Engine, app appliance.AppName) appliance.Process {
	t.Helper()
	found, err := e.Processes(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Fatalf("processes = %v, want one", found)
	}
	return found[0]
}
