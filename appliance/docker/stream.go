package docker

import (
	"context"
	"io"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/berthhq/berth/appliance"
)

// noKeys are the keys with which a person would leave a container to itself,
// which nobody presses. Docker's own begin with Ctrl-P, which it holds back
// until the next key, and a shell wants to have at once. Of Ctrl-@ nobody sees
// anything before the next key.
const noKeys = "ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^"

// streams connect a command to whoever has asked for it.
type streams struct {
	stdin    io.Reader
	out, err io.Writer
	terminal bool
}

// copyIn copies what a command is to read, in a goroutine that nobody waits
// for: it may be held by a reader that never ends, as a terminal's does.
// Closing conn ends its writes.
func copyIn(s streams, conn types.HijackedResponse) {
	if s.stdin == nil {
		return
	}
	go func() {
		_, _ = io.Copy(conn.Conn, s.stdin) // the process need not read all of it
		if s.terminal {
			_, _ = io.WriteString(conn.Conn, appliance.EndOfInput)
			return // there may be more to see
		}
		_ = conn.CloseWrite() // and may be gone already
	}()
}

// copyOut copies both streams of a command, to their end also when the other
// side takes no more: a process must not wait for a person who has hung up.
func copyOut(s streams, conn types.HijackedResponse) error {
	out, err := s.out, s.err
	if out == nil {
		out = io.Discard
	}
	if err == nil {
		err = out
	}
	var failed error
	if s.terminal {
		_, failed = io.Copy(out, conn.Reader)
	} else {
		_, failed = stdcopy.StdCopy(out, err, conn.Reader)
	}
	if failed != nil {
		_, _ = io.Copy(io.Discard, conn.Reader) // the first error counts
	}
	return failed
}

// atTerminal adds to an environment what kind of terminal there is.
func atTerminal(env []string, t *appliance.Terminal) []string {
	if t.Name == "" {
		return env
	}
	return append([]string{"TERM=" + t.Name}, env...)
}

// How often, and how many times, a terminal is given its size that does not
// take it. It does not yet while its command starts.
const (
	resizeEvery = 20 * time.Millisecond
	resizeTries = 100
)

// followSize gives a command's terminal the size that its person's has, until
// what it returns is called.
func followSize(ctx context.Context, t *appliance.Terminal, resize func(context.Context, container.ResizeOptions) error) (end func()) {
	if t == nil || t.Sizes == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for size, ok := next(ctx, t.Sizes); ok; size, ok = next(ctx, t.Sizes) {
			for range resizeTries {
				if resize(ctx, container.ResizeOptions{Height: size.Rows, Width: size.Columns}) == nil || ctx.Err() != nil {
					break
				}
				time.Sleep(resizeEvery)
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func next(ctx context.Context, sizes <-chan appliance.Size) (size appliance.Size, ok bool) {
	select {
	case size, ok = <-sizes:
		return size, ok
	case <-ctx.Done():
		return size, false
	}
}
