package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"

	"github.com/berthhq/berth/appliance"
)

// Docker pushes an image by the name that it has here. With the name of a
// registry, builds of every app would find it and need no login, so it has that
// only while it is pushed. An empty volume, made before, tells whoever comes
// after our end by kill -9 which name to take back.

// borrow gives an image a registry's name until back is called.
func (e *Engine) borrow(ctx context.Context, from, name appliance.Image) (back func() error, err error) {
	if _, busy := e.borrowed.LoadOrStore(name, true); busy {
		return nil, errors.New("another push goes there right now; try again when it has ended")
	}
	free := func() { e.borrowed.Delete(name) }
	v, err := e.lend(ctx, from, name)
	if err != nil {
		free()
		return nil, err
	}
	back = func() error {
		defer free()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
		defer cancel()
		return e.giveBack(ctx, v)
	}
	if err := e.api(ctx).ImageTag(ctx, string(from), string(name)); err != nil {
		return nil, errors.Join(err, back())
	}
	return back, nil
}

// lend makes the volume that says what is to be undone.
func (e *Engine) lend(ctx context.Context, from, name appliance.Image) (volume.Volume, error) {
	sum := sha256.Sum256([]byte(name))
	labels := e.labels(kindBorrowed, "")
	create := volume.CreateOptions{Name: e.instance + ".pushes." + hex.EncodeToString(sum[:6]), Labels: labels}
	left, err := e.api(ctx).VolumeInspect(ctx, create.Name)
	if err == nil {
		err = e.giveBack(ctx, left)
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return volume.Volume{}, err
	}
	i, err := e.api(ctx).ImageInspect(ctx, string(from))
	if err != nil {
		return volume.Volume{}, err
	}
	before, err := e.api(ctx).ImageInspect(ctx, string(name))
	if err != nil && !errdefs.IsNotFound(err) {
		return volume.Volume{}, err
	}
	labels[labelImage], labels[labelBorrower], labels[labelOwner] = string(name), i.ID, before.ID
	return e.api(ctx).VolumeCreate(ctx, create)
}

// giveBack takes the name from the image that has borrowed it. Whoever had it
// before has it again.
func (e *Engine) giveBack(ctx context.Context, v volume.Volume) error {
	if v.Labels[labelInstance] != e.instance || v.Labels[labelKind] != kindBorrowed {
		return fmt.Errorf("the volume %s is not ours", v.Name)
	}
	name, owner := v.Labels[labelImage], v.Labels[labelOwner]
	i, err := e.api(ctx).ImageInspect(ctx, name)
	if err == nil && i.ID == v.Labels[labelBorrower] { // else somebody has taken or moved it
		if owner != "" {
			err = e.api(ctx).ImageTag(ctx, owner, name)
		}
		if owner == "" || errdefs.IsNotFound(err) {
			_, err = e.api(ctx).ImageRemove(ctx, name, image.RemoveOptions{})
		}
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return err // the volume stays, so that this is tried again
	}
	if err := e.api(ctx).VolumeRemove(ctx, v.Name, true); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

// giveAllBack takes back the names that nobody pushes by any more.
func (e *Engine) giveAllBack(ctx context.Context) error {
	found, err := e.api(ctx).VolumeList(ctx, volume.ListOptions{Filters: e.find(kindBorrowed, "")})
	if err != nil {
		return explain("list volumes", err)
	}
	var errs []error
	for _, v := range found.Volumes {
		name := appliance.Image(v.Labels[labelImage])
		if _, busy := e.borrowed.LoadOrStore(name, true); busy {
			continue
		}
		// An image that runs, and has no other name, keeps it until it has one.
		if err := e.giveBack(ctx, *v); !errdefs.IsConflict(err) {
			errs = append(errs, explain("take back the name "+string(name), err))
		}
		e.borrowed.Delete(name)
	}
	return errors.Join(errs...)
}
