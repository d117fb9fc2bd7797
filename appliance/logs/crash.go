package logs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router/shelf"
)

// What is kept of the end of a run, beside all else: lines, and bytes of them.
const (
	crashLines = 100
	crashBytes = 32 << 10
)

// early is how long before the beginning that an engine gives of a run the run
// may have printed something: it is written down when the process runs already.
const early = 10 * time.Second

// A span is one run of a process.
type span struct {
	began    time.Time
	restarts int       // before it
	after    time.Time // what was printed until then is of the run before
	until    time.Time // and after then of the next; zero if there is none
}

// again is less than an engine waits before it starts a process again, and more
// than it takes to hear the last of one.
const again = 50 * time.Millisecond

// spanOf returns the run that the engine tells of.
func spanOf(p appliance.Process) span {
	s := span{began: p.Started, restarts: p.Restarts, after: p.Started.Add(-early)}
	switch {
	case p.Ended.IsZero(): // there was no run before
	case p.Running:
		if p.Ended.After(s.after) {
			s.after = p.Ended
		}
	case p.Restarts > 0: // when the one before has ended, nobody knows any more
		s.after = p.Started
	}
	return s
}

// crashed notes, once, that a run has ended by itself, and keeps its last
// lines.
func (f *follower) crashed(ctx context.Context, now appliance.Process, run span) {
	f.telling.Lock()
	defer f.telling.Unlock()
	if f.judged.Equal(run.began) {
		return
	}
	f.judged = run.began
	text := "Process exited"
	switch {
	case now.OOM:
		text = "Process " + now.Ending()
	case !now.Running || now.EndKnown:
		text = fmt.Sprintf("Process exited with status %d", now.ExitStatus)
	}
	if now.Restarting || now.Running {
		text += ", and is started again"
	}
	at := time.Now()
	if now.Ended.After(run.began) && now.Ended.Before(at) {
		at = now.Ended // and so before the run that may have begun meanwhile
		if now.Running {
			run.until = at.Add(again)
		}
	}
	line := appliance.LogLine{At: at, Process: f.name, Release: f.process.Release, Stream: appliance.Remark, Text: text}
	told, err := f.Archive.told(ctx, line, f.process.App, run.began)
	if err == nil && !told {
		err = f.Archive.keepCrash(ctx, f.process, run, line)
	}
	if err != nil {
		f.Log.WarnContext(ctx, "keep the last lines of a crash", "app", f.process.App, "process", f.name, "err", err)
	}
}

// Died says that a process is about to be ended because it does not work any
// more, and keeps its last lines as those of a crash. That it ends soon is told
// no more.
func (a *Archive) Died(ctx context.Context, p appliance.Process, how string) {
	if a == nil {
		return
	}
	a.init()
	line := appliance.LogLine{At: time.Now(), Process: p.Name(), Release: p.Release, Stream: appliance.Remark, Text: how[:min(len(how), maxText)]}
	if err := a.keepCrash(ctx, p, spanOf(p), line); err != nil {
		a.Log.WarnContext(ctx, "keep the last lines of a crash", "app", p.App, "process", p.Name(), "err", err)
	}
}

// keepCrash says how a run has ended, and copies its last lines to where they
// stay, but for those that are there already.
func (a *Archive) keepCrash(ctx context.Context, p appliance.Process, run span, end appliance.LogLine) error {
	if err := a.flushNow(p.App); err != nil {
		return err
	}
	// It looks no further back than what this one run can have left.
	since := run.began.Add(-early)
	kept, err := a.keptUntil(ctx, p, since)
	if err != nil {
		return err
	}
	after := max(run.after.UTC().Format(timeForm), kept)
	least, err := a.shelf.Since(string(p.App), since)
	if err != nil {
		return err
	}
	until := "~" // which is behind every time
	if !run.until.IsZero() {
		until = run.until.UTC().Format(timeForm)
	}
	var last [][]byte
	size := 0
	err = a.shelf.Back(ctx, string(p.App), func(line []byte, at shelf.Place) bool {
		r, ok := parse(line)
		if ok && r.isOf(p.ID) && string(r.at) > after && string(r.at) <= until {
			last = append(last, append(slices.Clone(line), '\n'))
			size += len(line)
		}
		return len(last) < crashLines && size < crashBytes && !at.Before(least)
	})
	if err != nil {
		return err
	}
	slices.Reverse(last)
	prefix := fmt.Sprintf("%s v%d -%c", end.Process, end.Release, end.Stream)
	record := appendRecord(slices.Concat(last...), end.At.UTC().AppendFormat(nil, timeForm), []byte(prefix), []byte(end.Text))
	return errors.Join(a.crashes.Write(string(p.App), record), a.Add(p.App, end))
}

// keptUntil returns when the last line of a process was printed that was kept
// with a crash; "" if that was before a moment.
func (a *Archive) keptUntil(ctx context.Context, p appliance.Process, since time.Time) (at string, err error) {
	least := since.UTC().Format(timeForm)
	err = a.crashes.Back(ctx, string(p.App), func(line []byte, _ shelf.Place) bool {
		r, ok := parse(line)
		if ok && r.isOf(p.ID) {
			at = string(r.at)
		}
		return at == "" && (!ok || r.stream() != appliance.Remark || string(r.at) >= least)
	})
	return at, err
}

// told reports whether the end of a run that began then was noted already, as
// by the daemon before this one.
func (a *Archive) told(ctx context.Context, end appliance.LogLine, app appliance.AppName, since time.Time) (told bool, err error) {
	began := since.UTC().Format(timeForm)
	err = a.crashes.Back(ctx, string(app), func(line []byte, _ shelf.Place) bool {
		r, ok := parse(line)
		if ok && r.stream() == appliance.Remark {
			if string(r.at) <= began {
				return false
			}
			told = told || string(r.process()) == end.Process && r.release() == end.Release
		}
		return !told
	})
	return told, err
}
