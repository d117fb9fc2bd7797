package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	dockerengine "github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

// A dockerEngine is a Docker of the test's own, which it may kill. It makes no
// rules for packets, so that the machine's own Docker does not notice it.
type dockerEngine struct {
	dir    string
	bridge string
	cmd    *exec.Cmd
	ended  chan struct{}
}

// ownDocker starts a Docker for the time of the test.
func ownDocker(t *testing.T) *dockerEngine {
	t.Helper()
	enginetest.NeedDocker(t)
	if _, err := exec.LookPath("dockerd"); err != nil || os.Geteuid() != 0 {
		t.Skip("a Docker of its own needs dockerd and root")
	}
	dir, err := os.MkdirTemp("", "berth-dockerd-") // short, for its sockets
	if err != nil {
		t.Fatal(err)
	}
	e := &dockerEngine{dir: dir, bridge: fmt.Sprintf("berth%d", rand.IntN(1e8))}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("the end of dockerd's log:\n%s", text[max(0, len(text)-5000):])
		}
		if err := e.remove(); err != nil {
			t.Errorf("remove dockerd: %v", err)
		}
	})
	if err := errors.Join(e.makeBridge(), e.start()); err != nil {
		t.Fatal(err)
	}
	return e
}

// makeBridge makes the network on which builds run: Docker's own is taken.
func (e *dockerEngine) makeBridge() error {
	address := fmt.Sprintf("10.%d.%d.1/24", 216+rand.IntN(30), rand.IntN(256))
	for _, args := range [][]string{
		{"link", "add", e.bridge, "type", "bridge"},
		{"address", "add", address, "dev", e.bridge},
		{"link", "set", e.bridge, "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

func (e *dockerEngine) host() string { return "unix://" + filepath.Join(e.dir, "sock") }

// start starts dockerd and returns when it answers.
func (e *dockerEngine) start() error {
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	e.cmd = exec.Command("dockerd", "--host", e.host(), "--data-root", filepath.Join(e.dir, "data"),
		"--exec-root", filepath.Join(e.dir, "exec"), "--pidfile", filepath.Join(e.dir, "pid"),
		"--bridge", e.bridge, "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false")
	e.cmd.Stdout, e.cmd.Stderr = log, log
	if err := e.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	e.ended = ended
	go func() {
		e.cmd.Wait() // how it ended, its log says
		close(ended)
	}()
	if !await.Until(await.Patience, func() bool { return e.docker("version").Run() == nil }) {
		return errors.New("dockerd does not answer")
	}
	return nil
}

func (e *dockerEngine) docker(args ...string) *exec.Cmd {
	return exec.Command("docker", append([]string{"--host", e.host()}, args...)...)
}

// kill ends dockerd as a crash does: what it runs, runs on.
func (e *dockerEngine) kill() error {
	if err := e.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-e.ended
	return e.forgetContainerd()
}

// forgetContainerd removes the file that says that containerd runs, if it has
// ended with dockerd: one that nobody has reaped yet would be waited for.
func (e *dockerEngine) forgetContainerd() error {
	path := filepath.Join(e.dir, "exec", "containerd", "containerd.pid")
	pid, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	ended := await.Until(await.Patience, func() bool {
		stat, err := os.ReadFile("/proc/" + string(pid) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	if !ended {
		return nil // an engine that lets it live finds it again
	}
	return os.Remove(path)
}

// powerOff ends dockerd, what looks after its containers, the containers, and
// their networks, as a machine does that loses its power.
func (e *dockerEngine) powerOff() error {
	networks, err := e.docker("network", "ls", "--quiet", "--filter", "driver=bridge").Output()
	if err != nil {
		return err
	}
	attendants := e.attendants() // before they lose their children
	err = e.kill()
	for _, pid := range attendants {
		if killErr := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(killErr, syscall.ESRCH) {
			err = errors.Join(err, killErr)
		}
	}
	for id := range strings.FieldsSeq(string(networks)) {
		// There may be none: an engine makes it when it needs it.
		exec.Command("ip", "link", "delete", "br-"+id).Run()
	}
	for _, dir := range []string{"exec", "pid"} { // they are in memory on a real machine
		err = errors.Join(err, e.unmount(filepath.Join(e.dir, dir)), os.RemoveAll(filepath.Join(e.dir, dir)))
	}
	return err
}

// unmount takes away what is mounted below dir.
func (e *dockerEngine) unmount(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); strings.HasPrefix(f[1], dir+"/") {
			// One that was mounted below another goes with it.
			if detachErr := syscall.Unmount(f[1], syscall.MNT_DETACH); !errors.Is(detachErr, syscall.EINVAL) {
				err = errors.Join(err, detachErr)
			}
		}
	}
	return err
}

// attendants are the processes that were started for this engine, and all that
// they have started: containerd, a shim for each container, the containers.
// The first two have its directory in their arguments.
func (e *dockerEngine) attendants() (pids []int) {
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	children := map[int][]int{}
	for _, path := range found {
		arguments, _ := os.ReadFile(path + "/cmdline") // it may have ended
		stat, _ := os.ReadFile(path + "/stat")
		pid, err := strconv.Atoi(filepath.Base(path))
		fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
		if err != nil || len(fields) < 2 {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err == nil {
			children[parent] = append(children[parent], pid)
		}
		if strings.Contains(string(arguments), e.dir+"/exec") {
			pids = append(pids, pid)
		}
	}
	for i := 0; i < len(pids); i++ {
		for _, child := range children[pids[i]] {
			if !slices.Contains(pids, child) {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// remove ends all of it and removes its files.
func (e *dockerEngine) remove() error {
	err := e.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-e.ended:
	case <-time.After(await.Patience):
		err = errors.Join(errors.New("dockerd does not end"), e.kill())
	}
	for _, pid := range e.attendants() {
		syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	out, linkErr := exec.Command("ip", "link", "delete", e.bridge).CombinedOutput()
	if linkErr != nil {
		err = errors.Join(err, fmt.Errorf("%w: %s", linkErr, out))
	}
	return errors.Join(err, e.unmount(e.dir), os.RemoveAll(e.dir))
}

// A village is several apps on one machine, each of which greets with its own
// name.
type village struct {
	*machine
	engine *dockerEngine
	dirs   map[string]string
}

func settled(t *testing.T, names ...string) *village {
	t.Helper()
	engine := ownDocker(t)
	v := &village{machine: serving(t, engine.host()), engine: engine, dirs: map[string]string{}}
	for _, name := range names {
		v.dirs[name] = v.repository(t, name)
		v.must(t, v.dirs[name], "git", "push", "-q", "berth:"+name, "main")
	}
	return v
}

// allBack waits until every app serves its own content and nothing else runs.
func (v *village) allBack(t *testing.T) {
	t.Helper()
	for name := range v.dirs {
		v.answers(t, fmt.Sprintf("https://%s.localhost/", name), fmt.Sprintf("\nhello %s from", name))
	}
	err := v.eventually("each app runs once, and nothing else", func() error {
		list, err := v.things()
		if err != nil {
			return err
		}
		up := regexp.MustCompile(`(?m)^container \S+\.web\.1\.v\d+-\S+ Up `).FindAllString(list, -1)
		if len(up) != len(v.dirs) || strings.Count(list, "container ") != len(up) {
			return errors.New(list)
		}
		return v.noTemporaryFiles()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryAppIsBackWhenDockerWasKilled(t *testing.T) {
	t.Parallel()
	v := settled(t, "blog", "shop")

	t.Run("at rest", func(t *testing.T) {
		if err := errors.Join(v.engine.kill(), v.engine.start()); err != nil {
			t.Fatal(err)
		}
		v.allBack(t)
	})
	for _, point := range []struct{ what, line, dockerfile string }{
		{"in a build", "pausing", `RUN ["/app", "pause", "5s"]`},
		{"in a deploy", "Deploying blog", "ENV READY_AFTER=5s"},
	} {
		t.Run(point.what, func(t *testing.T) {
			v.change(t, v.dirs["blog"], "never-seen", point.dockerfile)
			pusher := &versions{machine: v.machine, dir: v.dirs["blog"]}
			pusher.during(t, "berth:blog", regexp.MustCompile(point.line), v.engine.kill)
			if err := v.engine.start(); err != nil {
				t.Fatal(err)
			}
			v.allBack(t)
		})
	}
	v.change(t, v.dirs["blog"], "blog", "ENV A=b")
	v.must(t, v.dirs["blog"], "git", "push", "-q", "berth:blog", "main")
	v.allBack(t)
}

func TestEveryAppIsBackAtItsOwnHostAfterAReboot(t *testing.T) {
	t.Parallel()
	v := settled(t, "blog", "shop", "wiki")

	for n := range 2 {
		v.says(t, "blog", n)
		if err := errors.Join(v.kill(), v.engine.powerOff()); err != nil {
			t.Fatal(err)
		}
		// The appliance is up before Docker is, as it may be at boot.
		if err := errors.Join(v.start(), v.engine.start()); err != nil {
			t.Fatal(err)
		}
		v.allBack(t)
	}
	if err := errors.Join(v.kill(), v.engine.powerOff(), v.engine.start(), v.start()); err != nil {
		t.Fatal(err)
	}
	v.allBack(t)
	if got := v.must(t, "/", "berth", "logs", "blog", "-n", "0", "-q", "--grep", "^said"); got != "said 0\nsaid 1\n" {
		t.Errorf("of what it printed before, there is %q, want each line once", got)
	}
}

// says has an app print something, and waits until that is kept.
func (v *village) says(t *testing.T, app string, n int) {
	t.Helper()
	line := fmt.Sprintf("said %d\n", n)
	v.answers(t, fmt.Sprintf("https://%s.localhost/say?text=%d", app, n), "that is said")
	err := v.eventually("it is kept", func() error {
		got, err := v.run("/", "berth", "logs", app, "-q", "-n", "1", "--grep", "^said")
		if err == nil && got != line {
			err = errors.New(got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPowerCutInADeployLeavesTheLastGoodVersion(t *testing.T) {
	t.Parallel()
	v := settled(t, "blog", "shop")
	v.change(t, v.dirs["blog"], "next", "ENV READY_AFTER=10s")
	pusher := &versions{machine: v.machine, dir: v.dirs["blog"]}

	pusher.during(t, "berth:blog", regexp.MustCompile("Deploying blog"), func() error {
		err := v.eventually("the new version starts", func() error {
			list, err := v.things()
			if err == nil && !strings.Contains(list, ".blog.web.1.v2-") {
				err = errors.New(list)
			}
			return err
		})
		return errors.Join(err, v.kill(), v.engine.powerOff())
	})
	if err := errors.Join(v.engine.start(), v.start()); err != nil {
		t.Fatal(err)
	}

	v.allBack(t)
}

// Docker 20.10 forgets the labels of volumes that nothing uses when it starts
// anew. They are ours all the same: a build that could not have its cache would
// be refused from the first reboot on.
func TestVolumesAreStillOursWhenDockerWasKilled(t *testing.T) {
	t.Parallel()
	own := ownDocker(t)
	engine, err := dockerengine.New(own.host(), string(enginetest.Name("berth-e2e")))
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	run := appliance.RunSpec{
		App: "blog", Image: enginetest.Image(t, engine), Command: []string{enginetest.Program, "exit", "0"},
		Mounts: []appliance.Mount{{Volume: "cache", Path: "/cache"}},
	}
	if _, err := engine.Run(t.Context(), run); err != nil {
		t.Fatal(err)
	}

	if err := errors.Join(own.kill(), own.start()); err != nil {
		t.Fatal(err)
	}

	if _, err := engine.Run(t.Context(), run); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}
