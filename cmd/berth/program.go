package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How long a program that ends is left alone before it is started again.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 10 * time.Second
	steady     = 30 * time.Second // a program that ran as long begins with firstDelay
)

// A program is something that a supervisor keeps running.
type program struct {
	name  string
	argv  []string
	mark  string   // "KEY=value", in the environment of this program only
	env   []string // of its process, without mark
	out   *os.File // of its process; it may outlive the supervisor
	grace time.Duration
	log   *slog.Logger
	store *fileStore // what it gives us to keep; nil if it gives nothing

	// found, if set, is called when a process of the program ran already.
	found func()

	left []int // processes that have been replaced, and that may still finish something

	// prepare, if set, is called before a process is started.
	prepare func()

	// elsewhere, if set, finds a process of this program that somebody else
	// has started. It is kept running, but not stopped.
	elsewhere func() *os.Process

	// ended, if set, is told that a process started elsewhere has ended. If it
	// returns false then that was on purpose.
	ended func() bool
}

// keep keeps one process of the program running until ctx is done. It then
// stops the process, unless somebody else has started it.
func (p *program) keep(ctx context.Context) {
	// Processes that another has replaced, and that finish what they have.
	var replaced sync.WaitGroup
	defer replaced.Wait()
	delay := firstDelay
	for ctx.Err() == nil {
		process, ours := p.find()
		if process == nil {
			var err error
			if process, err = p.start(); err != nil {
				p.log.Error("start", "error", err, "again in", delay)
			}
			ours = true
		} else {
			p.log.Info("runs already", "pid", process.Pid, "ours", ours)
			if p.found != nil {
				p.found()
			}
		}
		started := time.Now()
		if process != nil {
			err := p.goneOrReplaced(ctx, process)
			for errors.Is(err, errReplaced) {
				p.left = append(p.left, process.Pid)
				replaced.Go(func() {
					gone(context.Background(), process) // stop ends it if nothing else does
					p.log.Info("has finished", "pid", process.Pid, "how", reap(process))
				})
				main, _ := p.store.whoIsMain()
				p.log.Info("replaced", "pid", process.Pid, "by", main)
				if process, err = os.FindProcess(main); err == nil {
					started, err = time.Now(), p.goneOrReplaced(ctx, process)
				}
			}
			if err != nil {
				break
			}
			how := reap(process)
			if time.Since(started) >= steady {
				delay = firstDelay
			}
			p.log.Warn("ended", "pid", process.Pid, "how", how, "again in", delay)
			if !ours && !p.ended() {
				p.await(ctx)
				continue
			}
		}
		pause(ctx, delay)
		delay = min(2*delay, lastDelay)
	}
	p.stop()
}

// start starts a process of the program in a session of its own, so that a
// Control-C at the supervisor's terminal is the supervisor's affair.
func (p *program) start() (*os.Process, error) {
	if p.prepare != nil {
		p.prepare()
	}
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = append(slices.Clip(p.env), p.mark)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	files, env := p.store.forProcess()
	defer closeFiles(files)
	cmd.ExtraFiles, cmd.Env = files, append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.log.Info("started", "pid", cmd.Process.Pid)
	return cmd.Process, nil
}

// errReplaced says that the program is another process now.
var errReplaced = errors.New("replaced")

// goneOrReplaced returns nil when the process has ended, errReplaced when the
// program has named another as itself, or why it gave up waiting.
func (p *program) goneOrReplaced(ctx context.Context, process *os.Process) error {
	main, moved := p.store.whoIsMain()
	if main != 0 && main != process.Pid {
		return errReplaced
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-moved:
			cancel(errReplaced)
		case <-ctx.Done():
		}
	}()
	if err := gone(ctx, process); err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	return nil
}

// find returns the process of the program that runs, or nil, and whether a
// supervisor of ours has started it. While one replaces another, it is the
// newer one.
func (p *program) find() (process *os.Process, ours bool) {
	var newest uint64
	for _, other := range p.all() {
		if began := startTime(other.Pid); began >= newest && !slices.Contains(p.left, other.Pid) {
			process, newest = other, began
		}
	}
	if process != nil {
		return process, true
	}
	if p.elsewhere == nil {
		return nil, false
	}
	return p.elsewhere(), false
}

// all returns every process of the program that a supervisor of ours, or
// another of them, has started.
func (p *program) all() (list []*os.Process) {
	for _, pid := range processes() {
		env, err := os.ReadFile("/proc/" + pid + "/environ")
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), p.mark) {
			continue
		}
		// What the program starts inherits its environment, but not its name.
		if !p.is(pid) {
			continue
		}
		n, _ := strconv.Atoi(pid) // processes returns numbers
		if process, err := os.FindProcess(n); err == nil {
			list = append(list, process)
		}
	}
	return list
}

// startTime is when a process was started, in the kernel's own unit, or 0.
func startTime(pid int) uint64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// Its name, in parentheses, can have anything in it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64) // the kernel writes numbers
	return n
}

// is tells whether the process is the program itself, going by its name, its
// first argument, and the session that start has made for it.
func (p *program) is(pid string) bool {
	argv := cmdline(pid)
	if filepath.Base(argv[0]) != filepath.Base(p.argv[0]) {
		return false
	}
	if len(p.argv) > 1 && (len(argv) < 2 || argv[1] != p.argv[1]) {
		return false
	}
	n, _ := strconv.Atoi(pid) // it has a command line, so it is a process
	session, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(n), 0, 0)
	return errno == 0 && int(session) == n
}

// await returns when somebody else has started the program again.
func (p *program) await(ctx context.Context) {
	p.log.Info("was stopped on purpose: wait until it is started again")
	for ctx.Err() == nil {
		if process, _ := p.find(); process != nil {
			return
		}
		pause(ctx, time.Second)
	}
}

// stop asks the processes that we have started to end, and ends those that do
// not.
func (p *program) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), p.grace)
	defer cancel()
	all := p.all()
	for _, process := range all {
		p.log.Info("stop", "pid", process.Pid)
		process.Signal(syscall.SIGTERM) // one that has gone is found to be gone below
	}
	for _, process := range all {
		if gone(ctx, process) != nil {
			p.log.Warn("kill", "pid", process.Pid, "after", p.grace)
			process.Kill()
			gone(context.Background(), process) // nothing survives SIGKILL
		}
		if !slices.Contains(p.left, process.Pid) { // who waits for those reaps them
			reap(process)
		}
	}
}

// gone returns nil when the process has ended, child or not, or why it gave
// up waiting.
func gone(ctx context.Context, process *os.Process) error {
	var handle *os.File
	err := process.WithHandle(func(pidfd uintptr) {
		if fd, err := syscall.Dup(int(pidfd)); err == nil {
			syscall.CloseOnExec(fd)
			// The runtime waits only for files that do not block.
			syscall.SetNonblock(fd, true)
			handle = os.NewFile(uintptr(fd), "pidfd")
		}
	})
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer handle.Close()
	stop := context.AfterFunc(ctx, func() { handle.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := handle.SyscallConn()
	if err != nil {
		return err
	}
	// The handle of a process is readable once the process has ended. It is
	// asked each time: the runtime says only that something has changed, and
	// may have said so before we listened.
	err = conn.Read(func(pidfd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		n, _ := unix.Poll(fds, 0)
		return n > 0
	})
	if err != nil {
		return errors.Join(ctx.Err(), err)
	}
	return nil
}

// reap takes note of how a child of ours has ended. Others have a parent who
// does.
func reap(process *os.Process) string {
	state, err := process.Wait()
	if err != nil {
		return "unknown"
	}
	return state.String()
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// processes lists the processes of this machine, by number.
func processes() []string {
	paths, _ := filepath.Glob("/proc/[1-9]*") // the pattern is right
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	return paths
}

// cmdline returns the command line of a process, or one empty word if there is
// no such process.
func cmdline(pid string) []string {
	text, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err != nil {
		return []string{""}
	}
	return strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
}

// A dockerd is the engine of this machine, as far as a supervisor has to know.
type dockerd struct {
	argv              []string // "dockerd" if nil
	pidFile           string   // what dockerd writes; /var/run/docker.pid if ""
	containerdPidFile string   // likewise for its containerd
}

// program completes p so that it keeps dockerd running: ours, or one that the
// machine's own init has started.
func (d dockerd) program(p *program) *program {
	if p.argv = d.argv; p.argv == nil {
		p.argv = []string{"dockerd"}
	}
	pidFile := cmp.Or(d.pidFile, "/var/run/docker.pid")
	containerd := cmp.Or(d.containerdPidFile, "/var/run/docker/containerd/containerd.pid")
	p.prepare = func() {
		forget(pidFile, filepath.Base(p.argv[0]))
		forget(containerd, "containerd")
	}
	p.elsewhere = func() *os.Process {
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return nil
		}
		pid := strings.TrimSpace(string(text))
		argv := cmdline(pid)
		if filepath.Base(argv[0]) != filepath.Base(p.argv[0]) {
			return nil // the number went to somebody else
		}
		n, _ := strconv.Atoi(pid) // it has a command line
		process, err := os.FindProcess(n)
		if err != nil {
			return nil
		}
		// Should it crash, then it is started as it was.
		p.argv = argv
		return process
	}
	// dockerd removes its pid file when it is asked to end, and only then.
	p.ended = func() bool {
		_, err := os.Stat(pidFile)
		return !errors.Is(err, fs.ErrNotExist)
	}
	return p
}

// forget removes a pid file if the process in it is not called name. dockerd
// would not start because of its own if the number has gone to somebody else,
// as it does after a reboot where /run is kept; and it would wait for a
// containerd that was killed with it and that nobody has reaped.
func forget(pidFile, name string) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return // there is none
	}
	if filepath.Base(cmdline(strings.TrimSpace(string(text)))[0]) != name {
		os.Remove(pidFile) // dockerd says what is wrong if it stays
	}
}
