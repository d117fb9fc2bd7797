package docker_test

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

// The container of a run that we have lost sight of goes, with what it has
// written. One that a Run is just making, which has not started either, stays,
// and so does what somebody else has made of an image of ours.
func TestClearRemovesWhatRunsHaveLeftAndNothingElse(t *testing.T) {
	e := newEngine(t)
	raw := rawDocker(t)
	image := enginetest.Image(t, e)
	create := func(labels map[string]string) string {
		c, err := raw.ContainerCreate(t.Context(), &container.Config{Image: string(image), Cmd: []string{enginetest.Program, "say", "0"}, Labels: labels}, nil, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.ContainerRemove(context.Background(), c.ID, container.RemoveOptions{Force: true}) })
		return c.ID
	}
	left := create(map[string]string{"berth.instance": e.Instance(), "berth.kind": "run", "berth.app": "blog"})
	others := create(map[string]string{"berth.instance": e.Instance(), "berth.kind": "run", "berth.app": "api"})
	theirs := create(map[string]string{"berth.app": "blog"})
	files, send := io.Pipe()
	put := &firstRead{Reader: files, begun: make(chan struct{})}
	ran := make(chan error, 1)
	go func() {
		_, err := e.Run(t.Context(), appliance.RunSpec{
			App: "blog", Image: image, Command: []string{enginetest.Program, "say", "0"}, Files: put, FilesDir: "/",
		})
		ran <- err
	}()
	<-put.begun

	freed, err := e.Clear(t.Context(), "blog")

	if err != nil || freed.Containers != 1 || freed.Images != 0 {
		t.Errorf("Clear = %+v, %v, want one container", freed, err)
	}
	if _, err := raw.ContainerInspect(t.Context(), left); !errdefs.IsNotFound(err) {
		t.Errorf("what a run has left: %v, want it gone", err)
	}
	for _, id := range []string{others, theirs} {
		if _, err := raw.ContainerInspect(t.Context(), id); err != nil {
			t.Errorf("what is of somebody else: %v", err)
		}
	}
	if err := errors.Join(tar.NewWriter(send).Close(), send.Close()); err != nil {
		t.Fatal(err)
	}
	if err := <-ran; err != nil {
		t.Errorf("the run that was just made: %v, want it to go on", err)
	}
}

// A firstRead tells when somebody begins to read.
type firstRead struct {
	io.Reader
	once  sync.Once
	begun chan struct{}
}

func (f *firstRead) Read(p []byte) (int, error) {
	f.once.Do(func() { close(f.begun) })
	return f.Reader.Read(p)
}

func TestClearTellsHowMuchImagesHad(t *testing.T) {
	e := newEngine(t)
	const size = 32 << 20
	for try := 1; ; try++ {
		dir, tag := t.TempDir(), appliance.Image("berth-test/"+string(enginetest.Name("large"))+":v1")
		content := make([]byte, size)
		_, _ = rand.Read(content) // it never fails
		err := errors.Join(
			os.WriteFile(filepath.Join(dir, "large"), content, 0o600),
			os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY large /\n"), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Build(t.Context(), appliance.BuildSpec{App: "blog", Tag: tag, Dir: dir, Out: io.Discard}); err != nil {
			t.Fatal(err)
		}

		freed, err := e.Clear(t.Context(), "blog")

		if err != nil || freed.Images != 1 {
			t.Fatalf("Clear = %+v, %v, want one image", freed, err)
		}
		if freed.Bytes >= size/2 {
			return
		}
		if try == 3 { // others may have made images in the same moment
			t.Fatalf("Clear = %+v, want %d bytes", freed, size)
		}
	}
}

// A run has ended, and its container was not removed: the volume is free all the
// same.
func TestRemoveVolumesTakesThemFromRunsThatHaveEnded(t *testing.T) {
	e := newEngine(t)
	raw := rawDocker(t)
	image := enginetest.Image(t, e)
	spec := appliance.RunSpec{App: "blog", Image: image, Command: []string{enginetest.Program, "write", "/cache/kept", "x"}, Mounts: []appliance.Mount{{Volume: "cache", Path: "/cache"}}}
	if _, err := e.Run(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	left, err := raw.ContainerCreate(t.Context(), &container.Config{
		Image: string(image), Labels: map[string]string{"berth.instance": e.Instance(), "berth.kind": "run", "berth.app": "blog"},
	}, &container.HostConfig{Binds: []string{e.Instance() + ".blog.cache:/cache"}}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}

	removed, err := e.RemoveVolumes(t.Context(), "blog", "cache")

	if err != nil || len(removed) != 1 {
		t.Errorf("RemoveVolumes = %q, %v", removed, err)
	}
	if _, err := raw.ContainerInspect(t.Context(), left.ID); !errdefs.IsNotFound(err) {
		t.Errorf("what the run has left: %v, want it gone", err)
	}
}

// Attack: somebody has made a volume of the name that one of ours would have.
func TestRemoveVolumesLeavesWhatIsNotOurs(t *testing.T) {
	e := newEngine(t)
	raw := rawDocker(t)
	name := e.Instance() + ".blog.cache"
	if _, err := raw.VolumeCreate(t.Context(), volume.CreateOptions{Name: name}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.VolumeRemove(context.Background(), name, true) })

	removed, err := e.RemoveVolumes(t.Context(), "blog", "cache")

	if err == nil || len(removed) != 0 {
		t.Errorf("RemoveVolumes = %q, %v, want an error", removed, err)
	}
	if _, err := raw.VolumeInspect(t.Context(), name); err != nil {
		t.Errorf("their volume: %v", err)
	}
}
