package enginetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// A fakeBuild is a build under way. It knows as much of Dockerfiles as the
// suite does.
type fakeBuild struct {
	fake   *Fake
	spec   appliance.BuildSpec
	root   *os.Root
	image  *fakeImage            // of the stage that is being built
	stage  string                // its name
	stages map[string]*fakeImage // those before it
}

// Build makes an image of a directory with a Dockerfile.
func (f *Fake) Build(ctx context.Context, spec appliance.BuildSpec) (appliance.Image, error) {
	f.mu.Lock()
	f.built = append(f.built, spec)
	f.mu.Unlock()
	if err := f.call("Build", string(spec.App)); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(spec.Dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	name := spec.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	content, err := root.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("%w: the Dockerfile cannot be read: %w", appliance.ErrInvalid, err)
	}
	if spec.Out == nil {
		spec.Out = io.Discard
	}
	b := &fakeBuild{fake: f, spec: spec, root: root, stages: map[string]*fakeImage{}}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.HasPrefix(line, "FROM ") && b.stage != "" && b.stage == spec.Target {
			break
		}
		if err := b.step(ctx, line); err != nil {
			return "", err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name(spec.Tag, b.image)
	return spec.Tag, nil
}

// step does one line of a Dockerfile.
func (b *fakeBuild) step(ctx context.Context, line string) error {
	fmt.Fprintln(b.spec.Out, line)
	verb, rest, _ := strings.Cut(line, " ")
	if b.image == nil && verb != "FROM" && verb != "ARG" {
		return fmt.Errorf("%w: no FROM before %s", appliance.ErrInvalid, verb)
	}
	switch verb {
	case "FROM":
		return b.from(rest)
	case "EXPOSE":
		for port := range strings.FieldsSeq(rest) {
			if n, err := strconv.Atoi(strings.TrimSuffix(port, "/tcp")); err == nil {
				b.image.info.Ports = append(b.image.info.Ports, n)
			}
		}
		slices.Sort(b.image.info.Ports)
	case "CMD":
		b.image.info.Cmd = words(rest)
	case "ENTRYPOINT":
		b.image.info.Entrypoint, b.image.info.Cmd = words(rest), nil
	case "ENV":
		b.image.env = merge(b.image.env, []string{rest})
	case "LABEL":
		k, v, _ := strings.Cut(rest, "=")
		b.image.info.Labels = maps.Clone(b.image.info.Labels)
		if b.image.info.Labels == nil {
			b.image.info.Labels = map[string]string{}
		}
		b.image.info.Labels[k] = v
	case "HEALTHCHECK":
		b.image.info.Health = rest != "NONE"
		b.image.checked = b.image.info.Health
	case "COPY":
		from, to, _ := strings.Cut(rest, " ")
		content, err := b.root.ReadFile(from)
		if err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		b.image.files[path.Clean("/"+to)] = string(content)
	case "RUN":
		return b.run(ctx, line, rest)
	case "ADD", "ARG", "USER", "VOLUME", "WORKDIR":
	default:
		return fmt.Errorf("%w: unknown instruction: %s", appliance.ErrInvalid, verb)
	}
	return nil
}

// from begins a stage.
func (b *fakeBuild) from(rest string) error {
	name, stage, _ := strings.Cut(rest, " AS ")
	if b.stage != "" {
		b.stages[b.stage] = b.image
	}
	b.stage, b.image = stage, &fakeImage{app: b.spec.App, files: files{}}
	if name == "scratch" {
		return nil
	}
	base := b.stages[name]
	if base == nil {
		b.fake.mu.Lock()
		defer b.fake.mu.Unlock()
		var err error
		if base, err = b.fake.fetch(appliance.Image(name), b.spec.Logins); err != nil {
			return err
		}
	}
	b.image.info = base.info
	b.image.info.ID, b.image.info.Ports = "", slices.Clone(base.info.Ports)
	b.image.env, b.image.files, b.image.checked = base.env, maps.Clone(base.files), base.checked
	return nil
}

// run does a RUN, with a secret if it asks for one.
func (b *fakeBuild) run(ctx context.Context, line, rest string) error {
	c := &container{own: b.image.files, mounts: map[string]files{}}
	if mount, ok := strings.CutPrefix(rest, "--mount=type=secret,id="); ok {
		id, command, _ := strings.Cut(mount, " ")
		rest = command
		if secret, ok := b.spec.Secrets[id]; ok {
			c.mounts["/run/secrets"] = files{"/" + id: string(secret)}
		}
	}
	result, err := simulateWithin(ctx, simulation{
		args: words(rest), env: b.image.env, container: c, out: b.spec.Out,
	}, b.spec.Fence)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("build: %w", ctx.Err())
	case err != nil:
		return err
	case result.Status != 0:
		return fmt.Errorf("%s: exit status %d", line, result.Status)
	}
	return nil
}

// words reads a command in either form of a Dockerfile.
func words(s string) []string {
	var list []string
	if json.Unmarshal([]byte(s), &list) == nil {
		return list
	}
	return []string{"/bin/sh", "-c", s}
}
