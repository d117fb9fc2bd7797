// Package shelf keeps lines in bounded, compressed files: a directory for each
// name, in it numbered parts. The last part is written, full ones are
// compressed when there is time, the oldest are removed when there are too
// many.
package shelf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Shelf has the files of some names. Its exported fields are set before its
// first use. Its methods may be called by several goroutines at once.
type Shelf struct {
	Dir     string // nobody else's
	MaxPart int64  // bytes of one file

	// Max is how many bytes the files of a name may have, MaxTotal those of
	// all names. They must not call the shelf.
	Max      func(name string) int64
	MaxTotal func() int64

	mu      sync.Mutex // guards the fields below
	counted bool       // total and full are known
	total   int64      // bytes on the disk
	full    []part
	open    map[string]*openPart     // by name
	numbers map[string]int           // by name; of the last part, which may have been removed
	changed map[string]chan struct{} // by name; closed when something was written
}

// maxOpen bounds the files that are kept open.
const maxOpen = 64

// Write appends lines to the last part of a name, and keeps the bounds. When
// it fails, nothing of the lines is there.
func (s *Shelf) Write(name string, lines []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.count(); err != nil {
		return err
	}
	f, err := s.last(name)
	if err != nil {
		return err
	}
	if _, err := f.Write(lines); err != nil {
		// What a full disk has let through. Whoever opens the file again sees
		// to it that a line begins where one ended.
		_ = f.Truncate(f.size)
		s.close(name)
		return err
	}
	f.size += int64(len(lines))
	s.total += int64(len(lines))
	if c := s.changed[name]; c != nil {
		close(c)
		delete(s.changed, name)
	}
	if f.size >= s.MaxPart {
		s.close(name)
		s.full = append(s.full, f.part)
		if err := s.bound(name); err != nil {
			return err
		}
	}
	if s.total > s.MaxTotal() {
		return s.boundTotal()
	}
	return nil
}

// last returns the part of a name that is written, open.
func (s *Shelf) last(name string) (*openPart, error) {
	if f := s.open[name]; f != nil {
		if f.isLinked() {
			return f, nil
		}
		s.close(name)
	}
	if !isDirName(name) {
		return nil, fmt.Errorf("%q cannot be the name of a directory", name)
	}
	if len(s.open) >= maxOpen {
		s.closeAll()
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, name), 0o700); err != nil {
		return nil, err
	}
	parts, err := s.parts(name)
	if err != nil {
		return nil, err
	}
	p := part{name: name, number: s.numbers[name] + 1}
	if len(parts) > 0 {
		p = parts[len(parts)-1]
		if p.packed != "" || p.size >= s.MaxPart {
			p = part{name: name, number: p.number + 1}
		}
	}
	f, err := os.OpenFile(p.path(s.Dir), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	added, err := endLine(f, p.size)
	if err != nil {
		f.Close()
		return nil, err
	}
	p.size += added
	s.total += added
	if s.open == nil {
		s.open, s.numbers = map[string]*openPart{}, map[string]int{}
	}
	s.open[name], s.numbers[name] = &openPart{f, p}, p.number
	return s.open[name], nil
}

// isLinked reports whether the file is where others find it: a person, or the
// daemon that replaces this one, may have removed it.
func (f *openPart) isLinked() bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink > 0
}

// endLine ends the last line of a file if a crash has left a part of one, and
// returns by how much the file has grown.
func endLine(f *os.File, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	var end [1]byte
	if _, err := f.ReadAt(end[:], size-1); err != nil || end[0] == '\n' {
		return 0, err
	}
	_, err := f.Write([]byte("\n"))
	return 1, err
}

// everything returns the parts of all names, the oldest first.
func (s *Shelf) everything() (list []part, err error) {
	names, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		parts, err := s.parts(name.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, parts...)
	}
	slices.SortStableFunc(list, func(a, b part) int { return a.changed.Compare(b.changed) })
	return list, nil
}

// count looks once what is there from before, and tidies up after a crash.
func (s *Shelf) count() error {
	if s.counted {
		return nil
	}
	list, err := s.everything()
	if err != nil {
		return err
	}
	last := map[string]int{}
	for _, p := range list {
		s.total += p.size
		last[p.name] = max(last[p.name], p.number)
	}
	for _, p := range list {
		if p.packed == "" && p.number < last[p.name] {
			s.full = append(s.full, p)
		}
	}
	for name := range last {
		left, err := filepath.Glob(filepath.Join(s.Dir, name, "*.new"))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	s.counted = true
	return nil
}

func (s *Shelf) bound(name string) error {
	parts, err := s.parts(name)
	if err != nil {
		return err
	}
	size, most := sizeOf(parts), s.Max(name)
	for len(parts) > 1 && size > most {
		if err := s.remove(parts[0]); err != nil {
			return err
		}
		size -= parts[0].size
		parts = parts[1:]
	}
	return nil
}

// boundTotal removes a little more than it has to, so that it is not called
// for every line from now on.
func (s *Shelf) boundTotal() error {
	list, err := s.everything()
	if err != nil {
		return err
	}
	s.total = sizeOf(list)
	most := s.MaxTotal()
	for _, p := range list {
		if s.total <= most-most/10 {
			return nil
		}
		if err := s.remove(p); err != nil {
			return err
		}
	}
	return nil
}

// Bound keeps the bounds of a name, which may have changed, and removes the
// parts in which nothing was written since a moment.
func (s *Shelf) Bound(name string, since time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.count(); err != nil {
		return err
	}
	parts, err := s.parts(name)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if p.changed.Before(since) {
			if err := s.remove(p); err != nil {
				return err
			}
		}
	}
	return s.bound(name)
}

// Size returns how many bytes the files of a name have.
func (s *Shelf) Size(name string) (int64, error) {
	parts, err := s.parts(name)
	return sizeOf(parts), err
}

func sizeOf(parts []part) (size int64) {
	for _, p := range parts {
		size += p.size
	}
	return size
}

// remove removes a part, compressed or not.
func (s *Shelf) remove(p part) error {
	if f := s.open[p.name]; f != nil && f.number == p.number {
		s.close(p.name)
	}
	s.total -= p.size
	var missing error
	found := false
	for _, packed := range []string{"", zstdEnd, gzipEnd} {
		p.packed = packed
		if err := os.Remove(p.path(s.Dir)); err == nil {
			found = true
		} else if missing == nil {
			missing = err
		}
	}
	if !found { // most are always missing
		return missing
	}
	return nil
}

func (s *Shelf) close(name string) {
	if f := s.open[name]; f != nil {
		f.Close() // what was written is in the file
		delete(s.open, name)
	}
}

func (s *Shelf) closeAll() {
	for name := range s.open {
		s.close(name)
	}
}

// Close closes the files. The shelf can be used on.
func (s *Shelf) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeAll()
}

// Forget removes what is kept of a name.
func (s *Shelf) Forget(name string) error {
	if !isDirName(name) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close(name)
	parts, err := s.parts(name)
	if err != nil {
		return err
	}
	if s.counted {
		s.total -= sizeOf(parts)
	}
	delete(s.numbers, name)
	s.full = slices.DeleteFunc(s.full, func(p part) bool { return p.name == name })
	return os.RemoveAll(filepath.Join(s.Dir, name))
}

// Names returns the names of which there are lines.
func (s *Shelf) Names() ([]string, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// isDirName reports whether a name can be that of a directory.
func isDirName(name string) bool {
	return filepath.IsLocal(name) && name != "." && !strings.ContainsAny(name, `/\`)
}
