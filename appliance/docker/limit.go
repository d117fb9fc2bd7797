package docker

import (
	"strconv"

	"github.com/berthhq/berth/appliance"
)

// cpuPeriod is the time in which a cgroup may use its quota, in microseconds:
// the kernel's default.
const cpuPeriod = 100_000

// limit sets the limits of a fence. What the kernel does not know is left out:
// no kernel is without limits for memory and pids where Docker runs well.
func (g *cgroup) limit(f appliance.Fence) {
	if f.Memory > 0 {
		g.limitMemory(strconv.FormatInt(f.Memory, 10))
	}
	if f.Pids > 0 {
		g.write("pids", "pids.max", strconv.FormatInt(f.Pids, 10))
	}
	if f.CPUs > 0 {
		quota := strconv.FormatInt(max(1000, int64(f.CPUs*cpuPeriod)), 10) // 1 ms is the kernel's least
		if g.unified {
			g.write("cpu", "cpu.max", quota+" "+strconv.Itoa(cpuPeriod))
		} else {
			g.write("cpu", "cpu.cfs_quota_us", quota) // the period is the default
		}
	}
	if f.Weight > 0 {
		g.weigh(f.Weight)
	}
}

// limitMemory sets the limit of memory and swap together. Where the kernel
// does not count swap, as Debian's with cgroups of version 1, it is that of
// memory alone.
func (g *cgroup) limitMemory(bytes string) {
	if g.unified {
		g.write("memory", "memory.swap.max", "0")
		g.write("memory", "memory.max", bytes)
		return
	}
	// The limit of both must never be below that of memory, so whether the
	// limit goes up or down decides which of them is first.
	const alone, both = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
	if !g.write("memory", alone, bytes) {
		g.write("memory", both, bytes)
		g.write("memory", alone, bytes)
		return
	}
	g.write("memory", both, bytes)
}

// weigh sets the share of CPU time and disk traffic when there is not enough
// for all. An app's process has 1000, which is the kernel's default.
func (g *cgroup) weigh(weight int) {
	if g.unified {
		share := strconv.Itoa(max(1, weight/10)) // the default is 100
		g.write("cpu", "cpu.weight", share)
		g.write("blkio", "io.weight", "default "+share)
		g.write("blkio", "io.bfq.weight", share)
		return
	}
	g.write("cpu", "cpu.shares", strconv.Itoa(max(2, weight*1024/1000)))
	g.write("blkio", "blkio.weight", strconv.Itoa(max(10, weight/2)))     // the default is 500
	g.write("blkio", "blkio.bfq.weight", strconv.Itoa(max(1, weight/10))) // the default is 100
}

// share gives several cgroups together what one fence allows. What none of
// them has yet is divided again and again, so the sum of all limits is never
// more than the whole.
func share(f appliance.Fence, groups []*cgroup) {
	n := int64(len(groups))
	if n == 0 {
		return
	}
	memory, pids := make([]int64, n), make([]int64, n)
	freeMemory, freePids := f.Memory, f.Pids
	for i, g := range groups {
		if n > 1 { // one alone has all of it
			memory[i], pids[i] = g.memory(), g.pids()
		}
		freeMemory -= memory[i]
		freePids -= pids[i]
	}
	for i, g := range groups {
		part := f
		part.CPUs = f.CPUs / float64(n)
		if f.Memory > 0 {
			part.Memory = memory[i] + max(0, freeMemory/n)
		}
		if f.Pids > 0 {
			part.Pids = pids[i] + max(0, freePids/n)
		}
		g.limit(part)
	}
}
