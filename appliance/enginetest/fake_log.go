package enginetest

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A fakeLog keeps what a process says, line by line.
type fakeLog struct {
	mu      sync.Mutex
	lines   []string // each with its time before it
	ended   bool
	changed chan struct{} // closed at the next change, if somebody waits
}

func (l *fakeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = false // it has been started again
	now := time.Now().Format(time.RFC3339Nano)
	for line := range strings.Lines(string(p)) {
		l.lines = append(l.lines, now+" "+line)
	}
	l.wake()
	return len(p), nil
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
func (l *fakeLog) after(n int) ([]string, <-chan struct{}) {
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
	if opts.Tail > 0 {
		lines = lines[max(0, n-opts.Tail):]
	}
	for {
		for _, line := range lines {
			if !opts.Timestamps {
				_, line, _ = strings.Cut(line, " ")
			}
			if _, err := io.WriteString(w, line); err != nil {
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
