package docker

import (
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/berthhq/berth/appliance"
)

// stuckFor is how long a build may be at its limit of processes. Who asks for
// one more after that has a fork bomb, or will never get on.
const stuckFor = 3 * time.Second

// judge tells whether the build has left its fence.
func (g *guard) judge() *appliance.ExceededError {
	f := g.fence
	if f.Time > 0 && time.Since(g.began) > f.Time {
		return &appliance.ExceededError{Resource: appliance.Time, Limit: f.Time.String()}
	}
	if f.Free > 0 {
		if free, err := freeDisk(g.disk); err == nil && free < f.Free {
			return &appliance.ExceededError{Resource: appliance.Disk, Limit: megabytes(f.Free)}
		}
	}
	if f.Pids > 0 && g.isStuck() {
		return pidsExceeded(f)
	}
	return nil
}

// isStuck tells whether the build has been at its limit of processes for too
// long, and goes on asking for more.
func (g *guard) isStuck() bool {
	const gap = 5 * seldom // a busy machine asks less often
	now, refused, running := time.Now(), int64(0), int64(0)
	for _, w := range g.all {
		refused += w.refused
		if w.gone.IsZero() {
			running += w.pids()
		}
	}
	if refused > g.stuck.refused && running*10 >= g.fence.Pids*9 {
		if now.Sub(g.stuck.last) > gap {
			g.stuck.since = now
		}
		g.stuck.last = now
	}
	g.stuck.refused = refused
	return now.Sub(g.stuck.last) <= gap && now.Sub(g.stuck.since) > stuckFor
}

func memoryExceeded(f appliance.Fence) *appliance.ExceededError {
	return &appliance.ExceededError{Resource: appliance.Memory, Limit: megabytes(f.Memory)}
}

func pidsExceeded(f appliance.Fence) *appliance.ExceededError {
	return &appliance.ExceededError{Resource: appliance.Processes, Limit: strconv.FormatInt(f.Pids, 10)}
}

// freeDisk returns how many bytes are free on the disk of a directory.
func freeDisk(dir string) (int64, error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return 0, err
	}
	return int64(disk.Bavail) * disk.Bsize, nil
}

// megabytes writes a number of bytes as people would.
func megabytes(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GB", n>>30)
	}
	return fmt.Sprintf("%d MB", n>>20)
}
