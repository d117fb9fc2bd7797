package docker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
)

// runOOMScore makes the kernel, when the machine is out of memory, end a build
// before it ends an app.
const runOOMScore = 500

// oomWait is how late Docker may say that a run was out of memory.
const oomWait = 300 * time.Millisecond

// Run runs one process to its end.
func (e *Engine) Run(ctx context.Context, spec appliance.RunSpec) (result appliance.RunResult, err error) {
	id, known, begun, err := e.makeRun(ctx, spec)
	if err != nil {
		return appliance.RunResult{}, err
	}
	outer := ctx
	defer func() {
		if outer.Err() != nil && spec.HangUp > 0 {
			e.hangUp(outer, id, spec.HangUp)
		}
		if err == nil && spec.Commit != nil {
			// Its image is made: nobody has to wait for Docker to unmount it.
			e.tidying.Go(func() {
				defer e.runs.Delete(known)
				if err := e.tidy(outer, id); err != nil {
					e.Log.WarnContext(outer, "remove what has run", "err", err)
				}
			})
			return
		}
		err = errors.Join(err, e.tidy(outer, id))
		e.runs.Delete(known)
	}()

	ctx, stop, err := e.fenceRun(ctx, id, spec.Fence)
	if err != nil {
		return appliance.RunResult{}, err
	}
	defer func() {
		exceeded := stop(err != nil || result.Status != 0)
		if exceeded == nil && result.Status != 0 && result.OOM && spec.Fence.Memory > 0 {
			exceeded = memoryExceeded(spec.Fence)
		}
		// Who hung up has no use for another reason.
		if exceeded != nil && outer.Err() == nil {
			err = exceeded
		}
	}()

	if spec.Files != nil {
		if err := e.putFiles(ctx, id, spec); err != nil {
			return appliance.RunResult{}, err
		}
	}
	result.Status, err = e.runToEnd(ctx, id, begun, spec)
	if err != nil {
		return appliance.RunResult{}, err
	}
	c, err := e.inspect(ctx, id)
	if err != nil {
		return result, err
	}
	status := result.Status
	result = e.memoryOf(ctx, c)
	if result.Status = status; result.Status != 0 {
		return result, nil
	}
	// Side by side, as each has Docker mount what the run has left. An image
	// of what cannot be brought back is one that nothing runs from: the next
	// Prune removes it.
	var group errgroup.Group
	if spec.Collect != "" {
		group.Go(func() (err error) {
			result.Collected, err = e.collect(ctx, id, spec.Collect)
			return err
		})
	}
	if spec.Commit != nil {
		group.Go(func() error { return e.commit(ctx, id, spec) })
	}
	err = group.Wait()
	return result, err
}

func (e *Engine) createRun(ctx context.Context, kind string, spec appliance.RunSpec) (string, error) {
	net, err := e.network(ctx, spec.App)
	if err != nil {
		return "", err
	}
	mounts, err := e.mounts(ctx, spec.App, spec.Mounts)
	if err != nil {
		return "", err
	}
	if spec.Engine {
		socket, err := e.socket()
		if err != nil {
			return "", err
		}
		mounts = append(mounts, socket)
	}
	shared, err := e.sharedIDs(ctx, spec.Options.Networks)
	if err != nil {
		return "", err
	}
	host := e.hardened(runPids)
	e.fence(host, spec.Fence)
	set(host, spec.Options)
	host.Mounts = mounts
	host.NetworkMode = container.NetworkMode(net)
	host.OomScoreAdj = runOOMScore
	host.LogConfig.Type = "none" // the output goes to spec's streams only
	if kind == kindDetached {
		host.LogConfig = container.LogConfig{Type: "local", Config: map[string]string{"max-size": "5m", "max-file": "2"}}
	}
	host.Tmpfs = with(nil, host.Tmpfs)
	for _, dir := range spec.Tmpfs {
		host.Tmpfs[dir] = "exec,mode=1777"
	}
	config := &container.Config{
		Image:     string(spec.Image),
		Cmd:       spec.Command,
		Env:       spec.Env,
		User:      spec.User,
		Labels:    with(spec.Options.Labels, e.labels(kind, spec.App)),
		OpenStdin: spec.Stdin != nil,
		StdinOnce: spec.Stdin != nil,
	}
	configure(config, spec.Options)
	if spec.User != "" {
		config.User = spec.User
	}
	if t := spec.Terminal; t != nil {
		config.Tty = true
		config.Env = atTerminal(config.Env, t)
	}
	if spec.Command != nil {
		config.Entrypoint = []string{""}
	}
	name := cmp.Or(spec.Name, anyName())
	config.Labels[labelOneOff] = name
	id, err := e.create(ctx, e.networkName(spec.App)+"."+name, config, host)
	if err == nil {
		e.expect(ctx, id)
	}
	if err == nil && len(shared) > 0 {
		if err = e.attach(ctx, id, shared); err != nil {
			err = errors.Join(err, e.tidy(ctx, id))
		}
	}
	return id, explain("run", err)
}

// makeRun returns the container of a run, its name, and whether it has begun. The
// name is among e.runs, and the caller's to take out.
func (e *Engine) makeRun(ctx context.Context, spec appliance.RunSpec) (id, name string, begun bool, err error) {
	if spec.Prepared != "" {
		if name, begun = e.waits(ctx, spec.Prepared); begun {
			e.runs.Store(name, true)
			return spec.Prepared, name, true, nil
		}
	}
	spec.Name = cmp.Or(spec.Name, anyName())
	name = e.networkName(spec.App) + "." + spec.Name
	e.runs.Store(name, true)
	if id, err = e.createRun(ctx, kindRun, spec); err != nil {
		e.runs.Delete(name)
	}
	return id, name, false, err
}

// anyName is a name for a run that nobody gives one.
func anyName() string { return "run." + strings.ToLower(rand.Text()[:8]) }

// runToEnd starts a container that has been made, unless it has begun already,
// connects it to spec's streams, and returns its exit status.
func (e *Engine) runToEnd(ctx context.Context, id string, begun bool, spec appliance.RunSpec) (int, error) {
	conn, err := e.api(ctx).ContainerAttach(ctx, id, container.AttachOptions{
		Stream: true, Stdin: spec.Stdin != nil, Stdout: true, Stderr: true, DetachKeys: noKeys,
	})
	if err != nil {
		return 0, explain("run", err)
	}
	defer conn.Close()
	// Nothing else ends a read of the connection when ctx is done.
	defer context.AfterFunc(ctx, conn.Close)()

	until := container.WaitConditionNextExit
	if begun {
		until = container.WaitConditionNotRunning // it may have ended by now
	}
	exited, failed := e.api(ctx).ContainerWait(ctx, id, until)
	copied := make(chan error, 1)
	own := streams{spec.Stdin, spec.Out, spec.Err, spec.Terminal != nil}
	go func() { copied <- copyOut(own, conn) }()
	copyIn(own, conn)
	if !begun {
		err = e.api(ctx).ContainerStart(ctx, id, container.StartOptions{})
	}
	if err != nil {
		conn.Close()
		<-copied
		return 0, explain("run", err)
	}
	defer followSize(ctx, spec.Terminal, func(ctx context.Context, size container.ResizeOptions) error {
		return e.api(ctx).ContainerResize(ctx, id, size)
	})()

	status := 0
	select {
	case end := <-exited:
		status = int(end.StatusCode)
		err = <-copied // all it has said, before saying that it has ended
	case err = <-failed:
		conn.Close()
		<-copied
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("run: %w", context.Cause(ctx))
	}
	return status, explain("run", err)
}

// hangUp tells a run that nobody is connected to it any more, and waits until
// it has ended, for as long as that may take.
func (e *Engine) hangUp(ctx context.Context, id string, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	if err := e.api(ctx).ContainerKill(ctx, id, "SIGHUP"); err != nil {
		return // it does not run, or is removed in a moment all the same
	}
	ended, failed := e.api(ctx).ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case <-failed: // its time is over
	}
}
