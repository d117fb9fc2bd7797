package docker

import (
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
)

// What the tests of this package look at from inside.
var (
	FreeSubnet    = freeSubnet
	ParseAddrPort = parseAddrPort
	OutOfMemory   = (*Engine).outOfMemory
)

// Limit puts a fence on a cgroup of a hierarchy.
func Limit(root, path string, f appliance.Fence) {
	hierarchy{root}.cgroup(func(string) string { return path }).limit(f)
}

// Share gives cgroups of a hierarchy together what a fence allows.
func Share(root string, paths []string, f appliance.Fence) {
	var groups []*cgroup
	for _, path := range paths {
		groups = append(groups, hierarchy{root}.cgroup(func(string) string { return path }))
	}
	share(f, groups)
}

// A Mark is the mark of a build.
type Mark struct{ mark }

// NewMark makes one.
func NewMark(id string) Mark { return Mark{newMark(id)} }

// Close gives it up.
func (m Mark) Close() { m.close() }

// A Steps is the steps of a build.
type Steps struct{ *steps }

// NewSteps returns those of a build in Docker's directory.
func NewSteps(root string, m Mark) Steps { return Steps{newSteps(root, m.mark, 0)} }

// Find returns where their cgroups are.
func (s Steps) Find() []string {
	var found []string
	for _, w := range s.find() {
		found = append(found, w.dirs["memory"])
	}
	return found
}

// StepPath returns where the cgroup of a step is, by the path that BuildKit
// has given to runc.
func StepPath(path, pidfile string) string {
	s := steps{pidfile: pidfile}
	return strings.TrimSuffix(s.path(path)("memory"), "/")
}

// Used returns what a cgroup of a hierarchy has used, and uses.
func Used(root, path string) (cpu time.Duration, memory int64) {
	g := hierarchy{root}.cgroup(func(string) string { return path })
	return g.cpuTime(), g.keptMemory()
}

// Tallied returns the peak of what has a cgroup of a hierarchy, looked at before
// and after each step.
func Tallied(root, path string, steps ...func()) (peak int64, open bool) {
	var p peaks
	defer p.close()
	p.enrol("x", hierarchy{root}.cgroup(func(string) string { return path }))
	for _, step := range steps {
		step()
		p.mu.Lock()
		p.of["x"].look()
		p.mu.Unlock()
	}
	return p.last("x")
}

// Below is how a cgroup's path is seen from where its hierarchy is mounted.
var Below = below
