package docker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
)

// policies are Docker's restart policies for what is kept. Not "always", which
// also starts what was stopped on purpose. Docker waits 100 ms before the first
// restart, twice as long before each one after that, up to a minute, and begins
// anew with what has run for ten seconds.
var policies = map[appliance.Restart]container.RestartPolicyMode{
	appliance.Never:     container.RestartPolicyDisabled,
	appliance.OnFailure: container.RestartPolicyOnFailure,
	appliance.Always:    container.RestartPolicyUnlessStopped,
}

// atOnce is how many calls to Docker are made side by side.
const atOnce = 8

// Keep has Docker restart the processes by itself from now on.
func (e *Engine) Keep(ctx context.Context, restart appliance.Restart, ids ...string) error {
	return e.each(ids, func(id string) error {
		if err := e.setPolicy(ctx, id, restart); err != nil {
			return err
		}
		c, err := e.inspect(ctx, id)
		if err != nil {
			return err
		}
		if c.State == nil || c.State.Running || restart == appliance.Never || restart == appliance.OnFailure && c.State.ExitCode == 0 {
			return nil
		}
		// Docker heeds the policy when a process ends, so one that had
		// ended before is started here. Starting one that runs is no error.
		return explain("keep container "+short(id), e.api(ctx).ContainerStart(ctx, id, container.StartOptions{}))
	})
}

// policyTries is how often a process may end just when it is given its policy.
const policyTries = 5

// setPolicy gives a container its restart policy. Docker also updates what runs
// in it, which fails for a process that ends meanwhile, and leaves the policy
// as it was.
func (e *Engine) setPolicy(ctx context.Context, id string, restart appliance.Restart) error {
	change := container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: policies[restart]}}
	for try := 1; ; try++ {
		before, err := e.inspect(ctx, id)
		if err != nil {
			return err
		}
		_, failed := e.api(ctx).ContainerUpdate(ctx, id, change)
		if failed == nil {
			return nil
		}
		stayed, err := e.staysAsItWas(ctx, before)
		if err != nil {
			return err
		}
		if stayed || try == policyTries {
			return explain("keep container "+short(id), failed)
		}
	}
}

// noticeTime is how long it may take Docker to notice that a process has ended.
const noticeTime = 2 * time.Second

// staysAsItWas tells whether a container is in the life, or in the end, that it
// was in before, also when Docker has had the time to notice otherwise.
func (e *Engine) staysAsItWas(ctx context.Context, before container.InspectResponse) (bool, error) {
	same := func() (bool, error) {
		now, err := e.inspect(ctx, before.ID)
		if err != nil {
			return false, err
		}
		return before.State == nil || now.State == nil ||
			now.State.Running == before.State.Running && now.State.StartedAt == before.State.StartedAt, nil
	}
	if stayed, err := same(); !stayed || err != nil {
		return stayed, err
	}
	noticed, cancel := context.WithTimeout(ctx, noticeTime)
	defer cancel()
	ended, failed := e.api(ctx).ContainerWait(noticed, before.ID, container.WaitConditionNextExit)
	select {
	case <-ended:
	case <-failed:
	}
	return same()
}

// GiveUp has Docker restart the processes no more.
func (e *Engine) GiveUp(ctx context.Context, ids ...string) error {
	return e.each(ids, func(id string) error {
		_, err := e.inspect(ctx, id)
		if err == nil {
			// Of one that waits for its restart, this is the end of the
			// wait. Docker remembers that it was stopped on purpose.
			at := int(giveUpGrace.Seconds())
			err = explain("end container "+short(id), e.api(ctx).ContainerStop(ctx, id, container.StopOptions{Timeout: &at}))
		}
		if errors.Is(err, appliance.ErrNotFound) {
			return nil
		}
		return err
	})
}

// giveUpGrace is for what was started again just when it was given up.
const giveUpGrace = time.Second

// Stop asks the processes to finish, waits, then ends and removes them.
func (e *Engine) Stop(ctx context.Context, grace time.Duration, ids ...string) error {
	return e.each(ids, func(id string) error {
		c, err := e.inspect(ctx, id)
		if errors.Is(err, appliance.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		ended := func() {}
		if e.Stopping != nil && c.Config.Labels[labelKind] == kindProcess {
			ended = e.Stopping(ctx, e.look(ctx, c))
		}
		// When this fails, for whatever reason, removing by force is still
		// right, and says what is wrong if that fails too.
		_ = e.End(ctx, grace, id)
		ended()
		return e.remove(ctx, id)
	})
}

// Restart has a process end, and starts it again.
func (e *Engine) Restart(ctx context.Context, grace time.Duration, id string) error {
	if _, err := e.inspect(ctx, id); err != nil {
		return err
	}
	seconds := int(math.Ceil(grace.Seconds()))
	return explain("restart container "+short(id), e.api(ctx).ContainerRestart(ctx, id, container.StopOptions{Timeout: &seconds}))
}

// End asks a process or a run to finish, waits, then ends it.
func (e *Engine) End(ctx context.Context, grace time.Duration, id string) error {
	seconds := int(math.Ceil(grace.Seconds()))
	err := e.api(ctx).ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return explain("end container "+short(id), err)
}

// Processes lists what there is of app, or of every app.
func (e *Engine) Processes(ctx context.Context, app appliance.AppName) ([]appliance.Process, error) {
	list, err := e.api(ctx).ContainerList(ctx, container.ListOptions{All: true, Filters: e.find(kindProcess, app)})
	if err != nil {
		return nil, explain("list processes", err)
	}
	found := make([]appliance.Process, len(list))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range list {
		group.Go(func() error {
			c, err := e.inspect(ctx, list[i].ID)
			if errors.Is(err, appliance.ErrNotFound) {
				return nil // removed in between
			}
			if err != nil {
				return err
			}
			found[i] = e.look(ctx, c)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(p appliance.Process) bool { return p.ID == "" })
	slices.SortFunc(found, func(a, b appliance.Process) int {
		if c := strings.Compare(string(a.App)+"."+a.Type, string(b.App)+"."+b.Type); c != 0 {
			return c
		}
		if a.Index != b.Index {
			return a.Index - b.Index
		}
		return a.Started.Compare(b.Started)
	})
	return found, nil
}

// Listening returns the addresses that a process listens on. It reads them
// from /proc, so it needs to be on Docker's machine.
func (e *Engine) Listening(ctx context.Context, id string) ([]netip.AddrPort, error) {
	c, err := e.inspect(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.State == nil || c.State.Pid == 0 {
		return nil, nil // it does not run, so it listens on nothing
	}
	found, err := listening(c.State.Pid)
	if err != nil {
		return nil, fmt.Errorf("see what container %s listens on: %w", short(id), err)
	}
	return found, nil
}

// each does something with all ids side by side, and to the end also when it
// fails for one of them.
func (e *Engine) each(ids []string, do func(id string) error) error {
	var group errgroup.Group
	errs := make([]error, len(ids))
	for i, id := range ids {
		group.Go(func() error {
			errs[i] = do(id)
			return nil
		})
	}
	_ = group.Wait() // none of them returns an error, all are in errs
	return errors.Join(errs...)
}
