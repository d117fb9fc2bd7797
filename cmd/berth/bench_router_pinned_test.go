package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A pinned process has its processors, and dies with the benchmark.
type pinned struct {
	*exec.Cmd
	said string // file with what it wrote to stderr
}

// start starts a process on the processors cpu. What it prints is dropped, as
// kamal-proxy's access log goes there and cannot be turned off.
func (l *lab) start(cpu string, cmd *exec.Cmd) *pinned {
	l.Helper()
	argv := append([]string{"taskset", "-c", cpu}, cmd.Args...)
	if cmd.Path != cmd.Args[0] && cmd.Args[0] == benchProcess {
		// taskset has no way to say argv[0], by which our binary knows its part.
		argv = append([]string{"taskset", "-c", cpu, l.alias(cmd.Path)}, cmd.Args[1:]...)
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		l.Fatal(err)
	}
	cmd.Path, cmd.Args = taskset, argv
	said, err := os.CreateTemp(l.dir, "said-*")
	if err != nil {
		l.Fatal(err)
	}
	defer said.Close() // the process has its own
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		l.Fatal(err)
	}
	p := &pinned{Cmd: cmd, said: said.Name()}
	l.Cleanup(p.stop)
	return p
}

// alias is a path of this binary under the name by which it plays a part.
func (l *lab) alias(binary string) string {
	l.Helper()
	path := filepath.Join(l.dir, benchProcess)
	if err := os.Symlink(binary, path); err != nil && !os.IsExist(err) {
		l.Fatal(err)
	}
	return path
}

// stop ends the process and its children. It has nothing to lose.
func (p *pinned) stop() {
	if p.ProcessState != nil {
		return
	}
	_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL) // it may have ended by itself
	_ = p.Wait()                                      // says that it was killed
}

// cpu is the processor time that the process, its children and the children
// that have ended took.
func (p *pinned) cpu() (spent time.Duration) {
	for _, pid := range family(p.Process.Pid) {
		fields := processStat(pid)
		for i := 11; i < 15 && i < len(fields); i++ { // utime stime cutime cstime
			spent += jiffies(fields[i])
		}
	}
	return spent
}

// processor says what a processor has spent, and how much of it on the network.
// Kernels that account for that precisely (CONFIG_IRQ_TIME_ACCOUNTING) leave it
// out of the time of the process whose packets these are; others put it there,
// and show nothing here. Over loopback the sender's processor does this work.
func processor(cpu string) (spent, network time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		// user nice system idle iowait irq softirq steal
		if f := strings.Fields(line); len(f) > 7 && f[0] == "cpu"+cpu {
			network = jiffies(f[6]) + jiffies(f[7])
			return jiffies(f[1]) + jiffies(f[2]) + jiffies(f[3]) + network, network
		}
	}
	return 0, 0
}

// jiffies reads a time that the kernel wrote, in hundredths of a second.
func jiffies(text string) time.Duration {
	n, _ := strconv.Atoi(text) // the kernel writes numbers
	return time.Duration(n) * time.Second / 100
}

// rss is the memory that the process and its children hold. What a master and
// its workers share counts for each.
func (p *pinned) rss() (bytes int64) {
	for _, pid := range family(p.Process.Pid) {
		if fields := processStat(pid); len(fields) > 21 {
			pages, _ := strconv.ParseInt(fields[21], 10, 64) // the kernel writes numbers
			bytes += pages * int64(os.Getpagesize())
		}
	}
	return bytes
}

// family is a process and all that descend from it.
func family(root int) (pids []int) {
	children := map[int][]int{}
	all, _ := filepath.Glob("/proc/[0-9]*") // the pattern is good
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if fields := processStat(pid); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	pids = []int{root}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}

// processStat is what /proc says of a process from its state on, behind the
// name, which may have blanks. It is empty for a process that has gone.
func processStat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}
