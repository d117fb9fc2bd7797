package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"

	"github.com/berthhq/berth/appliance"
)

// "docker image prune -a" removes every image that no container is of, also
// one that never ran. So a pin is a container that is made, and never started:
// a few kilobytes, which "docker ps" does not show, and "docker ps -a" does.
// "docker container prune" and "docker system prune" remove pins too; Watch
// tells of it, and they are made again.

// Pin keeps these images of app, and none of those that it kept before.
func (e *Engine) Pin(ctx context.Context, app appliance.AppName, images ...appliance.Image) error {
	if app == "" {
		return errors.New("pin: no app given")
	}
	pins, err := e.pins(ctx, app)
	if err != nil {
		return err
	}
	errs := []error{e.unpin(ctx, pins, images)}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(images))) {
		// Docker names the image as we did for as long as that is its name.
		if pin, ok := pins[name]; !ok || pin.Image != string(name) {
			errs = append(errs, e.pin(ctx, app, name, pin))
		}
	}
	return errors.Join(errs...)
}

// pins returns the pins of an app by what they keep.
func (e *Engine) pins(ctx context.Context, app appliance.AppName) (map[appliance.Image]container.Summary, error) {
	found, err := e.api(ctx).ContainerList(ctx, container.ListOptions{All: true, Filters: e.find(kindPin, app)})
	if err != nil {
		return nil, explain("list pins", err)
	}
	pins := map[appliance.Image]container.Summary{}
	for _, c := range found {
		pins[appliance.Image(c.Labels[labelImage])] = c
	}
	return pins, nil
}

// unpin removes those of the pins that keep none of these images.
func (e *Engine) unpin(ctx context.Context, pins map[appliance.Image]container.Summary, images []appliance.Image) error {
	var ids []string
	for name, c := range pins {
		if !slices.Contains(images, name) {
			ids = append(ids, c.ID)
		}
	}
	return e.each(ids, func(id string) error { return e.tidy(ctx, id) })
}

// pin makes the pin of one image, or sees to it that the image has the name
// under which the pin keeps it: of an image with several names somebody may
// have removed one.
func (e *Engine) pin(ctx context.Context, app appliance.AppName, name appliance.Image, pin container.Summary) error {
	i, err := e.api(ctx).ImageInspect(ctx, string(name))
	if errdefs.IsNotFound(err) && pin.ID != "" {
		err = e.api(ctx).ImageTag(ctx, pin.ImageID, string(name))
	}
	switch {
	case errdefs.IsNotFound(err):
		if pin.ID != "" {
			return e.tidy(ctx, pin.ID) // what it was of was removed by force
		}
		return nil
	case err != nil:
		return explain("pin "+string(name), err)
	case pin.ID != "":
		return nil
	}
	_, err = e.create(ctx, e.pinName(app, name), pinConfig(e, app, name), pinHost(i))
	if errdefs.IsConflict(err) || errdefs.IsNotFound(err) {
		return nil // somebody else has made it, or the image is gone in this moment
	}
	return explain("pin "+string(name), err)
}

// pinName is the name that the pin of an image has.
func (e *Engine) pinName(app appliance.AppName, name appliance.Image) string {
	sum := sha256.Sum256([]byte(name))
	return e.networkName(app) + ".keeps." + hex.EncodeToString(sum[:6])
}

// pinConfig is of a container that could not even run by mistake.
func pinConfig(e *Engine, app appliance.AppName, name appliance.Image) *container.Config {
	labels := e.labels(kindPin, app)
	labels[labelImage] = string(name)
	return &container.Config{
		Image: string(name), Labels: labels,
		Entrypoint: []string{""}, Cmd: []string{"/berth-keeps-this-image"},
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
}

// pinHost gives the container none of the volumes that its image wants, which
// Docker would make, and fill, together with it.
func pinHost(i image.InspectResponse) *container.HostConfig {
	host := &container.HostConfig{NetworkMode: "none", LogConfig: container.LogConfig{Type: "none"}}
	if i.Config == nil {
		return host
	}
	for _, path := range slices.Sorted(maps.Keys(i.Config.Volumes)) {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeTmpfs, Target: path})
	}
	return host
}
