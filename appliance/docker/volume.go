package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/berthhq/berth/appliance"
)

// RemoveVolumes removes volumes of app, and returns those that there were.
func (e *Engine) RemoveVolumes(ctx context.Context, app appliance.AppName, volumes ...string) (removed []string, err error) {
	if app == "" {
		return nil, errors.New("remove volumes: no app given")
	}
	for _, volume := range volumes {
		there, removeErr := e.removeVolume(ctx, app, e.networkName(app)+"."+volume)
		if removeErr != nil {
			err = errors.Join(err, fmt.Errorf("volume %s of %s: %w", volume, app, removeErr))
		} else if there {
			removed = append(removed, volume)
		}
	}
	return removed, err
}

// removeVolume removes one, if it is ours. It waits until the runs that have
// ended are removed, which hold it until then.
func (e *Engine) removeVolume(ctx context.Context, app appliance.AppName, name string) (there bool, err error) {
	v, err := e.api(ctx).VolumeInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err == nil && (v.Labels[labelInstance] != e.instance || v.Labels[labelKind] != kindVolume || v.Labels[labelApp] != string(app)) {
		err = errors.New("it is not ours")
	}
	if err != nil {
		return false, err
	}
	waiting, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	for {
		err := e.api(ctx).VolumeRemove(ctx, name, false)
		if !errdefs.IsConflict(err) {
			if errdefs.IsNotFound(err) {
				err = nil
			}
			return err == nil, explain("remove", err)
		}
		busy, err := e.holds(ctx, name)
		if err != nil {
			return false, err
		}
		if busy {
			return false, appliance.ErrBusy
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-waiting.Done():
			return false, appliance.ErrBusy
		}
	}
}

// holds tells whether something has a volume that is not about to be removed.
// Of the runs that we have lost sight of, those that have ended are removed.
func (e *Engine) holds(ctx context.Context, volume string) (bool, error) {
	found, err := e.api(ctx).ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("volume", volume))})
	if err != nil {
		return false, explain("list containers", err)
	}
	for _, c := range found {
		if c.Labels[labelInstance] != e.instance || c.Labels[labelKind] != kindRun || c.State == container.StateRunning {
			return true, nil
		}
		if e.underWay(c.Names) {
			continue // it is removed, or started, in a moment
		}
		if err := e.remove(ctx, c.ID); err != nil {
			return false, err
		}
	}
	return false, nil
}

// underWay tells whether a container is of a Run that has not returned yet, or
// that is still being removed.
func (e *Engine) underWay(names []string) bool {
	for _, name := range names {
		if _, ok := e.runs.Load(name[min(1, len(name)):]); ok { // Docker has a slash before it
			return true
		}
	}
	return false
}
