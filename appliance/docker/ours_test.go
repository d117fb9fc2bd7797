package docker_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

// Somebody tries out an image of ours by hand. Their container has the labels
// of the image, but it is theirs.
func TestWhatWeDidNotMakeIsNeitherListedNorTouched(t *testing.T) {
	e := newEngine(t)
	raw := rawDocker(t)
	image := enginetest.Image(t, e)
	if _, err := e.Run(t.Context(), appliance.RunSpec{
		App: "blog", Image: image, Command: []string{enginetest.Program, "say", "0"},
		Commit: &appliance.CommitSpec{Tag: appliance.Image("berth-test/" + e.Instance() + ":v1")},
	}); err != nil {
		t.Fatal(err)
	}
	theirs, err := raw.ContainerCreate(t.Context(), &container.Config{
		Image: "berth-test/" + e.Instance() + ":v1", Cmd: []string{enginetest.Program, "deaf"},
	}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = raw.ContainerRemove(context.Background(), theirs.ID, container.RemoveOptions{Force: true})
	})
	if err := raw.ContainerStart(t.Context(), theirs.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}

	listed, listErr := e.Processes(t.Context(), "")
	logsErr := e.Logs(t.Context(), theirs.ID, appliance.LogOptions{}, io.Discard)
	keepErr := e.Keep(t.Context(), appliance.Always, theirs.ID)
	err = errors.Join(listErr,
		e.Stop(t.Context(), 0, theirs.ID),
		e.Sweep(t.Context(), time.Now()),
		e.Prune(t.Context(), "blog"),
		e.Destroy(t.Context(), "blog"))

	if err != nil {
		t.Error(err)
	}
	if len(listed) != 0 {
		t.Errorf("processes = %v, want none", listed)
	}
	if !errors.Is(logsErr, appliance.ErrNotFound) || !errors.Is(keepErr, appliance.ErrNotFound) {
		t.Errorf("Logs = %v, Keep = %v, want ErrNotFound", logsErr, keepErr)
	}
	after, err := raw.ContainerInspect(t.Context(), theirs.ID)
	if err != nil || !after.State.Running || after.HostConfig.RestartPolicy.Name == container.RestartPolicyUnlessStopped {
		t.Errorf("their container = %+v, %v, want it running as it was", after.State, err)
	}
}

func TestAnInstanceKnowsNothingOfAnother(t *testing.T) {
	mine, theirs := newEngine(t), newEngine(t)
	image := enginetest.Image(t, theirs)
	started, err := theirs.Start(t.Context(), appliance.ProcessSpec{App: "blog", Type: "web", Image: image, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}

	err = errors.Join(mine.Stop(t.Context(), 0, started[0].ID), mine.Destroy(t.Context(), "blog"), mine.Purge(t.Context()))

	if err != nil {
		t.Error(err)
	}
	if p := onlyProcess(t, theirs, "blog"); !p.Running {
		t.Errorf("their process = %+v, want it running", p)
	}
}

// We were killed between creating a container and starting it.
func TestAHalfMadeProcessIsListedAndCanBeStopped(t *testing.T) {
	e := newEngine(t)
	raw := rawDocker(t)
	image := enginetest.Image(t, e)
	made, err := raw.ContainerCreate(t.Context(), &container.Config{Image: string(image), Labels: map[string]string{
		"berth.instance": e.Instance(), "berth.kind": "process", "berth.app": "blog", "berth.type": "web",
		"berth.index": "1", "berth.release": "4", "berth.generation": "g4", "berth.port": "8080",
	}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}

	p := onlyProcess(t, e, "blog")
	stopErr := e.Stop(t.Context(), time.Second, made.ID)
	left, err := e.Processes(t.Context(), "blog")

	if p.Running || p.Addr != "" || p.Release != 4 || p.Generation != "g4" {
		t.Errorf("process = %+v, want it listed and not running", p)
	}
	if stopErr != nil || err != nil || len(left) != 0 {
		t.Errorf("after Stop: %v, %v, %v, want nothing left", stopErr, left, err)
	}
}
