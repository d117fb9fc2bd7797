package docker

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// An end is how a life of a container has ended. Of one that runs again Docker
// says only when that was; its events, which it keeps for a while, say more.
type end struct {
	at     time.Time // as Docker has it
	known  bool
	status int
	oom    bool
}

// ends are those of the last lives of containers that run again: each is asked
// for once. Its zero value is ready.
type ends struct {
	mu sync.Mutex
	of map[string]end // by container
}

func (e *ends) get(id string) end {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.of[id]
}

func (e *ends) put(id string, what end) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil {
		e.of = map[string]end{}
	}
	e.of[id] = what
}

func (e *ends) forget(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.of, id)
}

// around is how long before an end its events are looked for: that memory has
// run out may be told a little earlier.
const around = time.Second

// lastEnd tells how a container that runs again had ended.
func (e *Engine) lastEnd(ctx context.Context, c container.InspectResponse) end {
	at := moment(c.State.FinishedAt)
	if last := e.ends.get(c.ID); last.at.Equal(at) {
		return last
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told, failed := e.api(ctx).Events(ctx, events.ListOptions{
		Since: stamp(at.Add(-around)),
		Until: stamp(time.Now()),
		Filters: filters.NewArgs(
			filters.Arg("container", c.ID), filters.Arg("event", string(events.ActionStart)),
			filters.Arg("event", string(events.ActionDie)), filters.Arg("event", string(events.ActionOOM)),
		),
	})
	var last, life end // of what has started again, and of what has not, as far as is told
	for {
		select {
		case m := <-told:
			switch m.Action {
			case events.ActionStart:
				if life.known {
					last = life
				}
				life = end{}
			case events.ActionOOM:
				life.oom = true
			case events.ActionDie:
				status, err := strconv.Atoi(m.Actor.Attributes["exitCode"])
				life.known, life.status = err == nil, status
			}
		case err := <-failed:
			if life.known { // that it runs again is not told yet
				last = life
			}
			last.at = at
			last.oom = last.oom && last.status != 0
			if errors.Is(err, io.EOF) { // all was told
				e.ends.put(c.ID, last)
			}
			return last
		}
	}
}
