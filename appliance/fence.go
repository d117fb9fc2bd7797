package appliance

import (
	"fmt"
	"time"
)

// A Fence is what one build may take of the machine. Where a field is 0 there
// is no such limit.
type Fence struct {
	Memory int64         // bytes, of memory and swap together
	CPUs   float64       // of the machine's, at most
	Weight int           // of CPU time and disk traffic when there is not enough for all; an app's process has 1000
	Pids   int64         // processes and threads at once
	Free   int64         // bytes that must stay free on the disk that the engine builds on
	Time   time.Duration // from start to end
}

// A Resource is something that a fence limits.
type Resource string

// The resources that a build can want too much of.
const (
	Memory    Resource = "memory"
	Processes Resource = "processes"
	Disk      Resource = "disk"
	Time      Resource = "time"
)

// An ExceededError says that a build was ended because it wanted more of a
// resource than its fence allows.
type ExceededError struct {
	Resource Resource
	Limit    string // what was allowed, for people: "768 MB", "4096"
}

func (e *ExceededError) Error() string {
	switch e.Resource {
	case Disk:
		return fmt.Sprintf("the build was ended: less than %s were left free on the disk", e.Limit)
	case Time:
		return fmt.Sprintf("the build was ended: it took longer than %s", e.Limit)
	}
	return fmt.Sprintf("the build was ended: it wanted more %s than the %s that a build may have", e.Resource, e.Limit)
}

// A Capacity is what the machine has.
type Capacity struct {
	Memory    int64 // bytes
	Available int64 // bytes of memory that can be had without swapping
	CPUs      int
	Disk      int64 // bytes of the disk that the engine builds on
	Free      int64 // bytes of it that are free
}
