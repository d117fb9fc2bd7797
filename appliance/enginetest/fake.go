package enginetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A Fake is an engine in memory. It passes the same suite as the real ones, so
// a test that uses it learns nothing false. What it runs is the test program,
// or rather what that would do; a command that is not Program runs like
// "serve" until it is stopped. The zero Fake is ready to use; Close ends what
// it still runs.
type Fake struct {
	// Addr, if set, is where every process with a port is reached. Otherwise
	// each listens on a port of its own of this machine, and answers as the
	// test program does.
	Addr string

	refuse atomic.Pointer[func(call string) error]

	// Program, if set, says how a run ends, instead of the test program.
	// Committing is still done here.
	Program func(ctx context.Context, spec appliance.RunSpec) (appliance.RunResult, error)

	// Stopping, if set, is told of what Stop ends.
	Stopping appliance.Stopping

	// Again, if set, holds every restart of a process up until a value can be
	// taken from it.
	Again chan struct{}

	// mu guards what follows.
	mu      sync.Mutex
	images  map[appliance.Image]*fakeImage
	pins    map[appliance.AppName]map[appliance.Image]*fakeImage
	volumes map[string]files // by app and name

	registries map[string]*fakeRegistry // by server

	processes []*fakeProcess
	runs      []*fakeRun
	prepared  []*fakePrepared
	detached  []*fakeDetached
	watchers  []*fakeWatcher
	calls     []string
	started   []appliance.ProcessSpec
	networks  []appliance.Network
	ran       []appliance.RunSpec
	built     []appliance.BuildSpec
}

var _ appliance.Engine = (*Fake)(nil)

// A fakeRun is a run under way.
type fakeRun struct {
	app    appliance.AppName
	began  time.Time
	cancel context.CancelCauseFunc
}

// errSwept is how a run ends that somebody else has removed.
var errSwept = errors.New("the container is gone")

// call notes a call, and returns the error that the test wants of it.
func (f *Fake) call(name, of string) error {
	f.mu.Lock()
	f.calls = append(f.calls, strings.TrimSpace(name+" "+of))
	f.mu.Unlock()
	return f.refused(name)
}

// Refuse sets what may refuse a call from now on, by name: "Build", "Start"; nil
// refuses none.
func (f *Fake) Refuse(how func(call string) error) { f.refuse.Store(&how) }

// refused returns the error that the test wants of a call.
func (f *Fake) refused(name string) error {
	how := f.refuse.Load()
	if how == nil || *how == nil {
		return nil
	}
	return (*how)(name)
}

// Calls returns the calls that were made of Build, Import, Run, Prepare, Detach, Start,
// Keep, Restart, GiveUp, Stop, End, Exec, Prune, Sweep and Destroy, in order and in
// short: "Start blog.web v3",
// "Stop blog.web.1 v2".
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Started returns what Start was asked for, also when it failed.
func (f *Fake) Started() []appliance.ProcessSpec {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.started)
}

// Ran returns what Run and Detach were asked for.
func (f *Fake) Ran() []appliance.RunSpec {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ran)
}

// Built returns what Build was asked for.
func (f *Fake) Built() []appliance.BuildSpec {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.built)
}

// Exit makes a process end by itself, with a status.
func (f *Fake) Exit(id string, status int) {
	f.mu.Lock()
	p := f.find(id)
	f.mu.Unlock()
	if p != nil {
		p.exit(status)
	}
}

// Move gives a process another address, as Docker may when it restarts one.
func (f *Fake) Move(id, addr string) {
	f.mu.Lock()
	p := f.find(id)
	if p != nil {
		p.Addr = addr
	}
	f.mu.Unlock()
	if p != nil {
		f.tell(p.App)
	}
}

// Lose makes those who watch believe that the engine was away for a while.
func (f *Fake) Lose() { f.tell("") }

// Close ends all that runs.
func (f *Fake) Close() {
	f.mu.Lock()
	processes, detached := f.processes, f.detached
	f.processes, f.detached = nil, nil
	f.mu.Unlock()
	for _, d := range detached {
		d.end(0)
	}
	for _, p := range processes {
		p.end(0)
	}
}

// Run runs one process to its end.
func (f *Fake) Run(ctx context.Context, spec appliance.RunSpec) (appliance.RunResult, error) {
	f.mu.Lock()
	f.ran = append(f.ran, spec)
	f.mu.Unlock()
	if err := f.call("Run", string(spec.App)); err != nil {
		return appliance.RunResult{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run := &fakeRun{spec.App, time.Now(), cancel}
	f.mu.Lock()
	image, err := f.image(spec.Image)
	if err != nil {
		f.mu.Unlock()
		return appliance.RunResult{}, fmt.Errorf("run: %w", err)
	}
	f.runs = append(f.runs, run)
	c := f.container(image, spec.App, spec.Mounts, spec.Tmpfs)
	if p := f.take(spec.Prepared); p != nil {
		c, spec.Command, spec.Env = p.container, p.spec.Command, p.spec.Env
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.runs = slices.DeleteFunc(f.runs, func(r *fakeRun) bool { return r == run })
	}()

	if spec.Files != nil {
		if err := c.unpack(spec.Files, spec.FilesDir); err != nil {
			return appliance.RunResult{}, err
		}
	}
	result, err := f.runProgram(ctx, c, image, spec)
	if ctx.Err() != nil {
		return appliance.RunResult{}, fmt.Errorf("run: %w", context.Cause(ctx))
	}
	if err != nil || result.Status != 0 {
		return result, err
	}
	if spec.Collect != "" && f.Program == nil {
		content, ok := c.read(spec.Collect)
		if !ok {
			return result, fmt.Errorf("bring back %s: %w", spec.Collect, appliance.ErrNotFound)
		}
		result.Collected = []byte(content)
	}
	if spec.Commit != nil {
		f.commit(c, image, spec)
	}
	return result, nil
}

func (f *Fake) runProgram(ctx context.Context, c *container, image *fakeImage, spec appliance.RunSpec) (appliance.RunResult, error) {
	if f.Program != nil {
		return f.Program(ctx, spec)
	}
	out := spec.Out
	if out == nil {
		out = io.Discard
	}
	command := spec.Command
	if command == nil {
		command = image.info.Cmd
	}
	return simulateWithin(ctx, simulation{
		args: command, env: merge(image.env, spec.Env), container: c, stdin: spec.Stdin, out: out, errs: spec.Err,
		terminal: spec.Terminal, resolve: f.resolver(spec.App),
	}, spec.Fence)
}

// Sweep removes what runs that began before a moment have left.
func (f *Fake) Sweep(ctx context.Context, before time.Time) error {
	if err := f.call("Sweep", ""); err != nil {
		return err
	}
	f.endRuns(func(r *fakeRun) bool { return r.began.Before(before) })
	f.endPrepared(func(p *fakePrepared) bool { return p.began.Before(before) })
	return nil
}

func (f *Fake) endRuns(which func(*fakeRun) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.runs {
		if which(r) {
			r.cancel(errSwept)
		}
	}
}

// Processes lists what there is of app, or of every app.
func (f *Fake) Processes(ctx context.Context, app appliance.AppName) ([]appliance.Process, error) {
	if err := f.refused("Processes"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []appliance.Process
	for _, p := range f.processes {
		if app == "" || p.App == app {
			found = append(found, p.Process)
		}
	}
	return found, nil
}

// Logs copies a process's output to w.
func (f *Fake) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	f.mu.Lock()
	p, d := f.find(id), f.findDetached(id)
	f.mu.Unlock()
	if d != nil {
		return d.log.copy(ctx, opts, w)
	}
	if p == nil {
		return fmt.Errorf("process %s: %w", id, appliance.ErrNotFound)
	}
	return p.log.copy(ctx, opts, w)
}

// Listening returns the addresses that a process listens on.
func (f *Fake) Listening(ctx context.Context, id string) ([]netip.AddrPort, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.find(id)
	if p == nil {
		return nil, fmt.Errorf("process %s: %w", id, appliance.ErrNotFound)
	}
	return slices.Clone(p.listening), nil
}

// Destroy removes all there is of app.
func (f *Fake) Destroy(ctx context.Context, app appliance.AppName) error {
	if err := f.call("Destroy", string(app)); err != nil {
		return err
	}
	if app == "" {
		return errors.New("destroy: no app given")
	}
	f.endRuns(func(r *fakeRun) bool { return r.app == app })
	f.endPrepared(func(p *fakePrepared) bool { return p.spec.App == app })
	processes, err := f.Processes(ctx, app)
	if err != nil {
		return err
	}
	for _, p := range processes {
		f.remove(ctx, p.ID, 0)
	}
	runs, err := f.Runs(ctx, app)
	if err != nil {
		return err
	}
	for _, r := range runs {
		f.remove(ctx, r.ID, 0)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.volumes {
		if strings.HasPrefix(name, string(app)+"/") {
			delete(f.volumes, name)
		}
	}
	delete(f.pins, app)
	for name, i := range f.images {
		if i.app == app {
			delete(f.images, name)
		}
	}
	return nil
}

// resolver finds the processes of an app by their aliases.
func (f *Fake) resolver(app appliance.AppName) func(host string) string {
	return func(host string) string {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, p := range f.processes {
			if p.App == app && slices.Contains(p.spec.Aliases, host) {
				return p.Addr
			}
		}
		return ""
	}
}

// find returns a process, or nil. The caller holds mu.
func (f *Fake) find(id string) *fakeProcess {
	for _, p := range f.processes {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// newID returns an id as Docker's are, which tells nothing.
func newID() string { return strings.ToLower(rand.Text()) }

// Capacity tells of a machine of 4 GB with two CPUs.
func (f *Fake) Capacity(context.Context) (appliance.Capacity, error) {
	return appliance.Capacity{Memory: 4 << 30, Available: 3 << 30, CPUs: 2, Disk: 40 << 30, Free: 20 << 30}, nil
}
