package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/progress"
)

// Ensure returns the stack image, and builds it when there is none of what
// would go into it now. A new berth binary or buildpack costs a second, a new
// base everything.
func (s Stack) Ensure(ctx context.Context, e appliance.Engine, out io.Writer) (appliance.Image, error) {
	base, version, err := s.base(ctx, e, out)
	if err != nil {
		return "", err
	}
	parts, err := s.parts()
	if err != nil {
		return "", fmt.Errorf("put the stack together: %w", err)
	}
	tag, err := s.tag(ctx, e, parts, base, version)
	if err != nil {
		return "", err
	}
	if _, there, err := look(ctx, e, tag); err != nil || there {
		return tag, err
	}
	say(out, "Making the stack %s", tag)
	err = parts.build(ctx, e, appliance.BuildSpec{
		Tag: tag, Args: map[string]string{"BASE": string(base), "VERSION": version}, Out: out, Fresh: s.Base != "" && s.Edition != "",
	})
	if err != nil && s.Base != "" {
		return "", appliance.WithHint(fmt.Errorf("build the stack on %s: %w", s.Base, err),
			"the lines above say why; stack:set says which images will do, and goes back to this machine's own with "+OwnStack)
	}
	if err != nil {
		return "", fmt.Errorf("build the stack: %w", err)
	}
	return tag, nil
}

// tag names the stack of parts on a base.
func (s Stack) tag(ctx context.Context, e appliance.Engine, parts parts, base appliance.Image, version string) (appliance.Image, error) {
	id := version
	if s.Base != "" {
		info, there, err := look(ctx, e, base)
		if err != nil {
			return "", err
		}
		id += " " + s.Edition
		if there {
			id += " " + info.ID // else the build fetches it
		}
	}
	sum, err := parts.hash(id)
	if err != nil {
		return "", fmt.Errorf("put the stack together: %w", err)
	}
	return s.image(tagged(version) + "-" + sum), nil
}

var notInTags = regexp.MustCompile(`[^A-Za-z0-9_.]+`)

// tagged makes a name a part of a tag.
func tagged(name string) string { return fmt.Sprintf("%.60s", notInTags.ReplaceAllString(name, "-")) }

func (s Stack) image(tag string) appliance.Image {
	return appliance.Image(s.Instance + "/stack:" + tag)
}

// base returns what the stack is built on, and what people call that. When it
// is the machine's own, base makes it if there is none.
func (s Stack) base(ctx context.Context, e appliance.Engine, out io.Writer) (appliance.Image, string, error) {
	if s.Base != "" {
		return s.Base, string(s.Base), nil
	}
	debian, there, err := look(ctx, e, s.BaseImage())
	if err != nil {
		return "", "", err
	}
	if !there {
		return "", "", appliance.WithHint(fmt.Errorf("the base image %s is missing: %w", s.BaseImage(), appliance.ErrNotFound),
			"run bootstrap.sh again: it makes the base image")
	}
	parts, err := s.baseParts()
	if err != nil {
		return "", "", fmt.Errorf("put the stack together: %w", err)
	}
	sum, err := parts.without("ca").hash(debian.ID + " " + s.Edition)
	if err != nil {
		return "", "", fmt.Errorf("put the stack together: %w", err)
	}
	tag := s.image("base-" + sum)
	info, there, err := look(ctx, e, tag)
	if err != nil {
		return "", "", err
	}
	if there {
		return tag, info.Labels[StackVersion], nil
	}
	version, err := s.buildBase(ctx, e, parts, sum, out)
	return tag, version, err
}

var versionLine = regexp.MustCompile(`\bdebian-[0-9][0-9.]*-[0-9]{8}-[0-9a-f]{8}\b`)

// buildBase builds the image base-SUM, and returns what it calls itself. That
// is known only when all is there, so it is built twice, the second time of
// what the first has left in the cache.
func (s Stack) buildBase(ctx context.Context, e appliance.Engine, parts parts, sum string, out io.Writer) (string, error) {
	say(out, "Installing the packages of the stack: a minute or two")
	heard := &hearing{Writer: out}
	spec := appliance.BuildSpec{
		Tag: s.image("packages-" + sum), Target: "said", Out: heard,
		Args: map[string]string{"BASE": string(s.BaseImage()), "EDITION": s.Edition, "NOW": time.Now().Format(time.RFC3339Nano)},
	}
	if err := parts.build(ctx, e, spec); err != nil {
		return "", fmt.Errorf("build the base of the stack: %w", err)
	}
	version := string(versionLine.Find(heard.text))
	if version == "" {
		return "", errors.New("build the base of the stack: it does not say what it is")
	}
	delete(spec.Args, "NOW")
	spec.Tag, spec.Target, spec.Out, spec.Args["VERSION"] = s.image("base-"+sum), "base", nil, version
	if err := parts.build(ctx, e, spec); err != nil {
		return "", fmt.Errorf("name the base of the stack: %w", err)
	}
	return version, nil
}

// build writes the parts to a directory and builds that.
func (ps parts) build(ctx context.Context, e appliance.Engine, spec appliance.BuildSpec) error {
	dir, err := os.MkdirTemp("", "berth-stack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := ps.write(dir); err != nil {
		return err
	}
	spec.Dir = dir
	_, err = e.Build(ctx, spec)
	return err
}

// look inspects an image that need not be there.
func look(ctx context.Context, e appliance.Engine, image appliance.Image) (info appliance.ImageInfo, there bool, err error) {
	info, err = e.Inspect(ctx, image)
	switch {
	case err == nil:
		return info, true, nil
	case errors.Is(err, appliance.ErrNotFound):
		return info, false, nil
	}
	return info, false, fmt.Errorf("look for %s: %w", image, err)
}

func say(out io.Writer, format string, args ...any) {
	if p, ok := out.(*progress.Writer); ok {
		p.Step(format, args...)
	}
}

// A hearing keeps the end of what is written through it.
type hearing struct {
	io.Writer
	text []byte
}

func (h *hearing) Write(b []byte) (int, error) {
	h.text = append(h.text, b...)
	if n := len(h.text) - 4<<10; n > 0 {
		h.text = h.text[n:]
	}
	return h.Writer.Write(b)
}
