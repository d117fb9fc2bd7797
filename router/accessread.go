package router

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
)

// Read calls each with the last so many lines of a service, or, for 0, with all
// there are, the oldest first. With follow it goes on with what comes, until
// ctx is done. A line is one JSON object; it is valid until each returns.
func (l *AccessLog) Read(ctx context.Context, service string, last int, follow bool, each func(line []byte) error) error {
	l.init()
	l.flush()
	parts, changed, err := l.parts(service)
	if err != nil {
		return err
	}
	first, skip, err := l.from(ctx, parts, last)
	if err != nil {
		return err
	}
	at := reading{dir: l.shelf.dir, part: logPart{service: service}}
	for _, p := range parts[first:] {
		at.part, at.offset = p, 0
		err := at.lines(ctx, func(line []byte) error {
			if skip > 0 {
				skip--
				return nil
			}
			return each(line)
		})
		if err != nil {
			return err
		}
	}
	for follow {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
		if parts, changed, err = l.parts(service); err != nil {
			return err
		}
		parts = slices.DeleteFunc(parts, func(p logPart) bool { return p.number < at.part.number })
		for _, p := range parts {
			if p.number != at.part.number {
				at.offset = 0
			}
			at.part = p
			if err := at.lines(ctx, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts returns what there is of a service now, and what is closed when there
// is more.
func (l *AccessLog) parts(service string) ([]logPart, <-chan struct{}, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if !isDirName(service) {
		return nil, l.changed, nil
	}
	parts, err := l.shelf.parts(service)
	return parts, l.changed, err
}

// from returns where the last so many lines begin: in which part, and how many
// lines of it go before them.
func (l *AccessLog) from(ctx context.Context, parts []logPart, last int) (first, skip int, err error) {
	if last <= 0 {
		return 0, 0, nil
	}
	for first = len(parts); first > 0 && last > 0; {
		first--
		n := 0
		at := reading{dir: l.shelf.dir, part: parts[first]}
		if err := at.lines(ctx, func([]byte) error { n++; return nil }); err != nil {
			return 0, 0, err
		}
		if last -= n; last < 0 {
			skip = -last
		}
	}
	return first, skip, nil
}

// A reading is how far somebody has read.
type reading struct {
	dir    string
	part   logPart
	offset int64 // in what the part has, uncompressed
}

// maxLogLine is more than a record has in the worst case.
const maxLogLine = 64 << 10

// lines calls each with the whole lines from the offset on, and moves it.
// Other than whole objects are leftovers of a crash.
func (r *reading) lines(ctx context.Context, each func([]byte) error) error {
	f, err := r.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was too old
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, maxLogLine)
	for n := 0; ; n++ {
		line, err := lines.ReadSlice('\n')
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		r.offset += int64(len(line))
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line = line[:len(line)-1]
		if len(line) < 2 || line[0] != '{' || line[len(line)-1] != '}' {
			continue
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

// open opens the part at the offset. It may be compressed by now.
func (r *reading) open() (io.ReadCloser, error) {
	p := r.part
	p.gz = false
	f, err := os.Open(p.path(r.dir))
	if err == nil {
		_, err := f.Seek(r.offset, io.SeekStart)
		return f, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	p.gz = true
	if f, err = os.Open(p.path(r.dir)); err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(f)
	if err == nil {
		_, err = io.CopyN(io.Discard, z, r.offset)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}
