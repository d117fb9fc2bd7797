package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/appliance"
)

// Exec runs a command beside a process, in its container.
func (e *Engine) Exec(ctx context.Context, id string, spec appliance.ExecSpec) (status int, err error) {
	if _, err := e.inspect(ctx, id); err != nil {
		return 0, err
	}
	doing := "run in container " + short(id)
	made, err := e.docker.ContainerExecCreate(ctx, id, container.ExecOptions{
		Cmd: spec.Command, Env: spec.Env, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, explain(doing, err)
	}
	streams, err := e.docker.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, explain(doing, err)
	}
	defer streams.Close()
	// Nothing else ends a read of the connection when ctx is done.
	stop := context.AfterFunc(ctx, streams.Close)
	err = copyOut(spec.Out, streams)
	if !stop() {
		return 0, fmt.Errorf("%s: %w", doing, e.abandon(ctx, made.ID))
	}
	if err != nil {
		return 0, explain(doing, err)
	}
	return e.execStatus(ctx, made.ID, doing)
}

// execStatus returns what a command has ended with. Docker may say that it has
// ended a moment after its output has.
func (e *Engine) execStatus(ctx context.Context, id, doing string) (int, error) {
	for {
		now, err := e.docker.ContainerExecInspect(ctx, id)
		if err != nil {
			return 0, explain(doing, err)
		}
		if !now.Running {
			return now.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s: %w", doing, e.abandon(ctx, id))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// abandon ends a command whose caller has given up, and returns why it has.
// Docker has no call for that.
func (e *Engine) abandon(ctx context.Context, id string) error {
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	now, err := e.docker.ContainerExecInspect(tidy, id)
	if err != nil || !now.Running || now.Pid == 0 {
		return context.Cause(ctx)
	}
	process, err := unix.PidfdOpen(now.Pid, 0)
	if err != nil {
		return context.Cause(ctx) // it has ended, or Docker is on another machine
	}
	defer unix.Close(process)
	// The number may have been given to another process before we opened it,
	// but not while the command still runs.
	if now, err = e.docker.ContainerExecInspect(tidy, id); err == nil && now.Running {
		// It may have ended in this moment: just as well.
		_ = unix.PidfdSendSignal(process, unix.SIGKILL, nil, 0)
	}
	return context.Cause(ctx)
}
