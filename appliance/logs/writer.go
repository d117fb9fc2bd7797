package logs

import (
	"bytes"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A Writer keeps what is written to it as lines of an app. It never fails: what
// cannot be kept is lost, and people hear of that.
type Writer struct {
	archive *Archive
	app     appliance.AppName
	process string
	release int
	part    []byte // of a line that has not ended yet
}

// Writer returns a writer of lines of an app, as those of a process. Close it.
func (a *Archive) Writer(app appliance.AppName, process string, release int) *Writer {
	return &Writer{archive: a, app: app, process: process, release: release}
}

func (w *Writer) Write(b []byte) (int, error) {
	w.part = append(w.part, b...)
	for {
		line, rest, ok := bytes.Cut(w.part, []byte("\n"))
		if !ok && len(w.part) < maxText {
			return len(b), nil
		}
		w.keep(line)
		w.part = rest
	}
}

func (w *Writer) keep(line []byte) {
	_ = w.archive.Add(w.app, appliance.LogLine{ // Add itself says so when it fails
		At: time.Now(), Process: w.process, Release: w.release, Stream: appliance.Stdout, Text: string(line),
	})
}

// Close keeps the last line, if it has no end.
func (w *Writer) Close() error {
	if len(w.part) > 0 {
		w.keep(w.part)
	}
	w.part = nil
	return nil
}
