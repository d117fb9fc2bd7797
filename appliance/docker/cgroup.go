package docker

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroups is where Linux shows its control groups, as Docker wants it too.
var cgroups = hierarchy{root: "/sys/fs/cgroup"}

// A hierarchy is the control groups of a machine. Version 1 has a tree of them
// for each controller, version 2 one for all.
type hierarchy struct{ root string }

func (h hierarchy) unified() bool {
	_, err := os.Stat(filepath.Join(h.root, "cgroup.controllers"))
	return err == nil
}

// The controllers that a fence uses, and the one that counts, as version 1 names
// them.
var controllers = []string{"memory", "cpu", "pids", "blkio", "cpuacct"}

// A cgroup is what the kernel counts and limits together: the processes of one
// container, or of one step of a build.
type cgroup struct {
	unified bool
	dirs    map[string]string // by controller; one directory in version 2
	written map[string]string // what was set already, by file
	refused map[string]int    // how often it could not be, by file
}

// cgroup returns the control group of a path, which may be another for each
// controller in version 1.
func (h hierarchy) cgroup(path func(controller string) string) *cgroup {
	g := &cgroup{unified: h.unified(), dirs: map[string]string{}, written: map[string]string{}, refused: map[string]int{}}
	for _, c := range controllers {
		if g.unified {
			g.dirs[c] = filepath.Join(h.root, path(""))
			continue
		}
		dir := filepath.Join(h.root, c)
		g.dirs[c] = filepath.Join(dir, below(mounted(dir), path(c)))
	}
	return g
}

// mounted returns which part of a hierarchy is mounted at dir: all of it, "/",
// but in a container, where it is the container's own.
func mounted(dir string) string {
	dir, err := filepath.EvalSymlinks(dir) // "cpu" leads to "cpu,cpuacct"
	if err != nil {
		return "/"
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "/"
	}
	root := "/"
	for line := range strings.Lines(string(text)) {
		// proc(5): the fourth field is the root of the mount, the fifth where
		// it is. The last one there is what is seen.
		if f := strings.Fields(line); len(f) > 4 && f[4] == dir {
			root = f[3]
		}
	}
	return root
}

// below returns path as it is seen from root, or as it is if it is not there.
func below(root, path string) string {
	if root == "/" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return path
}

// of returns the control group of a process.
func (h hierarchy) of(pid int) (*cgroup, error) {
	path, err := paths(pid)
	if err != nil {
		return nil, err
	}
	return h.cgroup(path), nil
}

// paths returns where a process is, by controller; "" is version 2's.
func paths(pid int) (func(controller string) string, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		// "4:cpu,cpuacct:/docker/1a2b", or "0::/docker/1a2b" in version 2.
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			for c := range strings.SplitSeq(f[1], ",") {
				found[c] = f[2]
			}
		}
	}
	return func(controller string) string { return found[controller] }, nil
}

// there tells whether the cgroup is there still, or already.
func (g *cgroup) there() bool {
	_, err := os.Stat(g.dirs["memory"])
	return err == nil
}

// file returns the path of one of a controller's files.
func (g *cgroup) file(controller, name string) string {
	return filepath.Join(g.dirs[controller], name)
}

// number reads a file that holds one, or 0: what cannot be read is not there.
func (g *cgroup) number(controller, name string) int64 {
	text, _ := os.ReadFile(g.file(controller, name))
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	return n
}

// counter reads one line of a file with a name and a number on each.
func (g *cgroup) counter(controller, name, key string) int64 {
	text, _ := os.ReadFile(g.file(controller, name)) // as in number
	for line := range strings.Lines(string(text)) {
		if k, v, _ := strings.Cut(line, " "); k == key {
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return n
		}
	}
	return 0
}

// memory returns how many bytes it has now.
func (g *cgroup) memory() int64 {
	if g.unified {
		return g.number("memory", "memory.current")
	}
	return g.number("memory", "memory.usage_in_bytes")
}

// memoryFiles returns which files say how many bytes it has now, and what was
// the most.
func (g *cgroup) memoryFiles() (now, most string) {
	if g.unified {
		return g.file("memory", "memory.current"), g.file("memory", "memory.peak")
	}
	return g.file("memory", "memory.usage_in_bytes"), g.file("memory", "memory.max_usage_in_bytes")
}

// cpuTime returns for how long it has kept CPUs busy; 0 if that cannot be read.
func (g *cgroup) cpuTime() time.Duration {
	if g.unified {
		return time.Duration(g.counter("cpuacct", "cpu.stat", "usage_usec")) * time.Microsecond
	}
	return time.Duration(g.number("cpuacct", "cpuacct.usage"))
}

// keptMemory returns how many bytes it has that the kernel cannot drop at any
// moment, which is what docker stats shows.
func (g *cgroup) keptMemory() int64 {
	cache := "inactive_file"
	if !g.unified {
		cache = "total_inactive_file"
	}
	all := g.memory()
	return all - min(g.counter("memory", "memory.stat", cache), all)
}

// outsOfMemory returns how often there was no more memory for it, whatever
// came of that.
func (g *cgroup) outsOfMemory() int64 {
	if g.unified {
		return max(g.oomKills(), g.counter("memory", "memory.events", "oom"))
	}
	return g.oomKills()
}

// oomKills returns how many of its processes were ended for want of memory.
func (g *cgroup) oomKills() int64 {
	if g.unified {
		return g.counter("memory", "memory.events", "oom_kill")
	}
	return g.counter("memory", "memory.oom_control", "oom_kill")
}

// pids returns how many processes and threads it has now.
func (g *cgroup) pids() int64 { return g.number("pids", "pids.current") }

// forksRefused returns how often there could not be one more.
func (g *cgroup) forksRefused() int64 { return g.counter("pids", "pids.events", "max") }

// processes returns what runs in it.
func (g *cgroup) processes() []int {
	text, _ := os.ReadFile(g.file("pids", "cgroup.procs")) // none when it is gone
	var pids []int
	for line := range strings.Lines(string(text)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill ends all that runs in it, also what forks faster than we can look.
func (g *cgroup) kill() {
	if g.unified && os.WriteFile(g.file("pids", "cgroup.kill"), []byte("1"), 0) == nil {
		return // since Linux 5.14
	}
	g.write("pids", "pids.max", "0")
	for range 100 {
		pids := g.processes()
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have gone by itself
		}
		if len(pids) == 0 {
			return
		}
	}
}

// inVain is how often a limit is tried. A cgroup is made piece by piece, and a
// kernel need not know every limit.
const inVain = 100

// write sets a limit, unless it is set so already, and tells whether it is.
func (g *cgroup) write(controller, name, value string) bool {
	file := g.file(controller, name)
	if g.written[file] == value {
		return true
	}
	if g.refused[file] >= inVain {
		return false
	}
	// Not os.WriteFile, which would make a file that is missing when this is
	// no cgroup file system.
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(value)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		g.refused[file]++
		return false
	}
	g.written[file] = value
	return true
}
