package docker

import (
	"context"
	"fmt"
	"syscall"

	"github.com/docker/docker/api/types/system"

	"github.com/berthhq/berth/appliance"
)

// Capacity tells what the machine has.
func (e *Engine) Capacity(ctx context.Context) (appliance.Capacity, error) {
	info, err := e.machine(ctx)
	if err != nil {
		return appliance.Capacity{}, err
	}
	available, err := availableMemory()
	if err != nil {
		return appliance.Capacity{}, err
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(info.DockerRootDir, &disk); err != nil {
		return appliance.Capacity{}, fmt.Errorf("look at the disk of %s: %w", info.DockerRootDir, err)
	}
	return appliance.Capacity{
		Memory: info.MemTotal, Available: min(available, info.MemTotal), CPUs: info.NCPU,
		Disk: int64(disk.Blocks) * disk.Bsize, Free: int64(disk.Bavail) * disk.Bsize,
	}, nil
}

// machine returns what Docker says of the machine. It is asked once: it counts
// all it has for an answer, and what is used of it here stays the same.
func (e *Engine) machine(ctx context.Context) (*system.Info, error) {
	if info := e.host.Load(); info != nil {
		return info, nil
	}
	info, err := e.api(ctx).Info(ctx)
	if err != nil {
		return nil, explain("ask docker what the machine has", err)
	}
	e.host.Store(&info)
	return &info, nil
}
