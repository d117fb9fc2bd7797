package docker

import (
	"context"
	"errors"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/berthhq/berth/appliance"
)

// Prepare starts what Run would run, which waits for its input.
func (e *Engine) Prepare(ctx context.Context, spec appliance.RunSpec) (string, error) {
	spec.Stdin = strings.NewReader("") // it comes with the Run
	spec.Prepared = ""
	id, name, _, err := e.makeRun(ctx, spec)
	if err != nil {
		return "", err
	}
	defer e.runs.Delete(name) // nothing that runs is cleared away
	if err := e.api(ctx).ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return "", errors.Join(explain("run", err), e.tidy(ctx, id))
	}
	return id, nil
}

// waits tells whether a run that was prepared is still there, and its name.
func (e *Engine) waits(ctx context.Context, id string) (name string, ok bool) {
	c, err := e.inspect(ctx, id)
	if err != nil || c.State == nil || !c.State.Running {
		return "", false
	}
	return strings.TrimPrefix(c.Name, "/"), true
}
