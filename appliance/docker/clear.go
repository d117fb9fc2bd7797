package docker

import (
	"context"
	"errors"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"

	"github.com/berthhq/berth/appliance"
)

// Clear removes what is there of app for nothing: what runs have left, and
// images.
func (e *Engine) Clear(ctx context.Context, app appliance.AppName, keep ...appliance.Image) (freed appliance.Freed, err error) {
	before, err := e.imageBytes(ctx)
	if err != nil {
		return freed, err
	}
	var size int64
	freed.Containers, size, err = e.clearRuns(ctx, app)
	var pruneErr error
	freed.Images, pruneErr = e.prune(ctx, app, keep)
	if err = errors.Join(err, pruneErr); err != nil {
		return freed, err
	}
	after, err := e.imageBytes(ctx)
	freed.Bytes = size + max(0, before-after)
	return freed, err
}

// clearRuns removes the containers of runs that do not run and that no Run waits
// for, and returns how many there were and how many bytes they had.
func (e *Engine) clearRuns(ctx context.Context, app appliance.AppName) (removed int, size int64, err error) {
	found, err := e.api(ctx).ContainerList(ctx, container.ListOptions{All: true, Filters: e.find(kindRun, app)})
	if err != nil {
		return 0, 0, explain("list containers", err)
	}
	for _, c := range found {
		if c.Labels[labelApp] != string(app) || c.State == container.StateRunning || c.State == container.StatePaused || e.underWay(c.Names) {
			continue
		}
		if i, _, err := e.api(ctx).ContainerInspectWithRaw(ctx, c.ID, true); err == nil && i.SizeRw != nil {
			size += *i.SizeRw
		}
		if err := e.remove(ctx, c.ID); err != nil {
			return removed, size, err
		}
		removed++
	}
	return removed, size, nil
}

// imageBytes is how many bytes all images of Docker have together. What several
// of them share counts once.
func (e *Engine) imageBytes(ctx context.Context) (int64, error) {
	usage, err := e.api(ctx).DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.ImageObject}})
	return usage.LayersSize, explain("see what images take", err)
}
