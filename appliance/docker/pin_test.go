package docker_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

// What "docker image prune -a" does to an image that no container is of, it
// does by a removal without force: on a Docker that others use too, the test
// does that to the one image.
func TestAPinnedImageCannotBeRemovedWithoutForce(t *testing.T) {
	e := newEngine(t)
	raw := rawDocker(t)
	tag := commitVolume(t, e)
	other := tag + "-again"
	if err := raw.ImageTag(t.Context(), string(tag), string(other)); err != nil {
		t.Fatal(err)
	}
	if err := e.Pin(t.Context(), "blog", tag, other); err != nil {
		t.Fatal(err)
	}

	// Of two names of one image Docker gives up the first.
	_, firstErr := raw.ImageRemove(t.Context(), string(tag), image.RemoveOptions{})
	_, err := raw.ImageRemove(t.Context(), string(other), image.RemoveOptions{})

	if firstErr == nil && !errdefs.IsConflict(err) || firstErr != nil && !errdefs.IsConflict(firstErr) {
		t.Errorf("removal = %v, %v, want a conflict", firstErr, err)
	}
	if err := e.Pin(t.Context(), "blog", tag, other); err != nil {
		t.Fatal(err)
	}
	for _, name := range []appliance.Image{tag, other} {
		if _, err := e.Inspect(t.Context(), name); err != nil {
			t.Errorf("%s: %v, want it to have its name again", name, err)
		}
	}
	for _, c := range pins(t, raw, e) {
		if c.State != "created" || len(c.Mounts) != 1 || c.Mounts[0].Type != "tmpfs" {
			t.Errorf("pin = %+v, want it never started, and without a volume", c)
		}
	}
}

// An administrator tidies up: "docker container prune".
func TestWatchTellsOfAPinThatIsRemoved(t *testing.T) {
	e := newEngine(t)
	raw := rawDocker(t)
	tag := commitVolume(t, e)
	told := make(chan appliance.AppName, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Watch(ctx, func(app appliance.AppName) { told <- app }) }()
	hear(t, told, "")
	if err := e.Pin(t.Context(), "blog", tag); err != nil {
		t.Fatal(err)
	}

	for _, c := range pins(t, raw, e) {
		if err := raw.ContainerRemove(t.Context(), c.ID, container.RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}

	hear(t, told, "blog") // and not of the run that made the image, or of the pin's making
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch = %v, want nil", err)
	}
	if err := e.Pin(t.Context(), "blog", tag); err != nil || len(pins(t, raw, e)) != 1 {
		t.Errorf("Pin = %v, pins = %v, want it made again", err, pins(t, raw, e))
	}
}

func pins(t *testing.T, raw *client.Client, e interface{ Instance() string }) []container.Summary {
	t.Helper()
	found, err := raw.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", "berth.instance="+e.Instance()), filters.Arg("label", "berth.kind=pin"),
	)})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// commitVolume makes an image of the app blog that wants a volume.
func commitVolume(t *testing.T, e appliance.Engine) appliance.Image {
	t.Helper()
	tag := appliance.Image("berth-test/" + string(enginetest.Name("pin")) + ":v1")
	dir := t.TempDir()
	dockerfile := []byte("FROM " + string(enginetest.Image(t, e)) + "\nVOLUME /data\n")
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), dockerfile, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Build(t.Context(), appliance.BuildSpec{App: "blog", Tag: tag, Dir: dir, Out: io.Discard}); err != nil {
		t.Fatal(err)
	}
	return tag
}
