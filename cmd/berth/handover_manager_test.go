package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

// A manager starts the daemon as systemd does by berth.service: it keeps the
// sockets that it is given (FileDescriptorStoreMax), passes them on at the next
// start (LISTEN_FDS), follows the main process (MAINPID), and when it is to
// restart it ends what runs before it starts anew (KillMode=mixed).
type manager struct {
	*machine
	store *fileStore
	first *exec.Cmd
}

// managed starts the daemon by a manager.
func managed(t *testing.T, m *machine) *manager {
	t.Helper()
	store, err := newFileStore(m.beside("notify"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.close() })
	by := &manager{machine: m, store: store}
	by.start(t)
	return by
}

func (by *manager) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(by.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	files, env := by.store.forProcess()
	defer closeFiles(files)
	// The process that systemd starts finds its own number in LISTEN_PID.
	cmd := by.command("/", "sh", "-c", `LISTEN_PID=$$ exec berth serve`)
	for _, e := range env {
		if !strings.HasPrefix(e, "LISTEN_PID=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.ExtraFiles, cmd.Stderr = files, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	by.first = cmd
	go cmd.Wait() // so that it is gone when it is
	by.pid(t)
}

// main is the process that would get systemd's signals.
func (by *manager) main(t *testing.T) *os.Process {
	t.Helper()
	pid, _ := by.store.whoIsMain()
	if pid == 0 {
		return by.first.Process
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return process
}

func (by *manager) restart(t *testing.T) {
	t.Helper()
	by.end(t, syscall.SIGTERM)
	by.start(t)
}

func (by *manager) kill(t *testing.T) {
	t.Helper()
	by.end(t, syscall.SIGKILL)
}

func (by *manager) end(t *testing.T, how syscall.Signal) {
	t.Helper()
	main := by.main(t)
	if err := main.Signal(how); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	began := time.Now()
	if err := gone(ctx, main); err != nil {
		t.Errorf("process %d does not end: %v", main.Pid, err)
	}
	t.Logf("process %d took %s to end by %s", main.Pid, time.Since(began).Round(time.Millisecond), how)
}
