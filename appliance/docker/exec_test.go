package docker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/enginetest"
)

// A check that hangs is asked again and again: what it began must not pile up.
func TestExecThatIsGivenUpLeavesNothingBehind(t *testing.T) {
	e := newEngine(t)
	started, err := e.Start(t.Context(), appliance.ProcessSpec{App: "blog", Type: "web", Image: enginetest.Image(t, e), Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var out await.Buffer
	ended := make(chan error, 1)
	go func() {
		_, err := e.Exec(ctx, started[0].ID, appliance.ExecSpec{Command: []string{enginetest.Program, "deaf"}, Env: []string{"PORT=9"}, Out: &out})
		ended <- err
	}()
	await.That(t, "it runs", func() bool { return strings.Contains(out.String(), "listening") })
	deaf := func() bool {
		top, err := rawDocker(t).ContainerTop(t.Context(), started[0].ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(top.Processes, func(p []string) bool { return strings.HasSuffix(strings.Join(p, " "), "deaf") })
	}
	if !deaf() {
		t.Fatal("it is not seen")
	}

	cancel()

	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	await.That(t, "it has ended", func() bool { return !deaf() })
}
