package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/berthhq/berth/appliance"
)

// explain says in the appliance's terms what went wrong with Docker while
// doing something. It returns nil for a nil err.
func explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case strings.Contains(err.Error(), context.Canceled.Error()):
		// The client makes a text of it when it was connecting.
		return fmt.Errorf("%s: %w", doing, context.Canceled)
	case client.IsErrConnectionFailed(err):
		return appliance.WithHint(fmt.Errorf("%s: docker does not answer: %w", doing, err),
			"see whether Docker runs: docker info, systemctl status docker")
	case errdefs.IsNotFound(err):
		return fmt.Errorf("%s: %w: %s", doing, appliance.ErrNotFound, message(err))
	case errdefs.IsConflict(err), errdefs.IsAlreadyExists(err):
		return fmt.Errorf("%s: %w: %s", doing, appliance.ErrExists, message(err))
	case errdefs.IsInvalidArgument(err):
		return fmt.Errorf("%s: %w: %s", doing, appliance.ErrInvalid, message(err))
	}
	return fmt.Errorf("%s: %s", doing, message(err))
}

// message is what Docker says, without what it says each time.
func message(err error) string {
	s := strings.TrimSpace(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
	// The runtime's errors name each of its layers before the one fact that
	// counts: `exec: "rails": executable file not found in $PATH: unknown`.
	if i := strings.LastIndex(s, ": exec: "); i >= 0 {
		s = strings.TrimSuffix(s[i+2:], ": unknown")
	}
	return s
}
