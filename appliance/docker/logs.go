package docker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/berthhq/berth/appliance"
)

// Logs copies a process's output to w. Following ends with the process, or
// without an error when ctx is done.
func (e *Engine) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	c, err := e.inspect(ctx, id)
	if err != nil {
		return err
	}
	options := container.LogsOptions{
		ShowStdout: true, ShowStderr: true,
		Follow: opts.Follow, Timestamps: opts.Timestamps, Since: since(opts.Since),
	}
	if opts.Tail > 0 {
		options.Tail = strconv.Itoa(opts.Tail)
	}
	stream, err := e.api(ctx).ContainerLogs(ctx, id, options)
	if errdefs.IsConflict(err) { // it is being removed, and Docker has no more of it
		err = errdefs.ErrNotFound
	}
	if err != nil {
		return explain("logs of container "+short(id), err)
	}
	defer stream.Close()
	errs := opts.Err
	if errs == nil {
		errs = w
	}
	if c.Config.Tty {
		_, err = io.Copy(w, stream)
	} else {
		err = messages(stream, w, errs)
	}
	if opts.Follow && ctx.Err() != nil {
		return nil
	}
	return wrap("logs of container "+short(id), err)
}

// since writes a moment as Docker reads it, or "" for none.
func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
}

// messages writes each message of a stream at once to where it belongs. It is
// what stdcopy.StdCopy does, which moves all that is behind a message for each
// of them, and has a larger buffer than hundreds of followers should.
func messages(stream io.Reader, out, errs io.Writer) error {
	in := bufio.NewReaderSize(stream, 4<<10)
	var large []byte
	for {
		head, err := in.Peek(8)
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		to, size := out, int(binary.BigEndian.Uint32(head[4:]))
		switch stdcopy.StdType(head[0]) {
		case stdcopy.Stderr:
			to = errs
		case stdcopy.Systemerr:
			to = nil
		}
		_, _ = in.Discard(len(head)) // they are there
		text, err := in.Peek(min(size, in.Size()))
		if size > len(text) && err == nil {
			if size > maxMessage {
				return fmt.Errorf("a message of %d bytes", size)
			}
			large = append(large[:0], make([]byte, size)...)
			_, err = io.ReadFull(in, large)
			text, size = large, 0
		}
		if err != nil {
			if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil // it was cut off
			}
			return err
		}
		if to == nil {
			return fmt.Errorf("docker: %s", text)
		}
		if _, err := to.Write(text); err != nil {
			return err
		}
		_, _ = in.Discard(size)
	}
}

// maxMessage is more than Docker ever makes of a line, which it takes apart.
const maxMessage = 1 << 20
