package logs

import (
	"bytes"
	"container/heap"
	"context"
	"regexp"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router/shelf"
)

// A Query says which lines of an app are wanted.
type Query struct {
	App     appliance.AppName
	Last    int // so many; 0 for all
	Follow  bool
	Process string // "web", "web.1"; "" for all
	Release int    // 0 for all
	Since   time.Time
	Grep    *regexp.Regexp // what the text must match; nil for any
	Crashes bool           // only the last lines of crashes
}

// Read calls each with the lines that are wanted, in the order of their times,
// and with Follow with those that come, until ctx is done.
func (a *Archive) Read(ctx context.Context, q Query, each func(appliance.LogLine) error) error {
	a.init()
	// What cannot be written is no reason not to show what there is.
	_ = a.flushNow(q.App)
	s := &a.shelf
	if q.Crashes {
		s = &a.crashes
	}
	var from shelf.Place
	var err error
	if !q.Since.IsZero() {
		if from, err = s.Since(string(q.App), q.Since); err != nil {
			return err
		}
	}
	match := q.matcher()
	if q.Last > 0 {
		from, err = s.Last(ctx, string(q.App), q.Last, from, func(line []byte) bool {
			r, ok := parse(line)
			return ok && match(r)
		})
		if err != nil {
			return err
		}
	}
	o := &ordering{each: each}
	err = s.Read(ctx, string(q.App), from, q.Follow, func(line []byte) error {
		if r, ok := parse(line); ok && match(r) {
			return o.add(r.logLine())
		}
		return nil
	}, o.end)
	return err
}

// Any reports whether there is a line of an app.
func (a *Archive) Any(ctx context.Context, app appliance.AppName) (any bool, err error) {
	a.init()
	_ = a.flushNow(app)
	err = a.shelf.Back(ctx, string(app), func([]byte, shelf.Place) bool {
		any = true
		return false
	})
	return any, err
}

// matcher returns what reports whether a record is wanted.
func (q Query) matcher() func(record) bool {
	since := ""
	if !q.Since.IsZero() {
		since = q.Since.UTC().Format(timeForm)
	}
	process := []byte(q.Process)
	return func(r record) bool {
		if since != "" && string(r.at) < since || q.Release != 0 && r.release() != q.Release {
			return false
		}
		if len(process) > 0 {
			rest, ok := bytes.CutPrefix(r.process(), process)
			if !ok || len(rest) > 0 && (rest[0] != '.' || bytes.IndexByte(process, '.') >= 0) {
				return false
			}
		}
		return q.Grep == nil || q.Grep.Match(r.text)
	}
}

// An ordering puts lines in order that came a little out of it: those of
// several processes that were written one after the other.
type ordering struct {
	each  func(appliance.LogLine) error
	lines lineHeap
	n     int // lines that came
}

// together is how many lines are looked at to find the oldest.
const together = 1024

type numberedLine struct {
	appliance.LogLine
	n int
}

func (o *ordering) add(l appliance.LogLine) error {
	o.n++
	heap.Push(&o.lines, numberedLine{l, o.n})
	if len(o.lines) < together {
		return nil
	}
	return o.each(heap.Pop(&o.lines).(numberedLine).LogLine)
}

// end is for when there is no more for now.
func (o *ordering) end() error {
	for len(o.lines) > 0 {
		if err := o.each(heap.Pop(&o.lines).(numberedLine).LogLine); err != nil {
			return err
		}
	}
	return nil
}

// A lineHeap has the oldest line first, and of those of one moment the one that
// came first.
type lineHeap []numberedLine

func (h lineHeap) Len() int { return len(h) }
func (h lineHeap) Less(i, j int) bool {
	if !h[i].At.Equal(h[j].At) {
		return h[i].At.Before(h[j].At)
	}
	return h[i].n < h[j].n
}
func (h lineHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *lineHeap) Push(x any)   { *h = append(*h, x.(numberedLine)) }
func (h *lineHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	*h = old[:len(old)-1]
	return l
}
