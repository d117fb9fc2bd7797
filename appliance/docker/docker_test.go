package docker_test

import (
	"context"
	"testing"
	"time"

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

func TestEngine(t *testing.T) {
	e := newEngine(t)
	enginetest.Test(t, e, enginetest.Image(t, e))
}
