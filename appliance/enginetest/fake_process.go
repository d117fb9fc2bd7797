package enginetest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A fakeProcess is a process that a Fake keeps. What is listed of it is guarded by
// the Fake's mu.
type fakeProcess struct {
	appliance.Process
	fake      *Fake
	spec      appliance.ProcessSpec
	image     *fakeImage
	container *container
	listening []netip.AddrPort
	addr      string // where it is reached whenever it runs

	log   fakeLog
	exits chan int      // it ends by itself, with this status
	anew  bool          // it is to start again, as Restart was called
	kept  chan struct{} // has a value when Keep was called
	told  chan struct{} // closed when it is told to finish
	ended context.CancelFunc
	gone  chan struct{} // closed when nothing of it runs any more
	once  sync.Once     // for told
}

// Start starts a new generation of one process type.
func (f *Fake) Start(ctx context.Context, spec appliance.ProcessSpec) ([]appliance.Process, error) {
	f.mu.Lock()
	f.started = append(f.started, spec)
	f.mu.Unlock()
	if err := f.call("Start", fmt.Sprintf("%s.%s v%d", spec.App, spec.Type, spec.Release)); err != nil {
		return nil, err
	}
	processes, err := f.make(spec)
	if err != nil {
		return nil, err
	}
	var started []appliance.Process
	for _, p := range processes {
		started = append(started, p.start())
	}
	f.tell(spec.App)
	return started, nil
}

// make makes the processes of a spec, all or none.
func (f *Fake) make(spec appliance.ProcessSpec) ([]*fakeProcess, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	image, err := f.image(spec.Image)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Type, err)
	}
	for _, a := range spec.Options.Networks {
		if f.network(a.Network) < 0 {
			return nil, fmt.Errorf("network %s %w", a.Network, appliance.ErrNotFound)
		}
	}
	var made []*fakeProcess
	for i := range spec.Replicas {
		p := &fakeProcess{
			Process: appliance.Process{
				ID: newID(), App: spec.App, Type: spec.Type, Index: max(1, spec.First) + i,
				Release: spec.Release, Generation: spec.Generation, Turn: spec.Turn,
			},
			fake: f, spec: spec, image: image,
			container: f.container(image, spec.App, spec.Mounts, nil),
			exits:     make(chan int, 1), kept: make(chan struct{}, 1), told: make(chan struct{}), gone: make(chan struct{}),
		}
		if spec.Generation != "" && slices.ContainsFunc(f.processes, p.same) {
			return nil, fmt.Errorf("start %s.%d: %w", spec.Type, p.Index, appliance.ErrExists)
		}
		made = append(made, p)
	}
	f.processes = append(f.processes, made...)
	return made, nil
}

func (p *fakeProcess) same(q *fakeProcess) bool {
	return p.App == q.App && p.Type == q.Type && p.Generation == q.Generation && p.Turn == q.Turn && p.Index == q.Index
}

// start starts a process and what restarts it, and returns what it is then.
func (p *fakeProcess) start() appliance.Process {
	ctx, cancel := context.WithCancel(context.Background())
	p.ended = cancel
	serve := p.listen()
	p.fake.mu.Lock()
	p.begin()
	now := p.Process
	p.fake.mu.Unlock()
	go p.live(ctx, serve)
	return now
}

// begin notes that it runs. The caller holds the Fake's mu.
func (p *fakeProcess) begin() {
	p.Running, p.Restarting, p.Limit, p.EndKnown = true, false, p.spec.Fence.Memory, p.Restarts > 0
	if !p.EndKnown {
		p.ExitStatus, p.OOM, p.Peak = 0, false, 0
	}
	p.Started, p.Addr, p.Health = time.Now(), p.addr, p.firstHealth()
}

// live is the life of a process: it runs, ends, and if it is kept runs again.
func (p *fakeProcess) live(ctx context.Context, serve func()) {
	defer close(p.gone)
	defer serve()
	defer p.log.close()
	for {
		p.hasEnded(ctx, p.runChecked(ctx))
		p.log.close()
		for !p.restarts() {
			select {
			case <-p.told:
				return
			case <-ctx.Done():
				return
			case <-p.kept:
			}
		}
		p.pause(ctx)
		p.fake.mu.Lock()
		p.Restarting = false
		if over := p.isTold() || ctx.Err() != nil; over {
			p.fake.mu.Unlock()
			return
		}
		p.begin()
		p.fake.mu.Unlock()
		p.log.open()
		p.fake.tell(p.App)
	}
}

// pause waits for the next start.
func (p *fakeProcess) pause(ctx context.Context) {
	wait := time.After(10 * time.Millisecond) // so that one that fails at once is not all there is
	p.fake.mu.Lock()
	if p.fake.Again != nil && p.Restarting { // and not when Restart was called
		wait = nil
	}
	p.fake.mu.Unlock()
	select {
	case <-p.told:
	case <-ctx.Done():
	case <-wait:
	case <-p.fake.Again:
	}
}

// hasEnded notes how it has ended.
func (p *fakeProcess) hasEnded(ctx context.Context, status int) {
	p.fake.mu.Lock()
	p.Health = appliance.NoHealth
	p.Running, p.EndKnown, p.Addr, p.listening = false, false, "", nil
	p.ExitStatus, p.OOM, p.Ended = status, status == statusKilled && ctx.Err() == nil, time.Now()
	p.Peak, p.PeakOpen = 0, false
	if p.OOM {
		p.Peak = p.Limit
	}
	p.fake.mu.Unlock()
}

// restarts decides, when it has ended, whether it is to start again, and tells
// those who watch.
func (p *fakeProcess) restarts() bool {
	p.fake.mu.Lock()
	if p.anew {
		p.anew, p.Restarts = false, 0
		p.fake.mu.Unlock()
		p.fake.tell(p.App)
		return true
	}
	if !p.isTold() && (p.Kept == appliance.Always || p.Kept == appliance.OnFailure && p.ExitStatus != 0) {
		p.Restarting = true
		p.Restarts++
	}
	again := p.Restarting
	p.fake.mu.Unlock()
	p.fake.tell(p.App)
	return again
}

func (p *fakeProcess) isTold() bool {
	select {
	case <-p.told:
		return true
	default:
		return false
	}
}

// checkAfter is when the check of an image that Build made looks at a process,
// once. The health of others is what a test says.
const checkAfter = 50 * time.Millisecond

// runChecked runs the program once, and checks its health meanwhile.
func (p *fakeProcess) runChecked(ctx context.Context) int {
	if p.image.checked {
		check := time.AfterFunc(checkAfter, p.check)
		defer check.Stop()
	}
	return p.run(ctx)
}

// check finds it healthy if it listens, unless a test has said what it is.
func (p *fakeProcess) check() {
	p.fake.mu.Lock()
	if p.Health == appliance.Starting {
		p.Health = appliance.Unhealthy
		if len(p.listening) > 0 {
			p.Health = appliance.Healthy
		}
	}
	p.fake.mu.Unlock()
	p.fake.tell(p.App)
}

// run runs the program once.
func (p *fakeProcess) run(ctx context.Context) int {
	command := p.spec.Command
	if command == nil {
		command = p.image.info.Cmd
	}
	return simulate(ctx, simulation{
		args: command, env: merge(p.image.env, p.spec.Env), container: p.container,
		out: &p.log, errs: errs{&p.log}, told: p.told, exits: p.exits, listens: p.listens,
	})
}

// listens notes what it listens on.
func (p *fakeProcess) listens(a netip.AddrPort) {
	p.fake.mu.Lock()
	defer p.fake.mu.Unlock()
	p.listening = []netip.AddrPort{a}
}

// exit makes it end by itself, unless it is just doing so.
func (p *fakeProcess) exit(status int) {
	select {
	case p.exits <- status:
	default:
	}
}

// end tells it to finish, and ends it after grace.
func (p *fakeProcess) end(grace time.Duration) {
	p.once.Do(func() { close(p.told) })
	select {
	case <-p.gone:
	case <-time.After(grace):
	}
	p.ended()
	<-p.gone
}

// Keep restarts the processes from now on when they end.
func (f *Fake) Keep(ctx context.Context, restart appliance.Restart, ids ...string) error {
	for _, id := range ids {
		if err := f.call("Keep", f.describe(id)); err != nil {
			return err
		}
		f.mu.Lock()
		p := f.find(id)
		if p != nil {
			p.Kept = restart
		}
		f.mu.Unlock()
		if p == nil {
			return fmt.Errorf("process %s: %w", id, appliance.ErrNotFound)
		}
		select {
		case p.kept <- struct{}{}:
		default: // it has not looked yet
		}
	}
	return nil
}

// Restart has a process end, and starts it again.
func (f *Fake) Restart(ctx context.Context, grace time.Duration, id string) error {
	if err := f.call("Restart", f.describe(id)); err != nil {
		return err
	}
	f.mu.Lock()
	p := f.find(id)
	if p == nil {
		f.mu.Unlock()
		return fmt.Errorf("process %s: %w", id, appliance.ErrNotFound)
	}
	began, running := p.Started, p.Running
	p.anew = true
	f.mu.Unlock()
	if running {
		p.exit(0)
	}
	select {
	case p.kept <- struct{}{}: // so that what has ended looks again
	default: // it will
	}
	for {
		f.mu.Lock()
		again := p.Running && p.Started.After(began)
		f.mu.Unlock()
		if again {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.gone:
			return fmt.Errorf("process %s: %w", id, appliance.ErrNotFound)
		case <-time.After(time.Millisecond):
		}
	}
}

// GiveUp ends the processes for good, and leaves them to be listed.
func (f *Fake) GiveUp(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if err := f.call("GiveUp", f.describe(id)); err != nil {
			return err
		}
		f.mu.Lock()
		p := f.find(id)
		f.mu.Unlock()
		if p != nil {
			p.end(time.Second)
			f.tell(p.App)
		}
	}
	return nil
}

// Stop ends and removes the processes, all at once.
func (f *Fake) Stop(ctx context.Context, grace time.Duration, ids ...string) error {
	var all sync.WaitGroup
	defer all.Wait()
	for _, id := range ids {
		if err := f.call("Stop", f.describe(id)); err != nil {
			return err
		}
		all.Go(func() { f.remove(ctx, id, grace) })
	}
	return nil
}

// remove ends a process and forgets it. One that is gone is no error.
func (f *Fake) remove(ctx context.Context, id string, grace time.Duration) {
	f.endPrepared(func(p *fakePrepared) bool { return p.id == id })
	f.mu.Lock()
	p, d := f.find(id), f.findDetached(id)
	ended := func() {}
	if p != nil && f.Stopping != nil {
		now := p.Process
		f.mu.Unlock()
		ended = f.Stopping(ctx, now)
		f.mu.Lock()
	}
	f.mu.Unlock()
	if d != nil {
		d.end(grace)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.detached = slices.DeleteFunc(f.detached, func(e *fakeDetached) bool { return e == d })
		return
	}
	if p == nil {
		return
	}
	p.end(grace)
	ended()
	f.mu.Lock()
	f.processes = slices.DeleteFunc(f.processes, func(q *fakeProcess) bool { return q == p })
	f.mu.Unlock()
	f.tell(p.App)
}

// describe names a process for Calls.
func (f *Fake) describe(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.findDetached(id); d != nil {
		return fmt.Sprintf("%s.%s", d.App, d.Name)
	}
	p := f.find(id)
	if p == nil {
		return id
	}
	return fmt.Sprintf("%s.%s.%d v%d", p.App, p.Type, p.Index, p.Release)
}
