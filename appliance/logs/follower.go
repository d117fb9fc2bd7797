package logs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A follower takes what one process prints, for as long as its container is
// there.
type follower struct {
	*Collector
	process appliance.Process // as it was when it was seen first
	name    string            // "web.1"
	book    *book
	streams [2]*stream
	again   chan struct{} // has a value when the process may run again
	cancel  func()        // nil if it has no goroutine
	done    chan struct{}
	seen    appliance.Process // as it was when the collector looked last; the collector's mu guards it

	span // the run that is followed

	telling sync.Mutex // held while the end of a run is told; guards judged
	judged  time.Time  // the beginning of the run whose end has been told

	gap  gap
	rate rate
}

func newFollower(c *Collector, p appliance.Process) *follower {
	f := &follower{Collector: c, process: p, seen: p, name: fmt.Sprintf("%s.%d", p.Type, p.Index), book: c.Archive.book(p.App), again: make(chan struct{}, 1)}
	f.span = spanOf(p)
	f.gap.follower, f.rate.follower, f.rate.most = f, f, cmp.Or(c.MaxRate, defaultRate)
	for i, of := range []appliance.LogStream{appliance.Stdout, appliance.Stderr} {
		source := short(p.ID) + string(of)
		f.streams[i] = &stream{follower: f, source: source, prefix: fmt.Appendf(nil, "%s v%d %s", f.name, p.Release, source)}
	}
	return f
}

// poke has a follower that waits look at its process again.
func (f *follower) poke() {
	select {
	case f.again <- struct{}{}:
	default: // it has been given already
	}
}

// run follows the process until its container is gone, or ctx is done.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.read(ctx, true)
		if errors.Is(err, errPassedOver) {
			continue
		}
		if ctx.Err() == nil && err == nil {
			err = f.read(ctx, false) // what following may have missed when it ended
		}
		if errors.Is(err, appliance.ErrNotFound) || ctx.Err() != nil {
			return
		}
		now, err := f.await(ctx, err)
		if err != nil {
			return
		}
		f.span = spanOf(now)
	}
}

// await returns the process when it runs, or when it is to be read again after
// a failure. It tells of the end of a run.
func (f *follower) await(ctx context.Context, failed error) (appliance.Process, error) {
	if failed != nil {
		f.Log.WarnContext(ctx, "collect logs", "app", f.process.App, "process", f.name, "err", failed)
	}
	for {
		wait := time.After(time.Hour)
		processes, err := f.Engine.Processes(ctx, f.process.App)
		i := slices.IndexFunc(processes, func(p appliance.Process) bool { return p.ID == f.process.ID })
		switch {
		case err != nil:
			wait = time.After(retryEvery)
		case i < 0:
			return f.process, appliance.ErrNotFound
		default:
			f.judge(ctx, processes[i])
			if processes[i].Running || failed != nil {
				if failed != nil || processes[i].Started.Equal(f.began) {
					pause(ctx, retryEvery) // it is the engine that has a bad moment
				}
				return processes[i], ctx.Err()
			}
		}
		select {
		case <-ctx.Done():
			return f.process, ctx.Err()
		case <-f.again:
		case <-wait:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// judge tells whether the run has ended by itself.
func (f *follower) judge(ctx context.Context, now appliance.Process) {
	if f.isStopping(now.ID) {
		return
	}
	if now.Restarting || !now.Running || now.Restarts > f.restarts {
		f.crashed(ctx, now, f.span)
	}
}

// settle is how long the last lines of a run may take to come.
const settle = time.Second

// restarted tells of the end of a run that following has passed over: an engine
// that starts a process again at once may go on with its log as if nothing had
// been.
func (f *follower) restarted(ctx context.Context, now, before appliance.Process) {
	pause(ctx, settle)
	if ctx.Err() == nil && !f.isStopping(now.ID) {
		f.crashed(ctx, now, spanOf(before))
	}
}

// read takes what the process has printed since it was read last, and, with
// follow, what it prints until it ends.
func (f *follower) read(ctx context.Context, follow bool) error {
	latest := ""
	for _, s := range f.streams {
		at, err := f.Archive.reached(f.book, s.source)
		if err != nil {
			return err
		}
		// It knows of lines that were left out, too.
		if at.At > s.last.At {
			s.last = at
		}
		s.begin(s.last)
		latest = max(latest, s.last.At)
	}
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var cut func()
	if follow {
		cut = func() { stop(errPassedOver) }
	}
	f.gap.begin(latest, cut)
	var since time.Time
	if reached, err := time.Parse(timeForm, latest); err == nil {
		since = reached.Add(-unordered)
	}
	err := f.Engine.Logs(reading, f.process.ID, appliance.LogOptions{Follow: follow, Timestamps: true, Since: since, Err: f.streams[1]}, f.streams[0])
	f.gap.end()
	if errors.Is(err, errPassedOver) || context.Cause(reading) == errPassedOver {
		return errPassedOver // what is of a line that goes on is read again
	}
	for _, s := range f.streams {
		err = errors.Join(err, s.end())
	}
	return err
}

// unordered is by how much lines of the two streams may be out of order.
const unordered = time.Second

// A stream takes one of the two streams of a process, message by message.
type stream struct {
	*follower
	source string
	prefix []byte

	from mark   // what has been taken before
	last mark   // what has been taken, or left out
	old  bool   // the messages that come may have been
	part []byte // of a line that goes on: its time and its text
}

// maxText is how much of a line is one record, in bytes.
const maxText = 64 << 10

// begin has the stream pass over what has been taken.
func (s *stream) begin(from mark) {
	s.from, s.old, s.part = from, from.At != "", s.part[:0]
}

// Write takes a message.
func (s *stream) Write(message []byte) (int, error) {
	n := len(message)
	if n <= len(timeForm) || message[len(timeForm)] != ' ' {
		return n, nil // of no engine that we know
	}
	if err := s.gap.check(message[:len(timeForm)]); err != nil {
		return 0, err
	}
	line, whole := bytes.CutSuffix(message, []byte("\n"))
	if len(s.part) > 0 {
		line = append(s.part, line[len(timeForm)+1:]...)
		s.part = line
	}
	if !whole && len(line) < maxText {
		if len(s.part) == 0 {
			s.part = append(s.part, line...)
		}
		return n, nil
	}
	err := s.take(line[:len(timeForm)], line[len(timeForm)+1:])
	s.part = s.part[:0]
	if s.old {
		line = nil
	}
	s.gap.taken(message[:len(timeForm)], len(line))
	return n, err
}

// end takes a line that has no end.
func (s *stream) end() error {
	if len(s.part) == 0 {
		return nil
	}
	part := s.part
	s.part = nil
	return s.take(part[:len(timeForm)], part[len(timeForm)+1:])
}

// take takes a line.
func (s *stream) take(at, text []byte) error {
	if !s.old && s.repeats(at) {
		s.from, s.old = s.last, true
	}
	if s.old {
		switch c := bytes.Compare(at, []byte(s.from.At)); {
		case c < 0:
			return nil
		case c == 0 && s.from.Same > 0:
			s.from.Same--
			return nil
		}
		s.old = false
	}
	if s.rate.allows(at, len(text)) {
		if err := s.Archive.add(s.book, at, s.prefix, text); err != nil {
			return err
		}
	}
	if s.last.At == string(at) {
		s.last.Same++
	} else {
		s.last = mark{string(at), 1}
	}
	return nil
}

// repeats tells whether a line that was printed at a time comes again: Docker may
// begin anew with a file that it has just led a follower through. When it is the
// clock that was set back, what has been taken is yet to come, by that clock.
func (s *stream) repeats(at []byte) bool {
	return string(at) < s.last.At && time.Now().UTC().Format(timeForm) > s.last.At
}

// What a process may print in a second: lines, and bytes of them. It is more
// than is good for anybody.
const (
	defaultRate = 100_000
	maxBytes    = 32 << 20
)

// A rate counts what a process prints, by the times of its lines, so that what
// is read late counts for the second in which it was printed.
type rate struct {
	follower *follower
	most     int

	counting sync.Mutex // guards the fields below
	second   [len("2006-01-02T15:04:05")]byte
	lines    int
	bytes    int
	left     int // out, since it was told
	leftAt   []byte
}

// allows reports whether a line is to be kept, and counts it.
func (r *rate) allows(at []byte, size int) bool {
	r.counting.Lock()
	defer r.counting.Unlock()
	if string(r.second[:]) != string(at[:len(r.second)]) {
		copy(r.second[:], at)
		r.lines, r.bytes = 0, 0
	}
	r.lines++
	r.bytes += size
	if r.lines <= r.most && r.bytes <= maxBytes {
		return true
	}
	if r.left++; r.left == 1 {
		// Who follows is told while it happens.
		time.AfterFunc(time.Second, r.tell)
	}
	r.leftAt = append(r.leftAt[:0], at...)
	return false
}

// tell has the archive say how much was left out.
func (r *rate) tell() {
	r.counting.Lock()
	n, at := r.left, slices.Clone(r.leftAt)
	r.left = 0
	r.counting.Unlock()
	f := r.follower
	text := fmt.Sprintf("… %s lines were left out: %s printed more than %s, or %d MB, per second", thousands(n), f.name, thousands(r.most), maxBytes>>20)
	when, err := time.Parse(timeForm, string(at))
	if err != nil {
		return // of no engine that we know
	}
	// If that cannot be written either, people hear of that.
	_ = f.Archive.Add(f.process.App, appliance.LogLine{At: when, Process: f.name, Release: f.process.Release, Stream: appliance.Remark, Text: text})
}

// thousands writes a number as 12,345.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
