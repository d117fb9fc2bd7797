package enginetest

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
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

// files is a file system: contents by path.
type files map[string]string

// A fakeImage is an image, or what is left of one that has lost its name to
// a newer one: then it is known by its id only.
type fakeImage struct {
	info  appliance.ImageInfo
	app   appliance.AppName
	env   []string
	files files
}

// AddImage makes an image that is there from the start, such as a stack.
func (f *Fake) AddImage(name appliance.Image, info appliance.ImageInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name(name, &fakeImage{info: info, files: files{}})
}

// name gives a new image its name. The caller holds mu.
func (f *Fake) name(name appliance.Image, i *fakeImage) {
	if f.images == nil {
		f.images = map[appliance.Image]*fakeImage{}
	}
	if i.info.ID == "" {
		i.info.ID = "sha256:" + newID()
	}
	if i.info.Size == 0 {
		i.info.Size = 1
	}
	if old := f.images[name]; old != nil {
		f.images[appliance.Image(old.info.ID)] = old
	}
	f.images[name] = i
}

// image finds an image by its name or its id. The caller holds mu.
func (f *Fake) image(name appliance.Image) (*fakeImage, error) {
	if i := f.images[name]; i != nil {
		return i, nil
	}
	for _, i := range f.images {
		if i.info.ID == string(name) {
			return i, nil
		}
	}
	return nil, fmt.Errorf("image %s: %w", name, appliance.ErrNotFound)
}

// Inspect tells what an image is.
func (f *Fake) Inspect(ctx context.Context, name appliance.Image) (appliance.ImageInfo, error) {
	if f.Fail != nil {
		if err := f.Fail("Inspect"); err != nil {
			return appliance.ImageInfo{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i, err := f.image(name)
	if err != nil {
		return appliance.ImageInfo{}, err
	}
	return i.info, nil
}

// Import makes an image named tag of a root file system.
func (f *Fake) Import(ctx context.Context, tag appliance.Image, rootfs io.Reader) error {
	if err := f.call("Import", string(tag)); err != nil {
		return err
	}
	c := &container{own: files{}}
	if err := c.unpack(rootfs, "/"); err != nil {
		return fmt.Errorf("import %s: %w", tag, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name(tag, &fakeImage{files: c.own})
	return nil
}

// Build makes an image of a directory with a Dockerfile. It knows as much of
// Dockerfiles as the suite does: FROM scratch or an image, RUN of the test
// program, COPY of a file, EXPOSE and CMD.
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
	image := &fakeImage{app: spec.App, files: files{}}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := f.step(ctx, spec.Out, root, image, line); err != nil {
			return "", err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name(spec.Tag, image)
	return spec.Tag, nil
}

// step does one line of a Dockerfile.
func (f *Fake) step(ctx context.Context, out io.Writer, root *os.Root, image *fakeImage, line string) error {
	fmt.Fprintln(out, line)
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "FROM":
		if rest == "scratch" {
			return nil
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		base, err := f.image(appliance.Image(rest))
		if err != nil {
			return err
		}
		image.info.Cmd, image.info.Entrypoint, image.info.Ports = base.info.Cmd, base.info.Entrypoint, slices.Clone(base.info.Ports)
		image.env, image.files = base.env, maps.Clone(base.files)
	case "EXPOSE":
		for port := range strings.FieldsSeq(rest) {
			if n, err := strconv.Atoi(strings.TrimSuffix(port, "/tcp")); err == nil {
				image.info.Ports = append(image.info.Ports, n)
			}
		}
		slices.Sort(image.info.Ports)
	case "CMD":
		image.info.Cmd = words(rest)
	case "COPY":
		from, to, _ := strings.Cut(rest, " ")
		content, err := root.ReadFile(from)
		if err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		image.files[path.Clean("/"+to)] = string(content)
	case "RUN":
		c := &container{own: image.files}
		status := simulate(ctx, simulation{args: words(rest), env: image.env, container: c, out: out})
		if ctx.Err() != nil {
			return fmt.Errorf("build: %w", ctx.Err())
		}
		if status != 0 {
			return fmt.Errorf("%s: exit status %d", line, status)
		}
	case "ENTRYPOINT":
		image.info.Entrypoint, image.info.Cmd = words(rest), nil
	case "ADD", "ARG", "ENV", "LABEL", "USER", "VOLUME", "WORKDIR":
	default:
		return fmt.Errorf("%w: unknown instruction: %s", appliance.ErrInvalid, verb)
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

// commit makes an image of what a run has left.
func (f *Fake) commit(c *container, from *fakeImage, spec appliance.RunSpec) {
	info := appliance.ImageInfo{Cmd: from.info.Cmd, Ports: from.info.Ports}
	if spec.Commit.Command != nil {
		info.Cmd = spec.Commit.Command
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name(spec.Commit.Tag, &fakeImage{
		info: info, app: spec.App, env: merge(from.env, spec.Commit.Env), files: maps.Clone(c.own),
	})
}

// Prune removes the app's images but for those in keep and those in use.
func (f *Fake) Prune(ctx context.Context, app appliance.AppName, keep ...appliance.Image) error {
	if err := f.call("Prune", string(app)); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	needed := map[*fakeImage]bool{}
	for _, name := range keep {
		if i, err := f.image(name); err == nil {
			needed[i] = true
		}
	}
	for _, p := range f.processes {
		needed[p.image] = true
	}
	maps.DeleteFunc(f.images, func(_ appliance.Image, i *fakeImage) bool { return i.app == app && !needed[i] })
	return nil
}

// A container is the file system that a process sees.
type container struct {
	own    files
	mounts map[string]files // volumes and tmpfs, by where they are
}

// container makes the file system of a new process. The caller holds mu.
func (f *Fake) container(image *fakeImage, app appliance.AppName, mounts []appliance.Mount, tmpfs []string) *container {
	c := &container{own: maps.Clone(image.files), mounts: map[string]files{}}
	for _, dir := range tmpfs {
		c.mounts[dir] = files{}
	}
	for _, m := range mounts {
		name := string(app) + "/" + m.Volume
		if f.volumes == nil {
			f.volumes = map[string]files{}
		}
		if f.volumes[name] == nil {
			f.volumes[name] = files{}
		}
		c.mounts[m.Path] = f.volumes[name]
	}
	return c
}

// at returns where the file of a path is.
func (c *container) at(name string) (files, string) {
	name = path.Clean("/" + name)
	for dir, mounted := range c.mounts {
		if strings.HasPrefix(name, dir+"/") {
			return mounted, strings.TrimPrefix(name, dir)
		}
	}
	return c.own, name
}

func (c *container) read(name string) (string, bool) {
	on, name := c.at(name)
	content, ok := on[name]
	return content, ok
}

func (c *container) write(name, content string) {
	on, name := c.at(name)
	on[name] = content
}

func (c *container) unpack(stream io.Reader, dir string) error {
	for r := tar.NewReader(stream); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg {
			c.write(path.Join("/", dir, h.Name), string(content))
		}
	}
}

// merge returns the environment env with the changes made.
func merge(env, changes []string) []string {
	m := map[string]string{}
	for _, kv := range slices.Concat(env, changes) {
		k, _, _ := strings.Cut(kv, "=")
		m[k] = kv
	}
	return slices.Sorted(maps.Values(m))
}
