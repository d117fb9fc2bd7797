package shelf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A part is one file of a name.
type part struct {
	name    string
	number  int
	packed  string // what the name of its compressed file ends with, or ""
	size    int64
	changed time.Time
}

// How compressed files end. Those of earlier versions are in gzip.
const (
	zstdEnd = ".zst"
	gzipEnd = ".gz"
)

type openPart struct {
	*os.File
	part
}

func (p part) path(dir string) string {
	return filepath.Join(dir, p.name, fmt.Sprintf("%08d.log%s", p.number, p.packed))
}

// parts returns the parts of a name, the oldest first.
func (s *Shelf) parts(name string) (list []part, err error) {
	if !isDirName(name) {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(s.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		base, packed := e.Name(), ""
		for _, end := range []string{zstdEnd, gzipEnd} {
			if rest, ok := strings.CutSuffix(base, end); ok {
				base, packed = rest, end
			}
		}
		digits, isLog := strings.CutSuffix(base, ".log")
		number, notNumber := strconv.Atoi(digits)
		if !isLog || notNumber != nil {
			continue
		}
		info, gone := e.Info()
		if gone != nil {
			continue
		}
		list = append(list, part{name, number, packed, info.Size(), info.ModTime()})
	}
	slices.SortFunc(list, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.packed, b.packed))
	})
	for i := 1; i < len(list); i++ {
		// A part that was compressed, of which the original is still there.
		if list[i-1].number == list[i].number {
			list[i].size = max(list[i-1].size, list[i].size)
			list = slices.Delete(list, i-1, i)
			i--
		}
	}
	return list, err
}

// Compress compresses one file that is not written any more, and reports
// whether there was one. It is for calm moments.
func (s *Shelf) Compress() (bool, error) {
	s.mu.Lock()
	old, ok := s.uncompressed()
	s.mu.Unlock()
	if !ok {
		return false, nil
	}
	size, err := old.compress(s.Dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		// Whoever reads looks at the names with this lock held, and finds the
		// one file or the other.
		err = old.replace(s.Dir)
	}
	if err != nil {
		return true, fmt.Errorf("compress a part of %s: %w", old.name, err)
	}
	s.total += size - old.size
	return true, nil
}

// uncompressed returns a full part that is there still.
func (s *Shelf) uncompressed() (part, bool) {
	for len(s.full) > 0 {
		p := s.full[0]
		s.full = s.full[1:]
		if _, err := os.Stat(p.path(s.Dir)); err == nil {
			return p, true
		}
	}
	return part{}, false
}

// compress makes the compressed file, whose size it returns.
func (p part) compress(dir string) (int64, error) {
	from, err := os.Open(p.path(dir))
	if err != nil {
		return p.size, err
	}
	defer from.Close()
	packed := p
	packed.packed = zstdEnd
	path := packed.path(dir)
	to, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return p.size, err
	}
	defer to.Close()
	z, err := zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
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

// replace has what compress has made take the part's place. A crash leaves the
// one or the other, or both.
func (p part) replace(dir string) error {
	packed := p
	packed.packed = zstdEnd
	path := packed.path(dir)
	return cmp.Or(os.Rename(path+".new", path), os.Remove(p.path(dir)))
}

// opened opens the part, which may be compressed by now, at an offset.
func (p part) opened(dir string, offset int64) (io.ReadCloser, error) {
	p.packed = ""
	f, err := os.Open(p.path(dir))
	if err == nil {
		_, err := f.Seek(offset, io.SeekStart)
		return f, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	z, err := p.unpacked(dir)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, z, offset); err != nil && err != io.EOF {
		z.Close()
		return nil, err
	}
	return z, nil
}

// unpacked opens the compressed file of a part.
func (p part) unpacked(dir string) (io.ReadCloser, error) {
	p.packed = zstdEnd
	f, err := os.Open(p.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		p.packed = gzipEnd
		f, err = os.Open(p.path(dir))
	}
	if err != nil {
		return nil, err
	}
	if p.packed == gzipEnd {
		z, err := gzip.NewReader(f)
		if err != nil {
			f.Close()
			return nil, err
		}
		return unpacking{z, f.Close}, nil
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Close()
		return nil, err
	}
	return unpacking{z, func() error { z.Close(); return f.Close() }}, nil
}

type unpacking struct {
	io.Reader
	close func() error
}

func (u unpacking) Close() error { return u.close() }
