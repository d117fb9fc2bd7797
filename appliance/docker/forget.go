package docker

import (
	"context"
	"slices"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
)

// forget removes what BuildKit has cached since a moment. The step that fills
// the disk leaves nothing when it is ended, but those before it do, and when
// the disk is full that is too much.
func (e *Engine) forget(ctx context.Context, since time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	usage, err := e.docker.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.BuildCacheObject}})
	if err != nil {
		return explain("see what the build has left", err)
	}
	// The newest first: what stands on something else goes before it.
	slices.SortFunc(usage.BuildCache, func(a, b *build.CacheRecord) int { return b.CreatedAt.Compare(a.CreatedAt) })
	for _, r := range usage.BuildCache {
		if r.InUse || r.CreatedAt.Before(since) {
			continue
		}
		_, err := e.docker.BuildCachePrune(ctx, build.CachePruneOptions{
			All: true, Filters: filters.NewArgs(filters.Arg("id", r.ID)),
		})
		if err != nil {
			return explain("remove what the build has left", err)
		}
	}
	return nil
}
