package docker

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/berthhq/berth/appliance"
)

// Logs copies a process's output to w. Following ends with the process, or
// without an error when ctx is done.
func (e *Engine) Logs(ctx context.Context, id string, opts appliance.LogOptions, w io.Writer) error {
	if _, err := e.inspect(ctx, id); err != nil {
		return err
	}
	options := container.LogsOptions{
		ShowStdout: true, ShowStderr: true,
		Follow: opts.Follow, Timestamps: opts.Timestamps,
	}
	if opts.Tail > 0 {
		options.Tail = strconv.Itoa(opts.Tail)
	}
	stream, err := e.docker.ContainerLogs(ctx, id, options)
	if err != nil {
		return explain("logs of container "+short(id), err)
	}
	defer stream.Close()
	_, err = stdcopy.StdCopy(w, w, stream)
	if opts.Follow && errors.Is(err, context.Canceled) {
		return nil
	}
	return wrap("logs of container "+short(id), err)
}
