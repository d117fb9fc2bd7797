package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/berthhq/berth/appliance"
)

// statusKilled is the status of what SIGKILL has ended.
const statusKilled = 137

// memoryOf tells whether a run that has ended had too little memory, and how
// much that was.
func (e *Engine) memoryOf(ctx context.Context, c container.InspectResponse) appliance.RunResult {
	r := appliance.RunResult{OOM: e.hadTooLittle(ctx, c), Limit: c.HostConfig.Memory}
	if r.OOM {
		r.Peak, r.PeakOpen = e.peaks.last(c.ID)
	}
	return r
}

// hadTooLittle tells whether something of a run that has ended was ended for
// want of memory, be it the process itself or one that it had started.
func (e *Engine) hadTooLittle(ctx context.Context, c container.InspectResponse) bool {
	if c.State.OOMKilled || c.State.ExitCode == 0 || c.HostConfig.Memory == 0 {
		return c.State.OOMKilled
	}
	return e.sawOutOfMemory(c.ID) || e.toldOutOfMemory(ctx, c, oomWait)
}

// outOfMemory tells whether a container that has ended did so for want of
// memory. Docker's own mark is missing when it heard of the end before it
// heard of the reason, which comes by another way; then it tells the reason as
// an event, for which outOfMemory waits.
func (e *Engine) outOfMemory(ctx context.Context, c container.InspectResponse, wait time.Duration) bool {
	if c.State.OOMKilled || c.State.ExitCode != statusKilled {
		return c.State.OOMKilled
	}
	return e.sawOutOfMemory(c.ID) || e.toldOutOfMemory(ctx, c, wait)
}

// sawOutOfMemory tells whether the kernel itself has said that memory ran out in
// the last life of a container. A machine that is busy may lose what Docker
// would tell.
func (e *Engine) sawOutOfMemory(id string) bool {
	_, more := e.peaks.last(id)
	known, _ := e.peaks.knows(id)
	return known && !more
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
