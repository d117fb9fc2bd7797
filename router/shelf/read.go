package shelf

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// A Place is where a line of a name begins. The zero Place is the beginning of
// all lines. Places can be compared by Before.
type Place struct {
	Part   int   `json:"part"`
	Offset int64 `json:"offset"` // in what the part has, uncompressed
}

// Before reports whether a line at p comes before one at q.
func (p Place) Before(q Place) bool {
	return p.Part < q.Part || p.Part == q.Part && p.Offset < q.Offset
}

// Since returns a place before which nothing was written since a moment.
func (s *Shelf) Since(name string, moment time.Time) (Place, error) {
	parts, err := s.parts(name)
	for _, p := range parts {
		if !p.changed.Before(moment) {
			return Place{Part: p.number}, err
		}
	}
	return s.End(name)
}

// End returns where the next line of a name will be.
func (s *Shelf) End(name string) (Place, error) {
	parts, _, err := s.now(name)
	if err != nil || len(parts) == 0 {
		return Place{}, err
	}
	last := parts[len(parts)-1]
	if last.packed != "" {
		return Place{Part: last.number + 1}, nil
	}
	return Place{last.number, last.size}, nil
}

// now returns what there is of a name, and what is closed when there is more.
func (s *Shelf) now(name string) ([]part, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = map[string]chan struct{}{}
	}
	if s.changed[name] == nil {
		s.changed[name] = make(chan struct{})
	}
	parts, err := s.parts(name)
	return parts, s.changed[name], err
}

// maxLine is how long a line can be that is read. Longer ones are passed over.
const maxLine = 128 << 10

// Read calls each with the lines of a name from a place on, the oldest first.
// With follow it goes on with what comes, until ctx is done; idle, if set, is
// called whenever there is no more for now. A line is valid until each
// returns. The last line of a file counts when it has ended.
func (s *Shelf) Read(ctx context.Context, name string, from Place, follow bool, each func(line []byte) error, idle func() error) error {
	for {
		parts, changed, err := s.now(name)
		if err != nil {
			return err
		}
		for _, p := range parts {
			if p.number < from.Part {
				continue
			}
			if p.number > from.Part {
				from = Place{Part: p.number}
			}
			if err := s.lines(ctx, p, &from, each); err != nil {
				return err
			}
		}
		if idle != nil {
			if err := idle(); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// lines calls each with the lines of a part from a place on, and moves it.
func (s *Shelf) lines(ctx context.Context, p part, at *Place, each func([]byte) error) error {
	f, err := p.opened(s.Dir, at.Offset)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was too old
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, maxLine)
	for n := 0; ; n++ {
		line, err := lines.ReadSlice('\n')
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		at.Offset += int64(len(line))
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := each(line[:len(line)-1]); err != nil {
			return err
		}
	}
}

// Back calls each with the lines of a name from its end on, the newest first,
// with where they are, until it returns false. A line is valid until each
// returns.
func (s *Shelf) Back(ctx context.Context, name string, each func(line []byte, at Place) bool) error {
	parts, _, err := s.now(name)
	if err != nil {
		return err
	}
	for _, p := range slices.Backward(parts) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		more, err := s.back(p, each)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was too old
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// Last returns where the last so many lines of a name that count begin, but no
// place before least.
func (s *Shelf) Last(ctx context.Context, name string, n int, least Place, counts func(line []byte) bool) (from Place, err error) {
	from = least
	err = s.Back(ctx, name, func(line []byte, at Place) bool {
		if at.Before(least) {
			return false
		}
		if counts(line) {
			from = at
			n--
		}
		return n > 0
	})
	if n > 0 {
		from = least
	}
	return from, err
}

// back is Back for one part.
func (s *Shelf) back(p part, each func([]byte, Place) bool) (more bool, err error) {
	p.packed = ""
	f, err := os.Open(p.path(s.Dir))
	if err == nil {
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return false, err
		}
		return backward(f, info.Size(), func(line []byte, offset int64) bool { return each(line, Place{p.number, offset}) })
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	z, err := p.unpacked(s.Dir)
	if err != nil {
		return false, err
	}
	defer z.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, io.LimitReader(z, 16*s.MaxPart)); err != nil {
		return false, err
	}
	return backward(bytes.NewReader(text.Bytes()), int64(text.Len()), func(line []byte, offset int64) bool { return each(line, Place{p.number, offset}) })
}

// block is how much is read at once from the end of a file.
const block = 64 << 10

// backward calls each with the lines of f, the last first.
func backward(f io.ReaderAt, size int64, each func(line []byte, offset int64) bool) (more bool, err error) {
	var rest []byte // of a line whose beginning has not been read yet
	ended := false  // there is a line end behind rest
	buf := make([]byte, block)
	for size > 0 {
		n := min(block, size)
		size -= n
		if _, err := f.ReadAt(buf[:n], size); err != nil && err != io.EOF {
			return false, err
		}
		text := buf[:n]
		for {
			i := bytes.LastIndexByte(text, '\n')
			if i < 0 {
				break
			}
			line := text[i+1:]
			if len(rest) > 0 {
				line = append(slices.Clone(line), rest...)
				rest = rest[:0]
			}
			if ended && len(line) < maxLine && !each(line, size+int64(i)+1) {
				return false, nil
			}
			ended = true
			text = text[:i]
		}
		if len(rest) < maxLine {
			rest = append(slices.Clone(text), rest...)
		}
	}
	return !ended || len(rest) >= maxLine || each(rest, 0), nil
}
