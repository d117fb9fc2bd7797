package docker_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestDockerIsAnEngine(t *testing.T) {
	e := newEngine(t)
	enginetest.Test(t, e, enginetest.Image(t, e))
}

func TestAnEngineWithoutDockerSaysSo(t *testing.T) {
	e, err := docker.New("unix://"+filepath.Join(t.TempDir(), "docker.sock"), "berthtest")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()

	_, err = e.Processes(t.Context(), "")

	if err == nil || !strings.Contains(err.Error(), "docker does not answer") {
		t.Errorf("error = %v, want that docker does not answer", err)
	}
	if !strings.Contains(appliance.HintOf(err), "docker info") {
		t.Errorf("hint = %q, want what to look at", appliance.HintOf(err))
	}
}

// newEngine returns an engine on the real Docker with an instance of its own,
// of which nothing is left when the test has ended.
func newEngine(t testing.TB) *docker.Engine {
	t.Helper()
	enginetest.NeedDocker(t)
	e, err := docker.New("", string(enginetest.Name("berthtest")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Purge(ctx); err != nil {
			t.Errorf("purge: %v", err)
		}
		e.Close()
	})
	return e
}

// sameInstance returns another engine for what e has made.
func sameInstance(t testing.TB, e *docker.Engine) *docker.Engine {
	t.Helper()
	other, err := docker.New("", e.Instance())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}

// rawDocker returns Docker itself, to see what an engine does not tell.
func rawDocker(t testing.TB) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func countNetworks(t testing.TB, e *docker.Engine, app appliance.AppName) int {
	t.Helper()
	found, err := rawDocker(t).NetworkList(t.Context(), network.ListOptions{
		Filters: filters.NewArgs(
			filters.Arg("label", "berth.instance="+e.Instance()), filters.Arg("label", "berth.app="+string(app)),
		),
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func waitListening(t testing.TB, e *docker.Engine, id string) {
	t.Helper()
	await.That(t, "it listens", func() bool {
		found, err := e.Listening(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return len(found) > 0
	})
}
