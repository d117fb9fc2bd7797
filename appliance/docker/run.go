package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/berthhq/berth/appliance"
)

// runOOMScore makes the kernel, when the machine is out of memory, end a build
// before it ends an app.
const runOOMScore = 500

// oomWait is how late Docker may say that a run was out of memory.
const oomWait = 300 * time.Millisecond

// Run runs one process to its end.
func (e *Engine) Run(ctx context.Context, spec appliance.RunSpec) (result appliance.RunResult, err error) {
	id, err := e.createRun(ctx, spec)
	if err != nil {
		return appliance.RunResult{}, err
	}
	defer func() { err = errors.Join(err, e.tidy(ctx, id)) }()

	outer := ctx
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
	result.Status, err = e.runToEnd(ctx, id, spec)
	if err != nil {
		return appliance.RunResult{}, err
	}
	c, err := e.inspect(ctx, id)
	if err != nil {
		return result, err
	}
	result.OOM = e.hadTooLittle(ctx, c)
	if result.Status != 0 {
		return result, nil
	}
	if spec.Collect != "" {
		if result.Collected, err = e.collect(ctx, id, spec.Collect); err != nil {
			return result, err
		}
	}
	if spec.Commit != nil {
		return result, e.commit(ctx, id, spec)
	}
	return result, nil
}

func (e *Engine) createRun(ctx context.Context, spec appliance.RunSpec) (string, error) {
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
	host.LogConfig.Type = "none" // the output goes to spec.Out only
	host.Tmpfs = with(nil, host.Tmpfs)
	for _, dir := range spec.Tmpfs {
		host.Tmpfs[dir] = "exec,mode=1777"
	}
	config := &container.Config{
		Image:     string(spec.Image),
		Cmd:       spec.Command,
		Env:       spec.Env,
		User:      spec.User,
		Labels:    with(spec.Options.Labels, e.labels(kindRun, spec.App)),
		OpenStdin: spec.Stdin != nil,
		StdinOnce: spec.Stdin != nil,
	}
	configure(config, spec.Options)
	if spec.User != "" {
		config.User = spec.User
	}
	if spec.Command != nil {
		config.Entrypoint = []string{""}
	}
	name := e.networkName(spec.App) + ".run." + strings.ToLower(rand.Text()[:8])
	id, err := e.create(ctx, name, config, host)
	if err == nil && len(shared) > 0 {
		if err = e.attach(ctx, id, shared); err != nil {
			err = errors.Join(err, e.tidy(ctx, id))
		}
	}
	return id, explain("run", err)
}

// runToEnd starts a container that has been made, connects it to spec's
// streams, and returns its exit status.
func (e *Engine) runToEnd(ctx context.Context, id string, spec appliance.RunSpec) (int, error) {
	streams, err := e.docker.ContainerAttach(ctx, id, container.AttachOptions{
		Stream: true, Stdin: spec.Stdin != nil, Stdout: true, Stderr: true,
	})
	if err != nil {
		return 0, explain("run", err)
	}
	defer streams.Close()
	// Nothing else ends a read of the connection when ctx is done.
	defer context.AfterFunc(ctx, streams.Close)()

	exited, failed := e.docker.ContainerWait(ctx, id, container.WaitConditionNextExit)
	copied := make(chan error, 1)
	go func() { copied <- copyOut(spec.Out, streams) }()
	if spec.Stdin != nil {
		// Nobody waits for this goroutine: it may be held by a reader that
		// never ends, as a terminal's does. Closing streams ends its writes.
		go func() {
			_, _ = io.Copy(streams.Conn, spec.Stdin) // the process need not read all of it
			_ = streams.CloseWrite()                 // and may be gone already
		}()
	}
	if err := e.docker.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		streams.Close()
		<-copied
		return 0, explain("run", err)
	}

	status := 0
	select {
	case end := <-exited:
		status = int(end.StatusCode)
		err = <-copied // all it has said, before saying that it has ended
	case err = <-failed:
		streams.Close()
		<-copied
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("run: %w", context.Cause(ctx))
	}
	return status, explain("run", err)
}

// copyOut copies both streams of a process to out, to their end also when out
// takes no more: a process must not wait for a person who has hung up.
func copyOut(out io.Writer, streams types.HijackedResponse) error {
	if out == nil {
		out = io.Discard
	}
	_, err := stdcopy.StdCopy(out, out, streams.Reader)
	if err != nil {
		_, _ = io.Copy(io.Discard, streams.Reader) // the first error counts
	}
	return err
}
