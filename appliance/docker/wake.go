package docker

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A wake says when something has happened in a cgroup. To look now and then
// will not do: a step of a build that was ended for want of memory is gone a
// few milliseconds later, and what the kernel has counted with it.
type wake struct {
	group   *cgroup
	files   []*os.File // that the kernel says to have changed
	event   int        // version 1's eventfd for the end of memory, or -1
	signals int64      // that came by it
}

// wake has the kernel tell of what happens in a cgroup. What it cannot tell is
// still found when somebody looks.
func (g *cgroup) wake() *wake {
	w := g.wakeOfMemory()
	w.open("pids", "pids.events")
	return w
}

// wakeOfMemory is a wake that says nothing but that memory runs out, and that
// the cgroup comes to its end.
func (g *cgroup) wakeOfMemory() *wake {
	w := &wake{group: g, event: -1}
	if g.unified {
		w.open("memory", "memory.events")
	} else {
		w.listen()
	}
	return w
}

func (w *wake) open(controller, name string) {
	if f, err := os.Open(w.group.file(controller, name)); err == nil {
		w.files = append(w.files, f)
	}
}

// listen asks version 1 to be told when memory runs out.
func (w *wake) listen() {
	oom, err := os.Open(w.group.file("memory", "memory.oom_control"))
	if err != nil {
		return
	}
	defer oom.Close()
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return
	}
	if !w.group.write("memory", "cgroup.event_control", fmt.Sprintf("%d %d", fd, oom.Fd())) {
		_ = unix.Close(fd)
		return
	}
	w.event = fd
}

// look takes note of what has been told.
func (w *wake) look() {
	for _, f := range w.files {
		_, _ = f.ReadAt(make([]byte, 1), 0) // until it is read, it counts as changed
	}
	var n [8]byte
	if w.event < 0 {
		return
	}
	if _, err := unix.Read(w.event, n[:]); err == nil { // or else nothing has happened
		w.signals += int64(binary.NativeEndian.Uint64(n[:]))
	}
}

// outOfMemory tells, of a cgroup that is gone, whether it had been out of
// memory. Version 1 signals that, and a moment after it the end of the cgroup.
func (w *wake) outOfMemory() bool {
	w.look()
	if w.signals == 1 {
		sleep([]*wake{{event: w.event}}, nil, 200*time.Millisecond)
		w.look()
	}
	return w.signals > 1
}

func (w *wake) close() {
	if w.event >= 0 {
		_ = unix.Close(w.event)
	}
	for _, f := range w.files {
		_ = f.Close() // it was only read
	}
}

// polled returns what to wait for.
func (w *wake) polled() []unix.PollFd {
	var fds []unix.PollFd
	if w.event >= 0 {
		fds = append(fds, unix.PollFd{Fd: int32(w.event), Events: unix.POLLIN})
	}
	for _, f := range w.files {
		fds = append(fds, unix.PollFd{Fd: int32(f.Fd()), Events: unix.POLLPRI})
	}
	return fds
}

// sleep waits until something happens in one of the cgroups, or there is news,
// but no longer than a time.
func sleep(wakes []*wake, news *news, longest time.Duration) {
	var fds []unix.PollFd
	if news != nil {
		fds = append(fds, unix.PollFd{Fd: int32(news.fd), Events: unix.POLLIN})
	}
	for _, w := range wakes {
		fds = append(fds, w.polled()...)
	}
	// However it ends, the next thing is to look.
	_, _ = unix.Poll(fds, int(longest.Milliseconds()))
}
