package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/container"

	"github.com/berthhq/berth/appliance"
)

// Detach starts what Run would run, and returns when it runs.
func (e *Engine) Detach(ctx context.Context, spec appliance.RunSpec) (appliance.Run, error) {
	spec.Stdin = nil // there is nobody who would type
	id, err := e.createRun(ctx, kindDetached, spec)
	if err != nil {
		return appliance.Run{}, err
	}
	if err := e.api(ctx).ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return appliance.Run{}, errors.Join(explain("run", err), e.tidy(ctx, id))
	}
	c, err := e.inspect(ctx, id)
	if err != nil {
		return appliance.Run{}, errors.Join(err, e.tidy(ctx, id))
	}
	return detached(c), nil
}

// Runs lists what Detach has started.
func (e *Engine) Runs(ctx context.Context, app appliance.AppName) ([]appliance.Run, error) {
	list, err := e.api(ctx).ContainerList(ctx, container.ListOptions{All: true, Filters: e.find(kindDetached, app)})
	if err != nil {
		return nil, explain("list runs", err)
	}
	var found []appliance.Run
	for _, item := range list {
		c, err := e.inspect(ctx, item.ID)
		if errors.Is(err, appliance.ErrNotFound) {
			continue // removed in between
		}
		if err != nil {
			return nil, err
		}
		found = append(found, detached(c))
	}
	slices.SortFunc(found, func(a, b appliance.Run) int { return a.Started.Compare(b.Started) })
	return found, nil
}

func detached(c container.InspectResponse) appliance.Run {
	l := c.Config.Labels
	run := appliance.Run{ID: c.ID, App: appliance.AppName(l[labelApp]), Name: l[labelOneOff]}
	if c.State != nil {
		run.Running, run.Started = c.State.Running, moment(c.State.StartedAt)
	}
	return run
}

// Await returns how a process or a run has ended, once it has.
func (e *Engine) Await(ctx context.Context, id string) (result appliance.RunResult, err error) {
	if known, _ := e.peaks.knows(id); !known { // it is another daemon that has started it
		if c, err := e.inspect(ctx, id); err == nil {
			e.count(ctx, c)
		}
	}
	ended, failed := e.api(ctx).ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case err := <-failed:
		if ctx.Err() != nil {
			return result, fmt.Errorf("wait for container %s: %w", short(id), context.Cause(ctx))
		}
		return result, explain("wait for container "+short(id), err)
	}
	c, err := e.inspect(ctx, id)
	if err != nil {
		return result, err
	}
	result = e.memoryOf(ctx, c)
	result.Status = c.State.ExitCode
	return result, nil
}
