package docker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

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

func TestSmoke(t *testing.T) {
	e := newEngine(t)
	image := enginetest.Image(t, e)
	var out strings.Builder
	r, err := e.Run(t.Context(), appliance.RunSpec{Image: image, Command: []string{enginetest.Program, "env"}, Env: []string{"A=b"}, Out: &out})
	t.Log(r, err, out.String())
	ps, err := e.Start(t.Context(), appliance.ProcessSpec{App: "blog", Type: "web", Image: image, Port: 8080, Replicas: 2, Release: 3, Generation: "g1"})
	t.Log(ps, err)
	if err == nil {
		t.Log(e.Listening(t.Context(), ps[0].ID))
		t.Log(e.Keep(t.Context(), ps[0].ID))
		t.Log(e.Stop(t.Context(), time.Second, ps[0].ID))
		t.Log(e.Processes(t.Context(), ""))
	}
}
