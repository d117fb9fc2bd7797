package logs

import (
	"cmp"
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

// crashed notes, once, that the run that began then, after so many restarts,
// has ended by itself, and keeps its last lines.
func (f *follower) crashed(ctx context.Context, now appliance.Process, began time.Time, restarts int) {
	f.telling.Lock()
	defer f.telling.Unlock()
	if f.judged.Equal(began) {
		return
	}
	f.judged = began
	text := "Process exited"
	switch {
	case now.OOM:
		text = "Process " + now.Ending()
	case !now.Running:
		text = fmt.Sprintf("Process exited with status %d", now.ExitStatus)
	}
	if now.Restarting || now.Running {
		text += ", and is started again"
	}
	// What was printed before it was of this run, unless it was of the one
	// before.
	after := began.Add(-early).UTC().Format(timeForm)
	if restarts > 0 {
		after = cmp.Or(f.told, began.UTC().Format(timeForm))
	}
	at := time.Now()
	if now.Ended.After(began) && now.Ended.Before(at) {
		at = now.Ended // and so before the run that may have begun meanwhile
	}
	line := appliance.LogLine{At: at, Process: f.name, Release: f.process.Release, Stream: appliance.Remark, Text: text}
	told, err := f.Archive.told(ctx, line, f.process.App, began)
	if err == nil && !told {
		var last string
		last, err = f.Archive.keepCrash(ctx, f.process, began, after, line)
		f.told = max(f.told, last)
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
	after := p.Started
	if p.Ended.IsZero() { // there was no run before
		after = after.Add(-early)
	}
	if _, err := a.keepCrash(ctx, p, p.Started, after.UTC().Format(timeForm), line); err != nil {
		a.Log.WarnContext(ctx, "keep the last lines of a crash", "app", p.App, "process", p.Name(), "err", err)
	}
}

// keepCrash says how a run has ended, and copies its last lines to where they
// stay: those since its beginning, and those after a time that may be before
// it. It returns the time of the last one.
func (a *Archive) keepCrash(ctx context.Context, p appliance.Process, since time.Time, after string, end appliance.LogLine) (string, error) {
	if err := a.flushNow(p.App); err != nil {
		return "", err
	}
	began := since.UTC().Format(timeForm)
	newest := ""
	var last [][]byte
	size := 0
	// It looks no further back than what this one run can have left.
	least, err := a.shelf.Since(string(p.App), since.Add(-early))
	if err != nil {
		return "", err
	}
	err = a.shelf.Back(ctx, string(p.App), func(line []byte, at shelf.Place) bool {
		r, ok := parse(line)
		if ok && string(r.source()[:len(r.source())-1]) == short(p.ID) && (string(r.at) >= began || string(r.at) > after) {
			newest = max(newest, string(r.at))
			last = append(last, append(slices.Clone(line), '\n'))
			size += len(line)
		}
		return len(last) < crashLines && size < crashBytes && !at.Before(least)
	})
	if err != nil {
		return "", err
	}
	slices.Reverse(last)
	prefix := fmt.Sprintf("%s v%d -%c", end.Process, end.Release, end.Stream)
	record := appendRecord(slices.Concat(last...), end.At.UTC().AppendFormat(nil, timeForm), []byte(prefix), []byte(end.Text))
	return newest, errors.Join(a.crashes.Write(string(p.App), record), a.Add(p.App, end))
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
