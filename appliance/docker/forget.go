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
	// BuildKit holds what a build was using for a moment longer; what other
	// builds use just now stays.
	for range 3 {
		used, err := e.forgetUnused(ctx, since)
		if err != nil || !used {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return nil
}

// forgetUnused is one attempt, and tells whether something was in use.
func (e *Engine) forgetUnused(ctx context.Context, since time.Time) (used bool, err error) {
	usage, err := e.api(ctx).DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.BuildCacheObject}})
	if err != nil {
		return false, explain("see what the build has left", err)
	}
	// The newest first: what stands on something else goes before it.
	slices.SortFunc(usage.BuildCache, func(a, b *build.CacheRecord) int { return b.CreatedAt.Compare(a.CreatedAt) })
	for _, r := range usage.BuildCache {
		if r.CreatedAt.Before(since) {
			break
		}
		if r.InUse {
			used = true
			continue
		}
		_, err := e.api(ctx).BuildCachePrune(ctx, build.CachePruneOptions{
			All: true, Filters: filters.NewArgs(filters.Arg("id", r.ID)),
		})
		if err != nil {
			return false, explain("remove what the build has left", err)
		}
	}
	return used, nil
}
