package docker

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/berthhq/berth/appliance"
)

// The waits between attempts to reach a Docker that has gone away.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Watch calls changed with the app of every process that is made, starts or
// ends.
func (e *Engine) Watch(ctx context.Context, changed func(appliance.AppName)) error {
	wait := firstRetry
	for {
		reached, err := e.watchOnce(ctx, changed)
		if ctx.Err() != nil {
			return nil
		}
		if reached {
			wait = firstRetry
		}
		e.Log.WarnContext(ctx, "docker does not tell of changes", "error", err, "again", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}

// watchOnce watches until Docker goes away, and tells whether it was there.
func (e *Engine) watchOnce(ctx context.Context, changed func(appliance.AppName)) (reached bool, err error) {
	// Also ends the client's own goroutine when we return.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	seen, failed := e.api(ctx).Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)),
		filters.Arg("label", labelInstance+"="+e.instance),
		filters.Arg("event", string(events.ActionCreate)), // one that an earlier appliance had asked for
		filters.Arg("event", string(events.ActionStart)),
		filters.Arg("event", string(events.ActionDie)),
		filters.Arg("event", string(events.ActionStop)),
		filters.Arg("event", string(events.ActionOOM)),
		filters.Arg("event", string(events.ActionDestroy)),
		filters.Arg("event", string(events.ActionHealthStatus)),
	)})
	// Events returns when it is connected, or cannot be; it does not say which.
	if _, err := e.api(ctx).Ping(ctx); err != nil {
		return false, explain("watch", err)
	}
	changed("")
	for {
		select {
		case m := <-seen:
			what := m.Actor.Attributes
			if what[labelKind] == kindProcess || what[labelKind] == kindPin && m.Action == events.ActionDestroy {
				changed(appliance.AppName(what[labelApp]))
			}
		case err := <-failed:
			return true, explain("watch", err)
		}
	}
}
