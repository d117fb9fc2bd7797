package builder

import (
	"context"
	"errors"
	"io"

	"github.com/berthhq/berth/appliance"
)

// Ensure returns the stack image, and builds it when it is missing.
func (s Stack) Ensure(ctx context.Context, e appliance.Engine, out io.Writer) (appliance.Image, error) {
	return "", errors.New("not yet")
}
