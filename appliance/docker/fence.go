package docker

import (
	"context"
	"path/filepath"

	"github.com/docker/docker/api/types/container"

	"github.com/berthhq/berth/appliance"
)

// fence has Docker set what it can of a fence, for a container.
func (e *Engine) fence(host *container.HostConfig, f appliance.Fence) {
	if f.Memory > 0 {
		host.Memory, host.MemorySwap = f.Memory, f.Memory
	}
	if f.Pids > 0 {
		host.PidsLimit = &f.Pids
	}
	if f.CPUs > 0 {
		host.CPUPeriod, host.CPUQuota = cpuPeriod, int64(f.CPUs*cpuPeriod)
	}
	if f.Weight > 0 {
		host.CPUShares = max(2, int64(f.Weight)*1024/1000)
		// A container with a weight for a disk of which the kernel knows
		// none does not start in version 2.
		if known, _ := filepath.Glob(filepath.Join(cgroups.root, "*", "io*.weight")); len(known) > 0 || !cgroups.unified() {
			host.BlkioWeight = uint16(min(1000, max(10, f.Weight/2)))
		}
	}
}

// fenceRun watches over a container until stop is called. The context that it
// returns ends when the container has left its fence.
func (e *Engine) fenceRun(ctx context.Context, id string, f appliance.Fence) (context.Context, stopGuard, error) {
	var group []*watched
	return e.fenced(ctx, f, &guard{find: func() []*watched {
		if group != nil {
			return group
		}
		c, err := e.api(ctx).ContainerInspect(ctx, id)
		if err != nil || c.State == nil || c.State.Pid == 0 {
			return nil // it has not started, or it has ended
		}
		if g, err := cgroups.of(c.State.Pid); err == nil {
			group = []*watched{{cgroup: g}}
		}
		return group
	}})
}

// fenceBuild watches over a build of BuildKit's as fenceRun does over a
// container, and sets the limits too.
func (e *Engine) fenceBuild(ctx context.Context, m mark, f appliance.Fence) (context.Context, stopGuard, error) {
	root, err := e.dockerRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	if f == (appliance.Fence{}) {
		return e.fenced(ctx, f, nil)
	}
	s := newSteps(root, m, f.Weight)
	return e.fenced(ctx, f, &guard{
		limits: true, find: s.find, busy: func() bool { return s.half }, news: newsOf(s.dir),
	})
}

// A stopGuard ends the watching over a build, and tells by what it has left
// its fence if it has failed.
type stopGuard func(failed bool) *appliance.ExceededError

func (e *Engine) fenced(ctx context.Context, f appliance.Fence, g *guard) (context.Context, stopGuard, error) {
	if f == (appliance.Fence{}) {
		return ctx, func(bool) *appliance.ExceededError { return nil }, nil
	}
	root, err := e.dockerRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	g.fence, g.disk = f, root
	return g.start(ctx), g.stop, nil
}

// dockerRoot returns Docker's directory.
func (e *Engine) dockerRoot(ctx context.Context) (string, error) {
	info, err := e.machine(ctx)
	if err != nil {
		return "", err
	}
	return info.DockerRootDir, nil
}
