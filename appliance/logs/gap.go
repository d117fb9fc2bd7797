package logs

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// errPassedOver says that lines have been passed over, and are to be read again
// from the last one that was taken.
var errPassedOver = errors.New("lines were passed over")

// A gap is where lines are missing. Docker keeps what a process prints in a few
// files. Who follows it and is behind by more than one of them, because it is a
// flood, is led from the end of that file to the newest, without a word, or hears
// nothing more at all. But who reads from a moment on gets whatever there still
// is.
type gap struct {
	follower *follower

	mu    sync.Mutex // guards the fields below
	began time.Time  // the reading; what was printed before it is not passed over
	from  string     // what has been taken before; "" when it is there, or there was nothing
	at    [len(timeForm)]byte
	when  time.Time // the line of at was taken; zero if there was none
	bytes int       // of lines that are new
	stop  func()    // ends the reading; nil if that ends by itself
	timer *time.Timer
}

// After so many bytes, and so long a silence, it may be that more is there.
const (
	muchText = 256 << 10
	silence  = time.Second
)

// least is how long it takes to print so much that a file is passed over.
const least = 100 * time.Millisecond

// begin is for a reading of what comes after a time, which stop ends.
func (g *gap) begin(from string, stop func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.began, g.from, g.when, g.bytes, g.stop = time.Now(), from, time.Time{}, 0, stop
	g.rest()
}

// end is for a reading that has ended.
func (g *gap) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stop = nil
	g.rest()
}

// rest has nobody look any more. The caller holds mu.
func (g *gap) rest() {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
}

// listen ends a reading in which nothing comes any more after much has.
func (g *gap) listen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.timer == nil || g.stop == nil: // it has ended just now
	case time.Since(g.when) >= silence:
		g.stop()
	default:
		g.timer.Reset(silence)
	}
}

// check returns errPassedOver if there may be lines before the one that comes,
// which was printed at a time. It says so when what has been taken before is
// gone: so may be what came after it.
func (g *gap) check(at []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.from != "" {
		if string(at) > g.from {
			g.tell()
		}
		g.from = ""
	}
	const tenths = len("2006-01-02T15:04:05.0")
	if g.when.IsZero() || string(g.at[:tenths]) == string(at[:tenths]) {
		return nil
	}
	before, err := time.Parse(timeForm, string(g.at[:]))
	now, err2 := time.Parse(timeForm, string(at))
	if err != nil || err2 != nil {
		return nil // of no engine that we know
	}
	// When the one before was taken, this one was there, and long so.
	if now.Sub(before) >= least && now.After(g.began) && g.when.After(now) {
		return errPassedOver
	}
	return nil
}

// taken notes that a line was taken that was printed at a time, and how many
// bytes of it are new.
func (g *gap) taken(at []byte, size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	copy(g.at[:], at)
	g.when = time.Now()
	if g.bytes += size; g.bytes >= muchText && g.timer == nil && g.stop != nil {
		g.timer = time.AfterFunc(silence, g.listen)
	}
}

// tell has the archive say that lines are missing. The caller holds mu.
func (g *gap) tell() {
	f := g.follower
	when, err := time.Parse(timeForm, g.from)
	if err != nil {
		return // of no engine that we know
	}
	text := fmt.Sprintf("… lines were left out: %s printed them faster than they could be read", f.name)
	// If that cannot be written either, people hear of that.
	_ = f.Archive.Add(f.process.App, appliance.LogLine{At: when, Process: f.name, Release: f.process.Release, Stream: appliance.Remark, Text: text})
}
