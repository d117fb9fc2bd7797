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
	base, err := s.findBase(ctx, e)
	if err != nil {
		return "", err
	}
	if base.version == "" {
		if base.version, err = s.buildBase(ctx, e, base, out); err != nil {
			return "", err
		}
	}
	tag, parts, err := s.on(base)
	if err != nil {
		return "", err
	}
	if _, there, err := look(ctx, e, tag); err != nil || there {
		return tag, err
	}
	say(out, "Making the stack %s", tag)
	err = parts.build(ctx, e, appliance.BuildSpec{
		Tag: tag, Args: map[string]string{"BASE": string(base.image), "VERSION": base.version}, Out: out, Logins: s.Logins,
		Fresh: s.Base != "" && s.Edition != "",
	})
	if err != nil && s.Base != "" {
		return "", appliance.WithHint(fmt.Errorf("build the stack on %s: %w", s.Base, err),
			"the lines above say why; stack:set takes another image of a registry, or "+OwnStack+" for this machine's own")
	}
	if err != nil {
		return "", fmt.Errorf("build the stack: %w", err)
	}
	return tag, nil
}

// Images returns the names of what Ensure has made, and would use.
func (s Stack) Images(ctx context.Context, e appliance.Engine) ([]appliance.Image, error) {
	base, err := s.findBase(ctx, e)
	if errors.Is(err, appliance.ErrNotFound) || err == nil && base.version == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tag, _, err := s.on(base)
	if s.Base != "" {
		return []appliance.Image{tag}, err
	}
	return []appliance.Image{tag, base.image, base.packages}, err
}

// A base is what a stack stands on.
type base struct {
	image    appliance.Image
	id       string          // with version, names its content
	version  string          // what people call it; "" if it is still to be built
	packages appliance.Image // another name of it, while it was built; "" if it is somebody else's
	parts    parts           // what it is built of
}

func (s Stack) findBase(ctx context.Context, e appliance.Engine) (base, error) {
	if s.Base != "" {
		info, _, err := look(ctx, e, s.Base) // the build fetches it if need be
		return base{image: s.Base, id: info.ID + " " + s.Edition, version: string(s.Base)}, err
	}
	debian, there, err := look(ctx, e, s.BaseImage())
	if err != nil {
		return base{}, err
	}
	if !there {
		return base{}, appliance.WithHint(fmt.Errorf("the base image %s is missing: %w", s.BaseImage(), appliance.ErrNotFound),
			"run bootstrap.sh again: it makes the base image")
	}
	parts, err := s.baseParts()
	if err != nil {
		return base{}, fmt.Errorf("put the stack together: %w", err)
	}
	sum, err := parts.without("ca").hash(debian.ID + " " + s.Edition)
	if err != nil {
		return base{}, fmt.Errorf("put the stack together: %w", err)
	}
	b := base{image: s.image("base-" + sum), packages: s.image("packages-" + sum), parts: parts}
	info, _, err := look(ctx, e, b.image)
	b.version = info.Labels[StackVersion]
	return b, err
}

// on returns the name of the stack on a base, and what it is built of.
func (s Stack) on(b base) (appliance.Image, parts, error) {
	parts, err := s.parts()
	if err != nil {
		return "", nil, fmt.Errorf("put the stack together: %w", err)
	}
	sum, err := parts.hash(b.id + b.version)
	if err != nil {
		return "", nil, fmt.Errorf("put the stack together: %w", err)
	}
	return s.image(fmt.Sprintf("%.60s-%s", notInTags.ReplaceAllString(b.version, "-"), sum)), parts, nil
}

var notInTags = regexp.MustCompile(`[^A-Za-z0-9_.]+`)

func (s Stack) image(tag string) appliance.Image {
	return appliance.Image(s.Instance + "/stack:" + tag)
}

var versionLine = regexp.MustCompile(`\bdebian-[0-9][0-9.]*-[0-9]{8}-[0-9a-f]{8}\b`)

// buildBase builds this machine's own base, and returns what it calls itself.
// That is known only when all is there, so it is built twice, the second time
// of what the first has left in the cache.
func (s Stack) buildBase(ctx context.Context, e appliance.Engine, b base, out io.Writer) (string, error) {
	say(out, "Installing the packages of the stack: a minute or two")
	heard := &hearing{Writer: out}
	spec := appliance.BuildSpec{
		Tag: b.packages, Target: "said", Out: heard,
		Args: map[string]string{"BASE": string(s.BaseImage()), "EDITION": s.Edition, "NOW": time.Now().Format(time.RFC3339Nano)},
	}
	if err := b.parts.build(ctx, e, spec); err != nil {
		return "", fmt.Errorf("build the base of the stack: %w", err)
	}
	version := string(versionLine.Find(heard.text))
	if version == "" {
		return "", errors.New("build the base of the stack: it does not say what it is")
	}
	delete(spec.Args, "NOW")
	spec.Tag, spec.Target, spec.Out, spec.Args["VERSION"] = b.image, "base", nil, version
	if err := b.parts.build(ctx, e, spec); err != nil {
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
