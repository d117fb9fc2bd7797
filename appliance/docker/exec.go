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
	options := container.ExecOptions{
		Cmd: spec.Command, Env: spec.Env, AttachStdin: spec.Stdin != nil, AttachStdout: true, AttachStderr: true, DetachKeys: noKeys,
	}
	if spec.Terminal != nil {
		options.Tty = true
		options.Env = atTerminal(options.Env, spec.Terminal)
	}
	made, err := e.api(ctx).ContainerExecCreate(ctx, id, options)
	if err != nil {
		return 0, explain(doing, err)
	}
	conn, err := e.api(ctx).ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: options.Tty})
	if err != nil {
		return 0, explain(doing, err)
	}
	defer conn.Close()
	defer followSize(ctx, spec.Terminal, func(ctx context.Context, size container.ResizeOptions) error {
		return e.api(ctx).ContainerExecResize(ctx, made.ID, size)
	})()
	// Nothing else ends a read of the connection when ctx is done.
	stop := context.AfterFunc(ctx, conn.Close)
	own := streams{spec.Stdin, spec.Out, spec.Err, spec.Terminal != nil}
	copyIn(own, conn)
	err = copyOut(own, conn)
	if !stop() {
		return 0, fmt.Errorf("%s: %w", doing, e.abandon(ctx, made.ID, spec.HangUp))
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
		now, err := e.api(ctx).ContainerExecInspect(ctx, id)
		if err != nil {
			return 0, explain(doing, err)
		}
		if !now.Running {
			return now.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s: %w", doing, e.abandon(ctx, id, 0))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// abandon ends a command whose caller has given up, and returns why it has. It
// may take so long to end by itself. Docker has no call for that.
func (e *Engine) abandon(ctx context.Context, id string, wait time.Duration) error {
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime+wait)
	defer cancel()
	now, err := e.api(ctx).ContainerExecInspect(tidy, id)
	// Docker learns the number after the command has begun, and may have
	// passed on by then what it printed.
	for err == nil && now.Running && now.Pid == 0 && tidy.Err() == nil {
		time.Sleep(5 * time.Millisecond)
		now, err = e.api(ctx).ContainerExecInspect(tidy, id)
	}
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
	if now, err = e.api(ctx).ContainerExecInspect(tidy, id); err != nil || !now.Running {
		return context.Cause(ctx)
	}
	// It may have ended in this moment: just as well.
	if wait > 0 && unix.PidfdSendSignal(process, unix.SIGHUP, nil, 0) == nil {
		// A pidfd can be read when its process has ended.
		ended := []unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}
		for end := time.Now().Add(wait); ; {
			n, err := unix.Poll(ended, int(max(0, time.Until(end).Milliseconds())))
			if err != unix.EINTR || n > 0 || time.Now().After(end) {
				break
			}
		}
	}
	_ = unix.PidfdSendSignal(process, unix.SIGKILL, nil, 0)
	return context.Cause(ctx)
}
