package docker

import (
	"os"
	"strconv"
	"time"
)

// A watched is a cgroup whose end, and what led to it, is of interest.
type watched struct {
	*cgroup
	wake    *wake     // nil until the cgroup is there
	began   time.Time // when the first of its processes was seen, or zero
	gone    time.Time // when it was found to be gone, or zero
	kills   int64     // processes ended for want of memory
	refused int64     // forks that were refused for want of a pid
}

// look takes note of what has happened in it.
func (w *watched) look() {
	if w.wake == nil {
		if !w.gone.IsZero() || !w.there() {
			return
		}
		w.wake = w.cgroup.wake()
	}
	w.wake.look()
	// What is gone counts nothing any more.
	w.kills = max(w.kills, w.oomKills())
	w.refused = max(w.refused, w.forksRefused())
}

// end notes that it is gone.
func (w *watched) end() {
	w.gone = time.Now()
	if w.wake == nil {
		return
	}
	if w.kills == 0 && w.wake.outOfMemory() {
		w.kills = 1
	}
	w.wake.close()
	w.wake = nil
}

// raisedFor is how long after its beginning all processes of a cgroup are
// looked at. What they start later inherits from them.
const raisedFor = time.Second

// settled tells whether it has been running for a while.
func (w *watched) settled() bool { return !w.began.IsZero() && time.Since(w.began) > raisedFor }

// raise makes the kernel, when the machine is out of memory, end what runs in
// the cgroup before it ends an app. BuildKit's steps inherit the score of
// Docker itself, which is the last that should be ended.
func (w *watched) raise() {
	if w.settled() {
		return
	}
	for _, pid := range w.processes() {
		if w.began.IsZero() {
			w.began = time.Now()
		}
		// One that has gone needs none.
		_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte(strconv.Itoa(runOOMScore)), 0)
	}
}
