package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
)

// Usage tells what the processes that run take.
func (e *Engine) Usage(ctx context.Context, app appliance.AppName) ([]appliance.Usage, error) {
	list, err := e.api(ctx).ContainerList(ctx, container.ListOptions{Filters: e.find(kindProcess, app)})
	if err != nil {
		return nil, explain("list processes", err)
	}
	found := make([]appliance.Usage, len(list))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, c := range list {
		group.Go(func() (err error) {
			found[i], err = e.usage(ctx, c.ID)
			found[i].App = appliance.AppName(c.Labels[labelApp])
			if errors.Is(err, appliance.ErrNotFound) {
				return nil // it has ended in between
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(u appliance.Usage) bool { return u.ID == "" }), nil
}

// usage asks the kernel, and Docker only where that cannot be seen: Docker counts
// once a second, and has everybody wait for that.
func (e *Engine) usage(ctx context.Context, id string) (appliance.Usage, error) {
	group := e.peaks.running(id)
	if group == nil {
		c, err := e.inspect(ctx, id)
		if err != nil {
			return appliance.Usage{}, err
		}
		e.count(ctx, c)
		group = e.peaks.running(id)
	}
	if group != nil {
		u := appliance.Usage{ID: id, CPU: group.cpuTime(), Memory: group.keptMemory(), At: time.Now()}
		if u.CPU > 0 && u.Memory > 0 {
			return u, nil
		}
	}
	return e.toldUsage(ctx, id)
}

func (e *Engine) toldUsage(ctx context.Context, id string) (u appliance.Usage, err error) {
	answer, err := e.api(ctx).ContainerStatsOneShot(ctx, id)
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return u, appliance.ErrNotFound
	}
	if err != nil {
		return u, explain("see what container "+short(id)+" takes", err)
	}
	defer answer.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		return u, fmt.Errorf("see what container %s takes: %w", short(id), err)
	}
	if stats.Read.IsZero() {
		return u, nil // it does not run any more
	}
	// What the kernel can drop at any moment is not counted, as in docker stats.
	cache := cmp.Or(stats.MemoryStats.Stats["total_inactive_file"], stats.MemoryStats.Stats["inactive_file"])
	return appliance.Usage{
		ID:     id,
		CPU:    time.Duration(stats.CPUStats.CPUUsage.TotalUsage),
		Memory: int64(stats.MemoryStats.Usage - min(cache, stats.MemoryStats.Usage)),
		At:     stats.Read,
	}, nil
}
