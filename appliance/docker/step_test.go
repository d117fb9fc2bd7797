package docker_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance/docker"
)

func TestAStepIsFoundWhoseMarkIsOursOrNobodys(t *testing.T) {
	root := t.TempDir()
	executor := filepath.Join(root, "buildkit", "executor")
	step := func(name, env string) {
		put(t, filepath.Join(executor, name, "config.json"),
			`{"process": {"env": ["NO_PROXY=`+env+`"]}, "linux": {"cgroupsPath": "/docker/buildkit/`+name+`"}}`)
	}
	step("earlier", "")
	mine := docker.NewMark("mine")
	defer mine.Close()
	other := docker.NewMark("other")
	defer other.Close()
	steps := docker.NewSteps(root, mine)

	step("a", "localhost,berth-build-mine.invalid")
	step("b", "berth-build-other.invalid")
	step("c", "")                                                           // of a frontend that passes nothing on
	step("d", "berth-build-forged.invalid")                                 // the attack: a frontend that says that its step is another's
	step("long", "berth-build-"+strings.Repeat("x", 200))                   // the same, with what can be no build's
	put(t, filepath.Join(executor, "e", "config.json"), `{"linux": {"cgro`) // not yet written

	if got, want := steps.Find(), 4; len(got) != want {
		t.Errorf("found %q, want %d: those but for the earlier, the other's and the half", got, want)
	}
	step("e", "berth-build-mine.invalid")
	if err := os.RemoveAll(filepath.Join(executor, "a")); err != nil {
		t.Fatal(err)
	}
	if got, want := steps.Find(), 4; len(got) != want {
		t.Errorf("found %q, want c, d, e and long", got)
	}
}

// With the systemd driver, BuildKit gives runc a name that is meant for
// systemd, and runc takes it for a path.
func TestAStepIsFoundWithTheSystemdDriver(t *testing.T) {
	if got, want := docker.StepPath("/docker/buildkit/1a2b", ""), "/docker/buildkit/1a2b"; got != want {
		t.Errorf("path = %q, want %q", got, want)
	}
	self := filepath.Join(t.TempDir(), "docker.pid")
	put(t, self, strconv.Itoa(os.Getpid()))
	const name = "system.slice:docker:1a2b"

	unknown, known := docker.StepPath(name, "/nowhere"), docker.StepPath(name, self)

	for _, got := range []string{unknown, known} {
		if filepath.Base(got) != name {
			t.Errorf("path = %q, want it to end in %s", got, name)
		}
	}
	if want := "/system.slice"; filepath.Dir(unknown) != want && filepath.Dir(filepath.Dir(unknown)) != want {
		t.Errorf("path = %q, want it below %s", unknown, want)
	}
}
