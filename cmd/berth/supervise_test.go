package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
)

// actDir, in the environment, makes the test binary act as the supervisor, or
// as what it supervises, instead of running tests. The programs write what
// happens to them to files in that directory.
const actDir = "BERTH_TEST_ACT_DIR"

// Not TestMain: a supervisor finds its own binary by name, and other tests of
// this package have a TestMain of their own.
func init() {
	dir := os.Getenv(actDir)
	if dir == "" || len(os.Args) < 2 {
		return
	}
	switch os.Args[1] {
	case "supervise":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		self, err := os.Executable()
		if err == nil {
			grace := 20 * time.Second
			if os.Getenv("BERTH_TEST_SHORT_GRACE") != "" {
				grace = 100 * time.Millisecond
			}
			s := supervisor{
				pidFile: filepath.Join(dir, "supervise.pid"),
				logFile: filepath.Join(dir, "log"),
				envFile: filepath.Join(dir, "berth.env"),
				grace:   grace,
				docker:  dockerd{argv: []string{self, "dockerd"}, pidFile: filepath.Join(dir, "docker.pid"), containerdPidFile: filepath.Join(dir, "containerd.pid")},
			}
			err = s.run(ctx)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "serve", "dockerd":
		act(dir, os.Args[1])
	}
}

// act is a program that says when it begins and when it is asked to end.
func act(dir, name string) {
	note := func(what string) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(f, what)
		f.Close()
	}
	if _, err := os.Stat(filepath.Join(dir, name+".fails")); err == nil {
		os.Exit(7)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	pidFile := filepath.Join(dir, "docker.pid")
	if name == "dockerd" {
		os.WriteFile(pidFile, strconv.AppendInt(nil, int64(os.Getpid()), 10), 0o600)
	}
	note(strconv.Itoa(os.Getpid()))
	<-asked
	note("asked")
	if os.Getenv("STUBBORN") != "" {
		select {}
	}
	if name == "dockerd" {
		os.Remove(pidFile)
	}
	note("ended")
	os.Exit(0)
}

// A house is a directory with a supervisor in it.
type house struct {
	*testing.T
	dir        string
	supervisor *exec.Cmd
}

func newHouse(t *testing.T, env string) *house {
	h := &house{T: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(h.dir, "berth.env"), []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if h.supervisor != nil {
			h.supervisor.Process.Kill()
			h.supervisor.Wait()
		}
		for _, pid := range append(h.pids("serve"), h.pids("dockerd")...) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(h.dir, "log"))
			t.Logf("log of the supervisor:\n%s", log)
		}
	})
	return h
}

func (h *house) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		h.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), actDir+"="+h.dir)
	return cmd
}

// supervise starts the supervisor and waits for the pid of serve.
func (h *house) supervise() (serve int) {
	h.Helper()
	before := len(h.pids("serve"))
	h.supervisor = h.command("supervise")
	if err := h.supervisor.Start(); err != nil {
		h.Fatal(err)
	}
	return h.next("serve", before)
}

// pids are those of all processes of the program so far.
func (h *house) pids(name string) (pids []int) {
	text, _ := os.ReadFile(filepath.Join(h.dir, name)) // none yet
	for line := range strings.Lines(string(text)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// next waits until the program has been started more than n times.
func (h *house) next(name string, n int) (pid int) {
	h.Helper()
	h.until(func() bool { return len(h.pids(name)) > n }, "%s is started for the %d. time", name, n+1)
	pids := h.pids(name)
	return pids[len(pids)-1]
}

func (h *house) said(name string) string {
	text, _ := os.ReadFile(filepath.Join(h.dir, name))
	return string(text)
}

// stop asks the supervisor to end, and waits for it.
func (h *house) stop() {
	h.Helper()
	h.supervisor.Process.Signal(syscall.SIGTERM)
	if err := h.supervisor.Wait(); err != nil {
		h.Errorf("the supervisor ended with %v, want no error", err)
	}
	h.supervisor = nil
}

func (h *house) kill(pid int) {
	h.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		h.Fatal(err)
	}
}

func (h *house) killSupervisor() {
	h.Helper()
	h.kill(h.supervisor.Process.Pid)
	h.supervisor.Wait() // says that it was killed
	h.supervisor = nil
}

// until waits for a condition.
func (h *house) until(condition func() bool, what string, args ...any) {
	h.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			h.Fatalf("gave up waiting until "+what, args...)
		}
	}
}

// alive tells whether a process runs and is no zombie.
func alive(pid int) bool { return cmdline(strconv.Itoa(pid))[0] != "" }

func TestSuperviseStartsServeAgainWhenItIsKilled(t *testing.T) {
	h := newHouse(t, "")
	first := h.supervise()

	h.kill(first)

	if second := h.next("serve", 1); second == first || !alive(second) {
		t.Errorf("serve is process %d, want another than %d, alive", second, first)
	}
}

func TestSuperviseLetsServeFinish(t *testing.T) {
	h := newHouse(t, "")
	pid := h.supervise()

	h.stop()

	if got, want := h.said("serve"), fmt.Sprintf("%d\nasked\nended\n", pid); got != want {
		t.Errorf("serve said %q, want %q", got, want)
	}
}

func TestSuperviseKillsAServeThatDoesNotEnd(t *testing.T) {
	t.Setenv("BERTH_TEST_SHORT_GRACE", "1")
	h := newHouse(t, "STUBBORN=1")
	pid := h.supervise()

	h.stop()

	if alive(pid) {
		t.Errorf("serve, process %d, is alive after the supervisor has ended", pid)
	}
	if !strings.Contains(h.said("serve"), "asked") {
		t.Error("serve was killed without being asked to end")
	}
}

func TestASupervisorTakesOverFromOneThatWasKilled(t *testing.T) {
	h := newHouse(t, "")
	first := h.supervise()
	h.killSupervisor()

	if !alive(first) {
		t.Fatal("serve has ended with its supervisor: the apps went dark")
	}
	h.supervisor = h.command("supervise")
	if err := h.supervisor.Start(); err != nil {
		t.Fatal(err)
	}
	h.until(func() bool { return strings.Contains(h.said("log"), "runs already") }, "serve is found")
	if pids := h.pids("serve"); len(pids) != 1 {
		t.Fatalf("serve was started as %v, want it to be started once", pids)
	}

	h.kill(first)
	second := h.next("serve", 1)
	h.stop()
	if alive(second) {
		t.Errorf("serve, process %d, is alive after the supervisor has ended", second)
	}
}

// outside is the supervisor as another process sees it.
func (h *house) outside() *supervisor {
	h.Helper()
	self, err := os.Executable()
	if err != nil {
		h.Fatal(err)
	}
	return &supervisor{
		pidFile: filepath.Join(h.dir, "supervise.pid"), grace: 20 * time.Second,
		docker: dockerd{argv: []string{self, "dockerd"}, pidFile: filepath.Join(h.dir, "docker.pid"), containerdPidFile: filepath.Join(h.dir, "containerd.pid")},
	}
}

func TestStopEndsWhatAKilledSupervisorHasLeft(t *testing.T) {
	h := newHouse(t, "BERTH_SUPERVISE_DOCKER=1")
	serve := h.supervise()
	engine := h.next("dockerd", 0)
	h.killSupervisor()

	if err := h.outside().stop(t.Context(), false); err != nil {
		t.Fatal(err)
	}

	if alive(serve) || alive(engine) {
		t.Errorf("serve alive: %t, dockerd alive: %t, want neither", alive(serve), alive(engine))
	}
}

func TestStopCanLeaveTheEngineRunning(t *testing.T) {
	h := newHouse(t, "BERTH_SUPERVISE_DOCKER=1")
	serve := h.supervise()
	engine := h.next("dockerd", 0)

	if err := h.outside().stop(t.Context(), true); err != nil {
		t.Fatal(err)
	}

	if alive(h.supervisor.Process.Pid) || alive(serve) {
		t.Error("the supervisor or serve is alive")
	}
	if !alive(engine) {
		t.Fatal("the engine has ended too")
	}
	if err := h.outside().stop(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if alive(engine) {
		t.Error("the engine is alive after the second stop")
	}
}

func TestOnlyOneSupervisorRuns(t *testing.T) {
	h := newHouse(t, "")
	h.supervise()
	other := h.outside()

	err := other.run(t.Context())

	if !errors.Is(err, appliance.ErrBusy) {
		t.Errorf("a second supervisor ended with %v, want ErrBusy", err)
	}
	if pid, err := other.running(); err != nil || pid != h.supervisor.Process.Pid {
		t.Errorf("running = %d, %v, want %d", pid, err, h.supervisor.Process.Pid)
	}
}

func TestNoSupervisorRunsAfterOneWasKilled(t *testing.T) {
	h := newHouse(t, "")
	h.supervise()

	h.killSupervisor()

	if pid, err := h.outside().running(); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("running = %d, %v, want ErrNotFound", pid, err)
	}
}

func TestReloadStartsServeAnewAndLeavesTheEngine(t *testing.T) {
	h := newHouse(t, "BERTH_SUPERVISE_DOCKER=1")
	first := h.supervise()
	engine := h.next("dockerd", 0)
	supervisor := h.outside()

	for n := range 2 { // the second time shows that the new image listens too
		if err := supervisor.reload(t.Context(), t.Output()); err != nil {
			t.Fatal(err)
		}
		if again := h.next("serve", n+1); again == first {
			t.Errorf("serve is still process %d", again)
		}
	}

	if pid, err := supervisor.running(); err != nil || pid != h.supervisor.Process.Pid {
		t.Errorf("supervisor = %d, %v, want still %d", pid, err, h.supervisor.Process.Pid)
	}
	if pids := h.pids("dockerd"); len(pids) != 1 || !alive(engine) {
		t.Errorf("dockerd was started as %v, want it to run on", pids)
	}
	h.kill(engine)
	h.next("dockerd", 1) // the new image looks after it
	h.stop()
	if pids := h.pids("dockerd"); alive(pids[1]) {
		t.Error("dockerd is alive after the supervisor that started it has ended")
	}
}

func TestServeIsGivenMoreAndMoreTimeWhenItEndsAtOnce(t *testing.T) {
	h := newHouse(t, "")
	broken := filepath.Join(h.dir, "serve.fails")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.supervisor = h.command("supervise")
	if err := h.supervisor.Start(); err != nil {
		t.Fatal(err)
	}

	for _, delay := range []string{"100ms", "200ms", "400ms"} {
		h.until(func() bool { return strings.Contains(h.said("log"), `how="exit status 7" "again in"=`+delay) },
			"it is left alone for %s", delay)
	}

	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	h.next("serve", 0)
	h.stop()
}

// startEngine starts a dockerd as somebody else would.
func (h *house) startEngine(args ...string) (engine *exec.Cmd) {
	h.Helper()
	engine = h.command(append([]string{"dockerd"}, args...)...)
	before := len(h.pids("dockerd"))
	if err := engine.Start(); err != nil {
		h.Fatal(err)
	}
	h.next("dockerd", before)
	return engine
}

func TestAnEngineOfSomebodyElseIsLeftRunning(t *testing.T) {
	h := newHouse(t, "BERTH_SUPERVISE_DOCKER=1")
	engine := h.startEngine()
	h.supervise()
	h.until(func() bool { return strings.Contains(h.said("log"), "ours=false") }, "the engine is found")

	h.stop()

	if !alive(engine.Process.Pid) || strings.Contains(h.said("dockerd"), "asked") {
		t.Error("the supervisor has stopped an engine that it had not started")
	}
	engine.Process.Kill()
	engine.Wait()
}

func TestAnEngineOfSomebodyElseIsStartedAgainAsItWasWhenItCrashes(t *testing.T) {
	h := newHouse(t, "BERTH_SUPERVISE_DOCKER=1")
	engine := h.startEngine("--its-own-option")
	h.supervise()
	h.until(func() bool { return strings.Contains(h.said("log"), "ours=false") }, "the engine is found")

	engine.Process.Kill()
	engine.Wait()

	again := h.next("dockerd", 1)
	if argv := cmdline(strconv.Itoa(again)); !slices.Contains(argv, "--its-own-option") {
		t.Errorf("it was started as %q, want its own option", argv)
	}
	h.stop()
	if alive(again) {
		t.Error("the engine that the supervisor had started is alive after it has ended")
	}
}

func TestAnEngineThatSomebodyElseStopsStaysStopped(t *testing.T) {
	h := newHouse(t, "BERTH_SUPERVISE_DOCKER=1")
	engine := h.startEngine()
	h.supervise()
	h.until(func() bool { return strings.Contains(h.said("log"), "ours=false") }, "the engine is found")

	engine.Process.Signal(syscall.SIGTERM)
	engine.Wait()

	h.until(func() bool { return strings.Contains(h.said("log"), "on purpose") }, "the supervisor has understood")
	if pids := h.pids("dockerd"); len(pids) != 1 {
		t.Errorf("dockerd was started as %v, want only the one that somebody else stopped", pids)
	}
	again := h.startEngine()
	h.until(func() bool {
		return strings.Contains(h.said("log"), fmt.Sprintf("pid=%d ours=false", again.Process.Pid))
	}, "the supervisor looks after the engine that somebody else has started again")
	h.stop()
	again.Process.Kill()
	again.Wait()
}

// After a reboot that kept /run, the numbers in it belong to others.
func TestPidFilesOfProcessesThatAreGoneDoNotStopTheEngine(t *testing.T) {
	h := newHouse(t, "BERTH_SUPERVISE_DOCKER=1")
	stale := []string{filepath.Join(h.dir, "docker.pid"), filepath.Join(h.dir, "containerd.pid")}
	for _, path := range stale {
		if err := os.WriteFile(path, fmt.Appendln(nil, 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	h.supervise()

	engine := h.next("dockerd", 0)
	if text := h.said("docker.pid"); text != strconv.Itoa(engine) {
		t.Errorf("docker.pid = %q, want that of the engine, %d", text, engine)
	}
	if _, err := os.Stat(stale[1]); err == nil {
		t.Error("the pid file of a containerd that is gone is left")
	}
	h.stop()
}

func TestTheEnvironmentFileIsReadAsSystemdReadsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.env")
	text := "# addresses\n\nBERTH_SSH=:2222\n; more\nQUOTED=\"a b\"\nSINGLE='c=d'\nEMPTY=\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := supervisor{envFile: path}

	env, err := s.environ(nil)

	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"BERTH_SSH": ":2222", "QUOTED": "a b", "SINGLE": "c=d", "EMPTY": ""} {
		if got := lookup(env, key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
}

// A file with a password on a line of its own must not have it printed.
func TestABrokenEnvironmentFileIsNotQuoted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.env")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := supervisor{envFile: path}

	_, err := s.environ(nil)

	if !errors.Is(err, appliance.ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error = %v, want ErrInvalid without the line", err)
	}
}

func TestTheLogIsRotatedPastItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	out.WriteString("old line\n")

	if err := rotateLog(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".1"); err == nil {
		t.Error("a log below its limit was rotated")
	}
	if err := rotateLog(path, 5); err != nil {
		t.Fatal(err)
	}
	out.WriteString("new line\n") // by a program that has had the file open all along

	now, _ := os.ReadFile(path)
	old, _ := os.ReadFile(path + ".1")
	if string(now) != "new line\n" || string(old) != "old line\n" {
		t.Errorf("log = %q, log.1 = %q, want the new line and the old line", now, old)
	}
}

func TestSupervisePrintsWhatStartsIt(t *testing.T) {
	for what, want := range map[string]string{"unit": "ExecStart=/usr/local/bin/berth serve", "init": "### BEGIN INIT INFO"} {
		var out, errs bytes.Buffer

		err := supervise(t.Context(), []string{"--print", what}, &out, &errs)

		if err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("--print %s = %v and %d bytes, want %q in it", what, err, out.Len(), want)
		}
	}
}

func TestThePackerUnitIsTheOneInTheBinary(t *testing.T) {
	packer, err := os.ReadFile("../../packer/files/berth.service")
	if err != nil {
		t.Fatal(err)
	}
	if string(packer) != systemdUnit {
		t.Error("packer/files/berth.service is not service/berth.service: it should be a link to it")
	}
}
