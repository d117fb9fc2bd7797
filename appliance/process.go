package appliance

import (
	"fmt"
	"syscall"
)

// Name is what people call a process: "web.1".
func (p Process) Name() string { return fmt.Sprintf("%s.%d", p.Type, p.Index) }

// Ending tells how a process that does not run has ended, as what follows its
// name: "exited with status 3", "was ended: out of memory (limit 256 MB, peak
// 256 MB)".
func (p Process) Ending() string {
	if !p.OOM {
		return Ending(p.ExitStatus)
	}
	limit := "it has no limit: the machine had none left"
	if p.Limit > 0 {
		limit = "limit " + roundMB(p.Limit)
	}
	return "was ended: out of memory (" + limit + ", " + p.peak() + ")"
}

// peak tells how much memory it had. What the kernel has counted is gone with
// the process, so it is not always known.
func (p Process) peak() string {
	switch {
	case p.Peak <= 0:
		return "peak not seen"
	case p.PeakOpen:
		return "peak at least " + roundMB(p.Peak)
	}
	return "peak " + roundMB(p.Peak)
}

// roundMB writes a number of bytes in MB.
func roundMB(n int64) string { return fmt.Sprintf("%d MB", (n+1<<19)>>20) }

// How a shell says that it could not start a command.
const (
	StatusNotExecutable = 126
	StatusNotFound      = 127
)

// signalStatus is the status of what signal 0 would end: the n-th signal's is
// as much higher.
const signalStatus = 128

// signals are those that end processes, as people call them.
var signals = map[syscall.Signal]string{
	syscall.SIGHUP: "SIGHUP: hung up", syscall.SIGINT: "SIGINT: interrupted", syscall.SIGQUIT: "SIGQUIT: quit",
	syscall.SIGILL: "SIGILL: illegal instruction", syscall.SIGTRAP: "SIGTRAP: trap", syscall.SIGABRT: "SIGABRT: aborted",
	syscall.SIGBUS: "SIGBUS: bus error", syscall.SIGFPE: "SIGFPE: arithmetic error", syscall.SIGKILL: "SIGKILL: killed",
	syscall.SIGSEGV: "SIGSEGV: segmentation fault", syscall.SIGPIPE: "SIGPIPE: broken pipe", syscall.SIGTERM: "SIGTERM: told to end",
	syscall.SIGXCPU: "SIGXCPU: out of CPU time", syscall.SIGSYS: "SIGSYS: bad system call",
}

// Ending tells what an exit status says of an end.
func Ending(status int) string {
	if name := signals[syscall.Signal(status-signalStatus)]; status > signalStatus && name != "" {
		return fmt.Sprintf("ended with status %d (%s)", status, name)
	}
	switch status {
	case StatusNotFound:
		return "exited with status 127 (its command was not found)"
	case StatusNotExecutable:
		return "exited with status 126 (its command cannot be executed)"
	}
	return fmt.Sprintf("exited with status %d", status)
}
