package docker

import (
	"encoding/json"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// BuildKit takes no limits with a build. It runs each RUN of a Dockerfile in a
// container of its own, which Docker's API does not show, and prepares a
// directory for it some 100 ms before it starts, in which is to be read where
// the cgroup will be. So who looks often enough can put limits on a step
// before anything of it runs.

// A mark tells whose the steps are when several builds run at once. It is a
// build argument of the only kind that reaches every step and yet is not part
// of what BuildKit caches: one for a proxy. There is no such host.
type mark struct {
	id    string
	claim net.Listener
}

const markPrefix = "berth-build-"

var markPattern = regexp.MustCompile(markPrefix + `[a-z0-9]+`)

// newMark makes the mark of a build. As long as the build runs, everybody on
// this machine can see that there is such a build: an abstract socket has its
// name. So a Dockerfile that invents a mark, which "# syntax=" makes possible,
// does not get away with it.
func newMark(id string) mark {
	claim, err := net.Listen("unix", "@"+markPrefix+id)
	if err != nil {
		claim = nil // nobody will know our steps from theirs
	}
	return mark{id, claim}
}

func (m mark) close() {
	if m.claim != nil {
		_ = m.claim.Close() // nobody was ever connected
	}
}

// args adds the mark to the arguments of a build.
func (m mark) args(args map[string]*string) {
	name := "NO_PROXY"
	for k := range args {
		if strings.EqualFold(k, name) {
			name = k
		}
	}
	value := markPrefix + m.id + ".invalid"
	if own := args[name]; own != nil && *own != "" {
		value = *own + "," + value
	}
	args[name] = &value
}

// on tells whether a step is of this build. What has no mark, or one that no
// build has, is ours too: it began while we built.
func (m mark) on(config []byte) bool {
	others := false
	for _, found := range markPattern.FindAll(config, -1) {
		if string(found) == markPrefix+m.id {
			return true
		}
		others = others || claimed(string(found))
	}
	return !others
}

// claimed tells whether there is a build with a mark.
func claimed(mark string) bool {
	l, err := net.Listen("unix", "@"+mark)
	if err == nil {
		_ = l.Close() // it was only to see whether we could
	}
	return errors.Is(err, syscall.EADDRINUSE) // and not because it is no name for a socket
}

// steps are the steps of one build.
type steps struct {
	dir     string // where BuildKit prepares its containers
	pidfile string // Docker's
	mark    mark
	weight  int
	known   map[string]*watched // by container; nil for what is not ours
	half    bool                // BuildKit is just preparing one
}

// dockerPid is where Docker keeps the id of its process.
const dockerPid = "/run/docker.pid"

func newSteps(dockerRoot string, m mark, weight int) *steps {
	s := &steps{
		dir: filepath.Join(dockerRoot, "buildkit", "executor"), pidfile: dockerPid,
		mark: m, weight: weight, known: map[string]*watched{},
	}
	// What is there already is not ours, but for its remains.
	for _, name := range s.list() {
		s.known[name] = nil
	}
	return s
}

// list returns the containers that BuildKit has.
func (s *steps) list() []string {
	entries, _ := os.ReadDir(s.dir) // none where BuildKit is another
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// find returns the steps of the build that run, or are about to.
func (s *steps) find() []*watched {
	list := s.list()
	s.half = false
	for _, name := range list {
		if _, ok := s.known[name]; !ok {
			s.half = !s.read(name) || s.half
		}
	}
	var found []*watched
	for _, name := range slices.Sorted(maps.Keys(s.known)) {
		switch w := s.known[name]; {
		case !slices.Contains(list, name):
			delete(s.known, name)
		case w != nil:
			found = append(found, w)
		}
	}
	return found
}

// read reads what BuildKit has written down for a container, and tells whether
// it is all there. While it is still writing, the next look will find it.
func (s *steps) read(name string) bool {
	text, err := os.ReadFile(filepath.Join(s.dir, name, "config.json"))
	if err != nil {
		return false
	}
	var config struct{ Linux struct{ CgroupsPath string } }
	if json.Unmarshal(text, &config) != nil || config.Linux.CgroupsPath == "" {
		return false
	}
	s.known[name] = nil
	if !s.mark.on(text) {
		return true
	}
	path := s.path(config.Linux.CgroupsPath)
	s.known[name] = &watched{cgroup: cgroups.cgroup(path)}
	// With the cgroupfs driver the steps are together in a cgroup beside
	// those of the apps, and it is its weight that counts against theirs.
	// That of BuildKit as a whole may stay as low as we set it.
	if parent := filepath.Dir(path("")); filepath.Base(parent) == "buildkit" && s.weight > 0 {
		cgroups.cgroup(func(c string) string { return filepath.Dir(path(c)) }).weigh(s.weight)
	}
	return true
}

// path returns where the cgroup of a path is that BuildKit has given to runc.
// An absolute one is where it says. A relative one, such as
// "system.slice:docker:1a2b" with the systemd driver, is meant for systemd,
// but BuildKit's runc does not ask systemd: it puts it, by that very name,
// below Docker's own cgroup, or in version 2 beside it.
func (s *steps) path(path string) func(controller string) string {
	if filepath.IsAbs(path) {
		return func(string) string { return path }
	}
	docker := func(string) string { return "/system.slice/docker.service" }
	text, err := os.ReadFile(s.pidfile)
	if err == nil {
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text))) // there is no process 0
		if found, err := paths(pid); err == nil {
			docker = found
		}
	}
	unified := cgroups.unified()
	return func(controller string) string {
		if unified {
			return filepath.Join(filepath.Dir(docker("")), path)
		}
		return filepath.Join(docker(controller), path)
	}
}
