package enginetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A fakeDetached is a run that nobody is connected to. Its Run is guarded by
// the Fake's mu.
type fakeDetached struct {
	appliance.Run
	spec      appliance.RunSpec
	image     *fakeImage
	container *container
	log       fakeLog
	told      chan struct{} // closed when it is told to finish
	once      sync.Once
	cancel    context.CancelFunc
	gone      chan struct{} // closed when it has ended
	result    appliance.RunResult
}

// Detach starts what Run would run.
func (f *Fake) Detach(ctx context.Context, spec appliance.RunSpec) (appliance.Run, error) {
	f.mu.Lock()
	f.ran = append(f.ran, spec)
	f.mu.Unlock()
	if err := f.call("Detach", string(spec.App)); err != nil {
		return appliance.Run{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	image, err := f.image(spec.Image)
	if err != nil {
		return appliance.Run{}, fmt.Errorf("run: %w", err)
	}
	for _, d := range f.detached {
		if d.App == spec.App && d.Name == spec.Name && spec.Name != "" {
			return appliance.Run{}, fmt.Errorf("run: %s: %w", spec.Name, appliance.ErrExists)
		}
	}
	own, cancel := context.WithCancel(context.Background())
	d := &fakeDetached{
		Run:  appliance.Run{ID: newID(), App: spec.App, Name: spec.Name, Running: true, Started: time.Now()},
		spec: spec, image: image, container: f.container(image, spec.App, spec.Mounts, spec.Tmpfs),
		told: make(chan struct{}), cancel: cancel, gone: make(chan struct{}),
	}
	f.detached = append(f.detached, d)
	go f.live(own, d)
	return d.Run, nil
}

// live is the life of a run.
func (f *Fake) live(ctx context.Context, d *fakeDetached) {
	defer close(d.gone)
	defer d.log.close()
	command := d.spec.Command
	if command == nil {
		command = d.image.info.Cmd
	}
	result, _ := simulateWithin(ctx, simulation{ // an error is no status
		args: command, env: merge(d.image.env, d.spec.Env), container: d.container, out: &d.log, told: d.told, resolve: f.resolver(d.App),
	}, d.spec.Fence)
	f.mu.Lock()
	defer f.mu.Unlock()
	d.Running, d.result = false, result
}

// end tells it to finish, and ends it after grace.
func (d *fakeDetached) end(grace time.Duration) {
	d.once.Do(func() { close(d.told) })
	select {
	case <-d.gone:
	case <-time.After(grace):
	}
	d.cancel()
	<-d.gone
}

// Runs lists what Detach has started.
func (f *Fake) Runs(ctx context.Context, app appliance.AppName) (found []appliance.Run, err error) {
	if err := f.refused("Runs"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.detached {
		if app == "" || d.App == app {
			found = append(found, d.Run)
		}
	}
	return found, nil
}

// Await returns how a process or a run has ended.
func (f *Fake) Await(ctx context.Context, id string) (appliance.RunResult, error) {
	f.mu.Lock()
	d, p := f.findDetached(id), f.find(id)
	f.mu.Unlock()
	var gone chan struct{}
	switch {
	case d != nil:
		gone = d.gone
	case p != nil:
		gone = p.gone
	default:
		return appliance.RunResult{}, fmt.Errorf("wait for %s: %w", id, appliance.ErrNotFound)
	}
	select {
	case <-gone:
	case <-ctx.Done():
		return appliance.RunResult{}, fmt.Errorf("wait for %s: %w", id, context.Cause(ctx))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if d != nil {
		return d.result, nil
	}
	return appliance.RunResult{Status: p.ExitStatus, OOM: p.OOM, Limit: p.Limit, Peak: p.Peak, PeakOpen: p.PeakOpen}, nil
}

// End is Stop, but removes nothing.
func (f *Fake) End(ctx context.Context, grace time.Duration, id string) error {
	if err := f.call("End", f.describe(id)); err != nil {
		return err
	}
	f.mu.Lock()
	d, p := f.findDetached(id), f.find(id)
	f.mu.Unlock()
	switch {
	case d != nil:
		d.end(grace)
	case p != nil:
		p.end(grace)
	}
	return nil
}

// findDetached returns a run, or nil. The caller holds mu.
func (f *Fake) findDetached(id string) *fakeDetached {
	for _, d := range f.detached {
		if d.ID == id {
			return d
		}
	}
	return nil
}
