package appliance

import (
	"fmt"
	"syscall"
)

// Name is what people call a process: "web.1".
func (p Process) Name() string { return fmt.Sprintf("%s.%d", p.Type, p.Index) }

// Ending tells how a process has ended, if that is known, as what follows its
// name: "exited with status 3", "was ended: out of memory (limit 256 MB, peak
// 256 MB)".
func (p Process) Ending() string {
	if !p.OOM {
		return Ending(p.ExitStatus)
	}
	return "was ended: " + outOfMemory(p.Limit, p.Peak, p.PeakOpen)
}

// OutOfMemory tells how much memory a run had that was ended for want of it:
// "out of memory (limit 256 MB, peak 256 MB)".
func (r RunResult) OutOfMemory() string { return outOfMemory(r.Limit, r.Peak, r.PeakOpen) }

// outOfMemory tells how much memory something had. What the kernel has counted
// is gone with it, so it is not always known.
func outOfMemory(limit, peak int64, open bool) string {
	text := "out of memory (it has no limit: the machine had none left"
	if limit > 0 {
		text = "out of memory (limit " + roundMB(limit)
	}
	switch {
	case peak <= 0:
		return text + ", peak not seen)"
	case open:
		return text + ", peak at least " + roundMB(peak) + ")"
	}
	return text + ", peak " + roundMB(peak) + ")"
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
