package docker

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/berthhq/berth/appliance"
)

// Sweep removes what runs that began before a moment have left, and the names
// that pushes have.
func (e *Engine) Sweep(ctx context.Context, before time.Time) error {
	return errors.Join(e.removeContainers(ctx, kindRun, "", before), e.giveAllBack(ctx))
}

// Destroy removes all there is of app.
func (e *Engine) Destroy(ctx context.Context, app appliance.AppName) error {
	if app == "" {
		return errors.New("destroy: no app given") // "" would find every app's
	}
	return e.destroy(ctx, app)
}

// Purge removes all there is of the instance, of every app and of the
// appliance itself.
func (e *Engine) Purge(ctx context.Context) error {
	return errors.Join(e.giveAllBack(ctx), e.destroy(ctx, ""))
}

func (e *Engine) destroy(ctx context.Context, app appliance.AppName) error {
	removeImages := func() error {
		_, err := e.removeImages(ctx, app, func(image.Summary) bool { return true })
		return err
	}
	// In this order: each is held by those before it.
	return errors.Join(
		e.removeContainers(ctx, kindProcess, app, time.Time{}),
		e.removeContainers(ctx, kindRun, app, time.Time{}),
		e.removeContainers(ctx, kindPin, app, time.Time{}),
		e.removeContainers(ctx, kindDetached, app, time.Time{}),
		e.removeNetworks(ctx, app),
		e.removeVolumes(ctx, app),
		removeImages(),
	)
}

// removeContainers removes containers of a kind: those made before a moment,
// or all of them if that is zero.
func (e *Engine) removeContainers(ctx context.Context, kind string, app appliance.AppName, before time.Time) error {
	found, err := e.api(ctx).ContainerList(ctx, container.ListOptions{All: true, Filters: e.find(kind, app)})
	if err != nil {
		return explain("list containers", err)
	}
	var ids []string
	for _, c := range found {
		ids = append(ids, c.ID)
	}
	return e.each(ids, func(id string) error {
		if before.IsZero() {
			return e.remove(ctx, id)
		}
		c, err := e.inspect(ctx, id) // the list has only whole seconds
		if errors.Is(err, appliance.ErrNotFound) {
			return nil
		}
		if err != nil || !moment(c.Created).Before(before) {
			return err
		}
		return e.remove(ctx, id)
	})
}

func (e *Engine) removeNetworks(ctx context.Context, app appliance.AppName) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, err := e.api(ctx).NetworkList(ctx, network.ListOptions{Filters: e.find(kindNetwork, app)})
	if err != nil {
		return explain("list networks", err)
	}
	var errs []error
	for _, n := range found {
		if err := e.api(ctx).NetworkRemove(ctx, n.ID); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, explain("remove network "+n.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) removeVolumes(ctx context.Context, app appliance.AppName) error {
	found, err := e.api(ctx).VolumeList(ctx, volume.ListOptions{Filters: e.find(kindVolume, app)})
	if err != nil {
		return explain("list volumes", err)
	}
	var errs []error
	for _, v := range found.Volumes {
		if err := e.api(ctx).VolumeRemove(ctx, v.Name, true); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, explain("remove volume "+v.Name, err))
		}
	}
	return errors.Join(errs...)
}
