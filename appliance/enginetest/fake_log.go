package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A fakeLog keeps what a process says, line by line.
type fakeLog struct {
	mu      sync.Mutex
	lines   []fakeLine
	ended   bool
	changed chan struct{} // closed at the next change, if somebody waits
}

type fakeLine struct {
	at   time.Time
	text string
	errs bool // it was printed to stderr
}

func (l *fakeLog) Write(p []byte) (int, error) { return l.add(p, false) }

func (l *fakeLog) add(p []byte, errs bool) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		l.lines = append(l.lines, fakeLine{time.Now().UTC(), line, errs})
	}
	l.wake()
	return len(p), nil
}

// An errs is stderr of a process.
type errs struct{ *fakeLog }

func (e errs) Write(p []byte) (int, error) { return e.add(p, true) }

// open says that the process has been started again.
func (l *fakeLog) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = false
}

// close says that the process has ended.
func (l *fakeLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.wake()
}

func (l *fakeLog) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// after returns the lines from the nth on, and a channel that is closed when
// there are more; nil if there will be none.
func (l *fakeLog) after(n int) ([]fakeLine, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return l.lines[n:], nil
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.lines[n:], l.changed
}

func (l *fakeLog) copy(ctx context.Context, opts appliance.LogOptions, w io.Writer) error {
	lines, more := l.after(0)
	n := len(lines)
	if i := slices.IndexFunc(lines, func(line fakeLine) bool { return !line.at.Before(opts.Since) }); i >= 0 {
		lines = lines[i:]
	} else {
		lines = nil
	}
	if opts.Tail > 0 {
		lines = lines[max(0, len(lines)-opts.Tail):]
	}
	for {
		for _, line := range lines {
			if err := line.copy(opts, w); err != nil {
				return err
			}
		}
		if !opts.Follow || more == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-more:
		}
		lines, more = l.after(n)
		n += len(lines)
	}
}

func (l fakeLine) copy(opts appliance.LogOptions, w io.Writer) error {
	var text bytes.Buffer
	if opts.Timestamps {
		text.WriteString(l.at.Format("2006-01-02T15:04:05.000000000Z "))
	}
	text.WriteString(l.text)
	if l.errs {
		w = cmp.Or(opts.Err, w)
	}
	_, err := w.Write(text.Bytes())
	return err
}
