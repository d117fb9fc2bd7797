package router

import (
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A shelf has the files of an access log: a directory for each service, in it
// numbered parts. The last part is written, full ones are compressed when
// there is time.
type shelf struct {
	dir                           string
	maxPart, maxService, maxTotal int64

	counted bool  // total and full are known
	total   int64 // bytes on the disk
	full    []logPart
	open    map[string]*openPart // by service
	failed  error                // the last thing that went wrong
}

// A logPart is one file of a service.
type logPart struct {
	service string
	number  int
	gz      bool
	size    int64
	changed time.Time
}

type openPart struct {
	*os.File
	logPart
}

func (p logPart) path(dir string) string {
	name := fmt.Sprintf("%08d.log", p.number)
	if p.gz {
		name += ".gz"
	}
	return filepath.Join(dir, p.service, name)
}

// maxOpen bounds the files that are kept open.
const maxOpen = 64

// write appends lines to the last part of a service, and keeps the bounds.
func (s *shelf) write(service string, lines []byte) error {
	if err := s.count(); err != nil {
		return err
	}
	f, err := s.last(service)
	if err != nil {
		return err
	}
	n, err := f.Write(lines)
	f.size += int64(n)
	s.total += int64(n)
	if err != nil {
		s.close(service) // who opens it again sees to it that a line begins where one ended
		return err
	}
	if f.size >= s.maxPart {
		s.close(service)
		s.full = append(s.full, f.logPart)
		if err := s.boundService(service); err != nil {
			return err
		}
	}
	if s.total > s.maxTotal {
		return s.boundTotal()
	}
	return nil
}

// last returns the part of a service that is written, open.
func (s *shelf) last(service string) (*openPart, error) {
	if f := s.open[service]; f != nil {
		if f.isLinked() {
			return f, nil
		}
		s.close(service)
	}
	if !isDirName(service) {
		return nil, fmt.Errorf("%q cannot be the name of a directory", service)
	}
	if len(s.open) >= maxOpen {
		s.closeAll()
	}
	if err := os.MkdirAll(filepath.Join(s.dir, service), 0o700); err != nil {
		return nil, err
	}
	parts, err := s.parts(service)
	if err != nil {
		return nil, err
	}
	p := logPart{service: service, number: 1}
	if len(parts) > 0 {
		p = parts[len(parts)-1]
		if p.gz || p.size >= s.maxPart {
			p = logPart{service: service, number: p.number + 1}
		}
	}
	f, err := os.OpenFile(p.path(s.dir), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := endLine(f, p.size); err != nil {
		f.Close()
		return nil, err
	}
	if s.open == nil {
		s.open = map[string]*openPart{}
	}
	s.open[service] = &openPart{f, p}
	return s.open[service], nil
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

// endLine ends the last line of a file if a crash has left a part of one.
func endLine(f *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	var end [1]byte
	if _, err := f.ReadAt(end[:], size-1); err != nil || end[0] == '\n' {
		return err
	}
	_, err := f.Write([]byte("\n"))
	return err
}

// parts returns the parts of a service, the oldest first.
func (s *shelf) parts(service string) (list []logPart, err error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, service))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		base, isGzip := strings.CutSuffix(e.Name(), ".gz")
		digits, isLog := strings.CutSuffix(base, ".log")
		number, notNumber := strconv.Atoi(digits)
		info, gone := e.Info()
		if !isLog || notNumber != nil || gone != nil {
			continue
		}
		list = append(list, logPart{service, number, isGzip, info.Size(), info.ModTime()})
	}
	slices.SortFunc(list, func(a, b logPart) int { return cmp.Compare(a.number, b.number) })
	for i := 1; i < len(list); i++ {
		// A part that was compressed, of which the original is still there.
		if list[i-1].number == list[i].number {
			list[i].gz, list[i].size = true, max(list[i-1].size, list[i].size)
			list = slices.Delete(list, i-1, i)
			i--
		}
	}
	return list, err
}

// everything returns the parts of all services, the oldest first.
func (s *shelf) everything() (list []logPart, err error) {
	services, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		parts, err := s.parts(service.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, parts...)
	}
	slices.SortStableFunc(list, func(a, b logPart) int { return a.changed.Compare(b.changed) })
	return list, nil
}

// count looks once what is there from before, and tidies up after a crash.
func (s *shelf) count() error {
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
		last[p.service] = max(last[p.service], p.number)
	}
	for _, p := range list {
		if !p.gz && p.number < last[p.service] {
			s.full = append(s.full, p)
		}
	}
	for service := range last {
		left, err := filepath.Glob(filepath.Join(s.dir, service, "*.new"))
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

func (s *shelf) boundService(service string) error {
	parts, err := s.parts(service)
	if err != nil {
		return err
	}
	size := int64(0)
	for _, p := range parts {
		size += p.size
	}
	for len(parts) > 0 && size > s.maxService {
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
func (s *shelf) boundTotal() error {
	list, err := s.everything()
	if err != nil {
		return err
	}
	s.total = 0
	for _, p := range list {
		s.total += p.size
	}
	for _, p := range list {
		if s.total <= s.maxTotal-s.maxTotal/10 {
			return nil
		}
		if err := s.remove(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) remove(p logPart) error {
	if f := s.open[p.service]; f != nil && f.number == p.number {
		s.close(p.service)
	}
	s.total -= p.size
	p.gz = false
	plain := os.Remove(p.path(s.dir))
	p.gz = true
	packed := os.Remove(p.path(s.dir))
	if plain != nil && packed != nil { // one of them is always missing, or will be in a moment
		return plain
	}
	return nil
}

func (s *shelf) close(service string) {
	if f := s.open[service]; f != nil {
		f.Close() // what was written is in the file
		delete(s.open, service)
	}
}

func (s *shelf) closeAll() {
	for service := range s.open {
		s.close(service)
	}
}

func (s *shelf) forget(service string) error {
	if !isDirName(service) {
		return nil
	}
	s.close(service)
	parts, err := s.parts(service)
	if err != nil {
		return err
	}
	if s.counted {
		for _, p := range parts {
			s.total -= p.size
		}
	}
	s.full = slices.DeleteFunc(s.full, func(p logPart) bool { return p.service == service })
	return os.RemoveAll(filepath.Join(s.dir, service))
}

// uncompressed returns a full part that is there still.
func (s *shelf) uncompressed() (logPart, bool) {
	for len(s.full) > 0 {
		p := s.full[0]
		s.full = s.full[1:]
		if _, err := os.Stat(p.path(s.dir)); err == nil {
			return p, true
		}
	}
	return logPart{}, false
}

// compress replaces the file by a compressed one, whose size it returns. A
// crash leaves the one or the other.
func (p logPart) compress(dir string) (int64, error) {
	from, err := os.Open(p.path(dir))
	if err != nil {
		return p.size, err
	}
	defer from.Close()
	packed := p
	packed.gz = true
	path := packed.path(dir)
	to, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return p.size, err
	}
	defer to.Close()
	z, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return p.size, err
	}
	_, err = io.Copy(z, from)
	err = cmp.Or(err, z.Close(), to.Sync())
	if err != nil {
		os.Remove(path + ".new") // what matters is in the original
		return p.size, err
	}
	info, err := to.Stat()
	if err != nil {
		return p.size, err
	}
	// The compressed one is as old as what is in it.
	return info.Size(), os.Chtimes(path+".new", p.changed, p.changed)
}

// replace has what compress has made take the part's place.
func (p logPart) replace(dir string) error {
	packed := p
	packed.gz = true
	path := packed.path(dir)
	return cmp.Or(os.Rename(path+".new", path), os.Remove(p.path(dir)))
}
