package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/berthhq/berth/appliance"
)

// logLimit is the size, in bytes, past which the supervisor's log is rotated.
const logLimit = 16 << 20

// A supervisor does for "berth serve" what systemd would do: it starts it,
// starts it again when it ends, and does the same for dockerd where nobody
// else does. Killing the supervisor kills neither: the next one finds them and
// goes on from there.
type supervisor struct {
	pidFile   string
	logFile   string // "" for standard error
	envFile   string
	serveArgs []string
	grace     time.Duration // how long a program may take to end
	docker    dockerd       // zero for the machine's own dockerd
}

// run keeps the programs running until ctx is done, then stops what it, or a
// supervisor before it, has started. SIGHUP makes it begin anew with the
// binary and the environment of that moment; dockerd keeps running meanwhile,
// and so does a serve that can be asked to replace itself: see reload.
func (s *supervisor) run(ctx context.Context) error {
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := s.openLog()
	if err != nil {
		return err
	}
	defer out.Close()
	env, err := s.environ(os.Environ())
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	sayReady()
	// Whatever root's shell is set to: users of an image must be able to read
	// what the daemon packs into it.
	syscall.Umask(0o022)

	// The engine outlives what uses it, and a reload does not stop it.
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	serveCtx, stopServe := context.WithCancel(ctx)
	defer stopEngine()
	defer stopServe()
	var engine, serve sync.WaitGroup
	engineProgram := s.docker.program(s.program("dockerd", nil, env, out, log))
	if lookup(env, "BERTH_SUPERVISE_DOCKER") == "1" {
		engine.Go(func() { engineProgram.keep(engineCtx) })
	}
	serveProgram := s.program("serve", append([]string{self, "serve"}, s.serveArgs...), env, out, log)
	store, err := newFileStore(strings.TrimSuffix(s.pidFile, ".pid")+".notify", log)
	if err != nil {
		return fmt.Errorf("keep the sockets of berth serve: %w", err)
	}
	store.afterExec()
	serveProgram.store = store
	serveDir := s.serveConfig(env).dir
	serveProgram.found = func() {
		// It gives its sockets to each supervisor once. If it does not listen
		// yet, then it will.
		_, _ = ask(serveCtx, serveDir, request{Do: doKeep}, io.Discard)
	}
	serve.Go(func() { serveProgram.keep(serveCtx) })
	serve.Go(func() { s.rotate(serveCtx, out, log) })

	select {
	case <-ctx.Done():
		serve.Wait()
		stopEngine()
		engine.Wait()
		engineProgram.stop()
		return store.close()
	case <-hangup:
		log.Info("begin anew")
		if !listens(config{dir: serveDir}.path(controlName)) {
			stopServe()
			serve.Wait()
		}
		kept, err := store.overExec()
		if err != nil {
			return fmt.Errorf("begin anew: %w", err)
		}
		// The lock goes with the old image. Should another supervisor be
		// quicker to take it, then that one goes on, and we end.
		return fmt.Errorf("begin anew: %w", syscall.Exec(self, os.Args, append(os.Environ(), kept)))
	}
}

// serveConfig is the configuration of the serve that env and our arguments
// make. What is wrong with it serve says itself.
func (s *supervisor) serveConfig(env []string) config {
	cfg, _, _ := parseConfig(s.serveArgs, func(key string) string { return lookup(env, key) })
	return cfg
}

// listens tells whether somebody listens at a socket.
func listens(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func (s *supervisor) program(name string, argv, env []string, out *os.File, log *slog.Logger) *program {
	return &program{
		name: name, argv: argv, mark: s.mark(name), env: env,
		out: out, grace: s.grace, log: log.With("program", name),
	}
}

// mark is in the environment of a program that this machine's supervisor has
// started, and so tells it from every other. A file could be out of date.
func (s *supervisor) mark(name string) string {
	path, err := filepath.Abs(s.pidFile)
	if err != nil {
		path = s.pidFile // only when there is no working directory; any name will do
	}
	return "BERTH_SUPERVISED=" + name + "@" + path
}

// lock takes the pid file. The kernel gives the lock back when we end, in
// whatever way.
func (s *supervisor) lock() (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(s.pidFile), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.pidFile, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("berth is supervised already, see %s: %w", s.pidFile, appliance.ErrBusy)
		}
		return nil, fmt.Errorf("lock %s: %w", s.pidFile, err)
	}
	err = errors.Join(f.Truncate(0), f.Sync())
	if err == nil {
		_, err = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	return f, err
}

// running returns the process id of the supervisor that runs, or ErrNotFound.
func (s *supervisor) running() (int, error) {
	nobody := appliance.WithHint(fmt.Errorf("supervisor of %s: %w", s.pidFile, appliance.ErrNotFound),
		"start it with berth supervise --detach --log /var/log/berth.log")
	f, err := os.Open(s.pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nobody
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		return 0, nobody
	}
	text := make([]byte, 32)
	n, _ := f.Read(text) // an empty file is no number
	return strconv.Atoi(string(bytes.TrimSpace(text[:n])))
}

// reload has the serve that runs replaced by the binary and the environment
// of this moment, without losing a request, and then the supervisor likewise. A
// serve that cannot be asked is ended, and started again; reload returns once
// it has ended.
func (s *supervisor) reload(ctx context.Context, out io.Writer) error {
	pid, err := s.running()
	if err != nil {
		return err
	}
	running := *s
	_, running.serveArgs = cut(cmdline(strconv.Itoa(pid)), "--")
	base, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return err
	}
	env, err := running.environ(strings.Split(strings.TrimRight(string(base), "\x00"), "\x00"))
	if err != nil {
		return err
	}
	err = reload(ctx, running.serveConfig(env), env, out)
	if err == nil {
		return syscall.Kill(pid, syscall.SIGHUP)
	}
	if !errors.Is(err, errNoDaemon) {
		return err
	}
	serve, err := s.serveProgram()
	if err != nil {
		return err
	}
	process, _ := serve.find()
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil || process == nil {
		return err
	}
	return gone(ctx, process)
}

// cut returns what is before and after the first word that is sep.
func cut(words []string, sep string) (before, after []string) {
	if i := slices.Index(words, sep); i >= 0 {
		return words[:i], words[i+1:]
	}
	return words, nil
}

// stop ends the supervisor that runs, if one does, and what a supervisor that
// was killed has left. It leaves the engine running if keepEngine.
func (s *supervisor) stop(ctx context.Context, keepEngine bool) error {
	if pid, err := s.running(); err == nil {
		process, err := os.FindProcess(pid)
		if err != nil {
			return err
		}
		how := syscall.SIGTERM
		if keepEngine {
			how = syscall.SIGKILL // which ends the supervisor and nothing else
		}
		if err := process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		if err := gone(ctx, process); err != nil {
			return fmt.Errorf("wait for process %d: %w", pid, err)
		}
	}
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	serve, err := s.serveProgram()
	if err != nil {
		return err
	}
	serve.stop()
	if !keepEngine {
		s.docker.program(s.program("dockerd", nil, nil, nil, serve.log)).stop()
	}
	return os.Remove(s.pidFile)
}

// serveProgram is serve for who wants to find it, not to start it.
func (s *supervisor) serveProgram() (*program, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// Who waits sees only that it takes a while.
	return s.program("serve", []string{self, "serve"}, nil, nil, slog.New(slog.DiscardHandler)), nil
}

func (s *supervisor) openLog() (*os.File, error) {
	if s.logFile == "" {
		fd, err := syscall.Dup(int(os.Stderr.Fd()))
		return os.NewFile(uintptr(fd), "stderr"), err
	}
	return os.OpenFile(s.logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

// rotate keeps the log from filling the disk. The programs write to the file
// themselves, so that they can outlive the supervisor; therefore it is copied
// and emptied rather than renamed, and everyone appends.
func (s *supervisor) rotate(ctx context.Context, out *os.File, log *slog.Logger) {
	if s.logFile == "" {
		return
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := rotateLog(s.logFile, logLimit); err != nil {
			log.Error("rotate the log", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// rotateLog moves the content of the file at path to path.1 if it is more
// than limit bytes.
func rotateLog(path string, limit int64) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() <= limit {
		return err
	}
	text, err := os.Open(path)
	if err != nil {
		return err
	}
	defer text.Close()
	old, err := os.OpenFile(path+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = old.ReadFrom(text)
	return errors.Join(err, old.Close(), os.Truncate(path, 0))
}

// environ is an environment with what the file says on top of it.
func (s *supervisor) environ(env []string) ([]string, error) {
	text, err := os.ReadFile(s.envFile)
	if errors.Is(err, fs.ErrNotExist) {
		return env, nil
	}
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			// The line is not quoted: it may be a secret.
			return nil, fmt.Errorf("%s: a line is not KEY=value: %w", s.envFile, appliance.ErrInvalid)
		}
		env = append(env, key+"="+unquote(value))
	}
	return env, nil
}

// unquote takes off the quotes that systemd would take off.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// lookup returns the value of key in env; the last one counts.
func lookup(env []string, key string) (value string) {
	for _, e := range env {
		if k, v, _ := strings.Cut(e, "="); k == key {
			value = v
		}
	}
	return value
}
