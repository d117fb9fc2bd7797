package docker

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/appliance"
)

// Docker tells that a container was out of memory, but not how much it had,
// and what the kernel has counted is gone with the container's cgroup. So it is
// read while that is there: at once when the kernel says that memory runs out,
// and now and then because it does not say so when it is the machine's.

// sampled is how often the memory of what runs is looked at.
const sampled = 5 * time.Second

// A tally is what is known of the memory of one container.
type tally struct {
	group   *cgroup
	wake    *wake    // nil when it does not run
	usage   *os.File // of this life
	most    *os.File // of this life; nil where the kernel does not keep it
	highest          // of this life, or of the last one
	was     highest  // of the one before that
}

// A highest is the most memory of one life.
type highest struct {
	peak  int64
	whole bool // peak was read when memory had run out: there is none higher
}

// look takes note of how much memory there was.
func (t *tally) look() {
	if t.wake == nil && !t.begin() {
		return
	}
	t.wake.look()
	out := t.wake.signals > 0 || t.group.outsOfMemory() > 0
	now, err := readNumber(t.usage)
	if err != nil { // the cgroup is gone, though there may be another in its place
		t.end()
		return
	}
	t.peak = max(t.peak, now)
	if t.most == nil {
		// It may have come after the other one; version 2 has it since Linux 5.19.
		_, most := t.group.memoryFiles()
		if t.most, err = os.Open(most); err != nil {
			t.most = nil
			return
		}
	}
	if most, err := readNumber(t.most); err == nil {
		t.peak, t.whole = max(t.peak, most), t.whole || out
	}
}

// begin tells whether the container has begun to run.
func (t *tally) begin() bool {
	usage, _ := t.group.memoryFiles()
	f, err := os.Open(usage)
	if err != nil {
		return false
	}
	t.usage, t.was, t.highest = f, t.highest, highest{}
	delete(t.group.written, t.group.file("memory", "cgroup.event_control")) // that was another life's
	t.wake = t.group.wakeOfMemory()
	return true
}

func (t *tally) end() {
	if t.wake == nil {
		return
	}
	t.wake.close()
	t.wake = nil
	_ = t.usage.Close() // they were only read
	if t.most != nil {
		_ = t.most.Close()
		t.most = nil
	}
}

// readNumber reads a file of one number anew.
func readNumber(f *os.File) (int64, error) {
	var b [32]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b[:n])), 10, 64)
}

// peaks are the tallies of the processes of an engine. Its zero value is ready.
type peaks struct {
	mu      sync.Mutex
	of      map[string]*tally // by container; all of them by one goroutine, and only with mu
	nudge   int               // an eventfd that wakes that goroutine
	began   bool
	closing bool
	done    chan struct{}
}

// enrol has the memory of a container looked at from now on, in its cgroup.
func (p *peaks) enrol(id string, group *cgroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return
	}
	if !p.began {
		fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			return // nobody will know how much it was
		}
		p.nudge, p.began, p.of, p.done = fd, true, map[string]*tally{}, make(chan struct{})
		go p.watch()
	}
	if t := p.of[id]; t != nil {
		t.end()
	}
	p.of[id] = &tally{group: group}
	p.of[id].look()
	p.wakeUp()
}

// wakeUp makes the goroutine look at what there is. The caller holds mu.
func (p *peaks) wakeUp() {
	_, _ = unix.Write(p.nudge, binary.NativeEndian.AppendUint64(nil, 1)) // which fails only if it is awake
}

// knows tells whether a container is looked at, and whether it is seen to run.
func (p *peaks) knows(id string) (known, running bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.of[id]
	return t != nil, t != nil && t.wake != nil
}

// running returns the cgroup of a container that is seen to run, or nil. It is
// for reading.
func (p *peaks) running(id string) *cgroup {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.of[id]; t != nil && t.wake != nil {
		return t.group
	}
	return nil
}

// last returns the most memory that a container had in its last life, or in
// this one so far, and whether it may have been more. It is 0 if nobody knows.
func (p *peaks) last(id string) (peak int64, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.of[id]
	if t == nil {
		return 0, false
	}
	return t.peak, !t.whole
}

// before returns what last does, of the life before the one that a container
// that runs again is in.
func (p *peaks) before(id string) (peak int64, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.of[id]
	if t == nil {
		return 0, false
	}
	t.look() // which may find that the life is over
	if t.wake == nil {
		t.look()
	}
	p.wakeUp() // it waits for another life
	life := t.highest
	if t.wake != nil {
		life = t.was
	}
	return life.peak, !life.whole
}

// forget gives a container up.
func (p *peaks) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.of[id]; t != nil {
		t.end()
		delete(p.of, id)
		p.wakeUp() // it waits for what is closed
	}
}

func (p *peaks) close() {
	p.mu.Lock()
	began := p.began
	p.closing = true
	if began {
		p.wakeUp()
	}
	p.mu.Unlock()
	if began {
		<-p.done
	}
}

// watch looks at the memory of what runs, whenever there is reason to.
func (p *peaks) watch() {
	defer close(p.done)
	began := map[string]*news{} // by directory: what begins there
	var waited []*tally
	var fds []unix.PollFd
	for {
		p.mu.Lock()
		if p.closing {
			for _, t := range p.of {
				t.end()
			}
			_ = unix.Close(p.nudge)
			p.mu.Unlock()
			for _, n := range began {
				n.close()
			}
			return
		}
		longest := sampled
		fds, waited = append(fds[:0], unix.PollFd{Fd: int32(p.nudge), Events: unix.POLLIN}), waited[:0]
		for _, t := range p.of {
			dir := filepath.Dir(t.group.dirs["memory"])
			if began[dir] == nil {
				began[dir] = newsOf(dir)
			}
			if t.wake == nil {
				if t.look(); t.wake == nil && began[dir] == nil {
					longest = seldom // nobody will tell when it begins
				}
			}
			if t.wake != nil {
				for _, fd := range t.wake.polled() {
					fds, waited = append(fds, fd), append(waited, t)
				}
			}
		}
		p.mu.Unlock()
		first := len(fds)
		for _, n := range began {
			if n != nil {
				fds = append(fds, unix.PollFd{Fd: int32(n.fd), Events: unix.POLLIN})
			}
		}
		n, _ := unix.Poll(fds, int(longest.Milliseconds())) // however it ends, the next thing is to look
		p.mu.Lock()
		var b [8]byte
		_, _ = unix.Read(p.nudge, b[:]) // there may have been none
		if n == 0 {
			for _, t := range p.of {
				t.look()
			}
		}
		for i, t := range waited {
			if fds[1+i].Revents != 0 && t.wake != nil {
				t.look()
			}
		}
		p.mu.Unlock()
		if n > 0 && len(fds) > first {
			for _, n := range began {
				n.forget()
			}
		}
	}
}

// count has the memory of a process looked at, of which Docker has just said
// what it knows.
func (e *Engine) count(ctx context.Context, c container.InspectResponse) {
	known, running := e.peaks.knows(c.ID)
	if !known {
		e.expect(ctx, c.ID)
		_, running = e.peaks.knows(c.ID)
	}
	if running || c.State == nil || c.State.Pid == 0 {
		return
	}
	if group, err := cgroups.of(c.State.Pid); err == nil { // or else it has ended
		e.peaks.enrol(c.ID, group)
	}
}

// expect has the memory of a container looked at that may not have started yet,
// so that nothing of it is missed. If it will be in a cgroup elsewhere, count
// finds that when it runs.
func (e *Engine) expect(ctx context.Context, id string) {
	info, err := e.machine(ctx)
	if err != nil {
		return
	}
	path := "/docker/" + id
	if info.CgroupDriver == "systemd" {
		path = "/system.slice/docker-" + id + ".scope"
	}
	e.peaks.enrol(id, cgroups.cgroup(func(string) string { return path }))
}

// look returns what there is to know of a process, of which Docker has just
// said what it knows.
func (e *Engine) look(ctx context.Context, c container.InspectResponse) appliance.Process {
	e.count(ctx, c)
	p := e.process(c)
	switch {
	case !p.Running:
		if p.OOM = e.outOfMemory(ctx, c, 0); p.OOM {
			p.Peak, p.PeakOpen = e.peaks.last(c.ID)
		}
	case p.Restarts > 0:
		last := e.lastEnd(ctx, c)
		p.EndKnown, p.ExitStatus, p.OOM = last.known, last.status, last.oom
		if last.oom || last.status == statusKilled {
			peak, more := e.peaks.before(c.ID)
			if p.OOM = last.oom || peak > 0 && !more; p.OOM {
				p.Peak, p.PeakOpen = peak, more
			}
		}
	}
	return p
}
