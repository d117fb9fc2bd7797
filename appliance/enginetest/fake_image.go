package enginetest

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
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

	checked bool // its health check is one that Build was told of
}

// AddImage makes an image that is there from the start, such as a stack.
func (f *Fake) AddImage(name appliance.Image, info appliance.ImageInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name(name, &fakeImage{info: info, env: info.Env, files: files{}})
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
	if err := f.refused("Inspect"); err != nil {
		return appliance.ImageInfo{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i, err := f.image(name)
	if err != nil {
		return appliance.ImageInfo{}, err
	}
	info := i.info
	info.Env = i.env
	return info, nil
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

// Load makes an image of app of its configuration and its layers.
func (f *Fake) Load(ctx context.Context, spec appliance.LoadSpec) error {
	if err := f.call("Load", string(spec.App)); err != nil {
		return err
	}
	var image struct {
		Config struct {
			Cmd, Entrypoint, Env []string
			Labels               map[string]string
		}
	}
	if err := json.Unmarshal(spec.Config, &image); err != nil {
		return fmt.Errorf("load %s: %w: %w", spec.Tag, appliance.ErrInvalid, err)
	}
	c := &container{own: files{}}
	for _, layer := range spec.Layers {
		content, err := layer.Open()
		if err != nil {
			return err
		}
		if err := errors.Join(c.unpack(content, "/"), content.Close()); err != nil {
			return fmt.Errorf("load %s: %w", spec.Tag, err)
		}
	}
	config := image.Config
	maps.DeleteFunc(config.Labels, func(name, _ string) bool { return strings.HasPrefix(name, "berth.") })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name(spec.Tag, &fakeImage{
		info: appliance.ImageInfo{Cmd: config.Cmd, Entrypoint: config.Entrypoint, Labels: config.Labels}, app: spec.App, env: config.Env, files: c.own,
	})
	return nil
}

// commit makes an image of what a run has left.
func (f *Fake) commit(c *container, from *fakeImage, spec appliance.RunSpec) {
	info := appliance.ImageInfo{Cmd: from.info.Cmd, Ports: from.info.Ports, Health: from.info.Health}
	if spec.Commit.Command != nil {
		info.Cmd = spec.Commit.Command
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name(spec.Commit.Tag, &fakeImage{
		info: info, app: spec.App, env: merge(from.env, spec.Commit.Env), files: maps.Clone(c.own),
	})
}

// Images lists the names of app's images.
func (f *Fake) Images(ctx context.Context, app appliance.AppName) ([]appliance.Image, error) {
	if err := f.call("Images", string(app)); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []appliance.Image
	for name, i := range f.images {
		if i.app == app && !strings.HasPrefix(string(name), "sha256:") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Prune removes the app's images but for those in keep and those in use.
func (f *Fake) Prune(ctx context.Context, app appliance.AppName, keep ...appliance.Image) error {
	if err := f.call("Prune", string(app)); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prune(app, keep)
	return nil
}

// Clear is Prune: of a run that has ended nothing is left here.
func (f *Fake) Clear(ctx context.Context, app appliance.AppName, keep ...appliance.Image) (appliance.Freed, error) {
	if err := f.call("Clear", string(app)); err != nil {
		return appliance.Freed{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.prune(app, keep), nil
}

// prune does it; the caller holds mu.
func (f *Fake) prune(app appliance.AppName, keep []appliance.Image) (freed appliance.Freed) {
	needed := map[*fakeImage]bool{}
	for _, name := range keep {
		if i, err := f.image(name); err == nil {
			needed[i] = true
		}
	}
	for _, p := range f.processes {
		needed[p.image] = true
	}
	maps.DeleteFunc(f.pins[app], func(_ appliance.Image, i *fakeImage) bool { return !needed[i] })
	gone := map[*fakeImage]bool{}
	maps.DeleteFunc(f.images, func(_ appliance.Image, i *fakeImage) bool {
		if i.app != app || needed[i] {
			return false
		}
		if !gone[i] {
			gone[i] = true
			freed.Images++
			freed.Bytes += i.info.Size
		}
		return true
	})
	return freed
}

// RemoveVolumes removes volumes of app.
func (f *Fake) RemoveVolumes(ctx context.Context, app appliance.AppName, volumes ...string) (removed []string, err error) {
	if err := f.call("RemoveVolumes", string(app)); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, volume := range volumes {
		name := string(app) + "/" + volume
		switch {
		case f.volumes[name] == nil:
		case f.mounted(app, volume):
			err = errors.Join(err, fmt.Errorf("volume %s of %s: %w", volume, app, appliance.ErrBusy))
		default:
			delete(f.volumes, name)
			removed = append(removed, volume)
		}
	}
	return removed, err
}

// mounted tells whether a process has a volume; the caller holds mu.
func (f *Fake) mounted(app appliance.AppName, volume string) bool {
	return slices.ContainsFunc(f.processes, func(p *fakeProcess) bool {
		return p.App == app && slices.ContainsFunc(p.spec.Mounts, func(m appliance.Mount) bool { return m.Volume == volume })
	})
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
