package docker

import (
	"context"
	"fmt"
	"syscall"

	"github.com/berthhq/berth/appliance"
)

// Capacity tells what the machine has.
func (e *Engine) Capacity(ctx context.Context) (appliance.Capacity, error) {
	info, err := e.docker.Info(ctx)
	if err != nil {
		return appliance.Capacity{}, explain("ask docker what the machine has", err)
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
