package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/progress"
)

// Ensure returns the stack image, and builds it when there is none of what
// would go into it now. A new berth binary or buildpack costs a second, a new
// base everything.
func (s Stack) Ensure(ctx context.Context, e appliance.Engine, out io.Writer) (appliance.Image, error) {
	base, id, err := s.base(ctx, e)
	if err != nil {
		return "", err
	}
	parts, err := s.parts()
	if err != nil {
		return "", fmt.Errorf("put the stack together: %w", err)
	}
	sum, err := parts.hash(id)
	if err != nil {
		return "", fmt.Errorf("put the stack together: %w", err)
	}
	tag := appliance.Image(s.Instance + "/stack:" + sum)
	switch _, err := e.Inspect(ctx, tag); {
	case err == nil:
		return tag, nil
	case !errors.Is(err, appliance.ErrNotFound):
		return "", fmt.Errorf("look for the stack: %w", err)
	}

	if p, ok := out.(*progress.Writer); ok {
		p.Step("Making the stack %s: a minute or two if it is the first, else seconds", tag)
	}
	dir, err := os.MkdirTemp("", "berth-stack-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := parts.write(dir); err != nil {
		return "", fmt.Errorf("put the stack together: %w", err)
	}
	image, err := e.Build(ctx, appliance.BuildSpec{Tag: tag, Dir: dir, Args: map[string]string{"BASE": string(base)}, Out: out})
	if err != nil {
		return "", fmt.Errorf("build the stack: %w", err)
	}
	return image, nil
}

// base returns what the stack is built on, and what names its content.
func (s Stack) base(ctx context.Context, e appliance.Engine) (appliance.Image, string, error) {
	base := s.Base
	if base == "" {
		base = s.BaseImage()
	}
	info, err := e.Inspect(ctx, base)
	switch {
	case errors.Is(err, appliance.ErrNotFound) && s.Base != "":
		return base, string(base), nil // the build fetches it
	case errors.Is(err, appliance.ErrNotFound):
		return "", "", appliance.WithHint(fmt.Errorf("the base image %s is missing: %w", base, err),
			"run bootstrap.sh again: it makes the base image")
	case err != nil:
		return "", "", fmt.Errorf("look for the base image: %w", err)
	}
	return base, info.ID, nil
}
