package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// statusKilled is the status of what SIGKILL has ended.
const statusKilled = 137

// hadTooLittle tells whether something of a run that has ended was ended for
// want of memory, be it the process itself or one that it had started.
func (e *Engine) hadTooLittle(ctx context.Context, c container.InspectResponse) bool {
	if c.State.OOMKilled || c.State.ExitCode == 0 || c.HostConfig.Memory == 0 {
		return c.State.OOMKilled
	}
	return e.toldOutOfMemory(ctx, c, oomWait)
}

// outOfMemory tells whether a container that has ended did so for want of
// memory. Docker's own mark is missing when it heard of the end before it
// heard of the reason, which comes by another way; then it tells the reason as
// an event, for which outOfMemory waits.
func (e *Engine) outOfMemory(ctx context.Context, c container.InspectResponse, wait time.Duration) bool {
	if c.State.OOMKilled || c.State.ExitCode != statusKilled {
		return c.State.OOMKilled
	}
	return e.toldOutOfMemory(ctx, c, wait)
}

func (e *Engine) toldOutOfMemory(ctx context.Context, c container.InspectResponse, wait time.Duration) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told, ended := e.api(ctx).Events(ctx, events.ListOptions{
		Since: stamp(moment(c.State.StartedAt)),
		Until: stamp(time.Now().Add(wait)),
		Filters: filters.NewArgs(
			filters.Arg("container", c.ID), filters.Arg("event", string(events.ActionOOM)),
		),
	})
	select {
	case <-told:
		return true
	case <-ended: // at the time said, or because Docker has gone away
		return false
	}
}

// stamp is a time as Docker reads it.
func stamp(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
