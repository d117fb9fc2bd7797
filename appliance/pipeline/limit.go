package pipeline

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
)

// A limit is how much may be unpacked, and how much has been.
type limit struct {
	what string // "push" or "archive": which properties set it
	app  appliance.AppName

	maxEntries int   // files and directories
	maxSize    int64 // of the files together, in bytes
	free       int64 // what the disk has room for

	entries int
	size    int64
}

// limit returns how much of a push or an archive may be unpacked in dir.
func (p *Pipeline) limit(ctx context.Context, app appliance.AppName, what, dir string) (*limit, error) {
	l := &limit{what: what, app: app}
	size, err := p.Property(ctx, app, what+"-max-size")
	if err != nil {
		return nil, err
	}
	files, err := p.Property(ctx, app, what+"-max-files")
	if err != nil {
		return nil, err
	}
	if l.maxSize, err = strconv.ParseInt(size, 10, 64); err != nil {
		return nil, err
	}
	if l.maxEntries, err = strconv.Atoi(files); err != nil {
		return nil, err
	}
	l.free, err = git.Free(dir)
	return l, err
}

// add counts what is about to be unpacked, and refuses what is too much. A
// directory has no size.
func (l *limit) add(name string, size int64) error {
	if l.entries++; l.entries > l.maxEntries {
		return l.raise("files", int64(l.maxEntries), fmt.Errorf("more than %d files and directories: %s may not have more", l.maxEntries, l))
	}
	if size < 0 || size > l.maxSize-l.size {
		return l.raise("size", l.maxSize, fmt.Errorf("%.200q (%s) is too much: the files of %s may have %s together",
			name, git.Bytes(size), l, git.Bytes(l.maxSize)))
	}
	if size > l.free-l.size {
		return appliance.WithHint(fmt.Errorf("%.200q (%s) does not fit on the disk, of which %s stay free", name, git.Bytes(size), git.Bytes(git.Reserve)),
			"make room on the machine: df -h shows where there is none")
	}
	l.size += size
	return nil
}

// PushLimit returns how many bytes a push to app may have, packed.
func (p *Pipeline) PushLimit(ctx context.Context, app appliance.AppName) (int64, error) {
	l, err := p.limit(ctx, app, "push", p.Repos.Dir)
	if err != nil {
		return 0, err
	}
	if l.free == 0 {
		return 0, appliance.WithHint(fmt.Errorf("the disk is nearly full: less than %s are free", git.Bytes(git.Reserve)),
			"make room on the machine: df -h shows where there is none")
	}
	return min(l.repository(), l.free), nil
}

// repository is how many bytes a repository may have, of which one commit has
// so much: its history comes along, but it is packed.
func (l *limit) repository() int64 { return 2 * l.maxSize }

func (l *limit) String() string {
	if l.what == "push" {
		return "what is built"
	}
	return "an " + l.what
}

// raise adds to err how to have more.
func (l *limit) raise(what string, now int64, err error) error {
	leave := "leave out what is not needed"
	if l.what == "push" {
		leave += ": git rm -r --cached <path>, and name it in .gitignore"
	}
	return appliance.WithHint(err, fmt.Sprintf("%s\nor have an admin allow more: git:set %s %s-max-%s %d", leave, l.app, l.what, what, 4*now))
}

// A bounded reader fails when there is more than it may give.
type bounded struct {
	r     io.Reader
	left  int64
	limit *limit
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.limit.raise("size", b.limit.maxSize, fmt.Errorf("the archive has more than the %s that %s may have", git.Bytes(b.limit.maxSize), b.limit))
	}
	return n, err
}

// A sparing file can be read only so much: the list of a zip archive is read
// whole, and can be made to be of any size.
type sparing struct {
	r     io.ReaderAt
	left  int64 // -1 for all
	limit *limit
}

func (s *sparing) ReadAt(p []byte, off int64) (int, error) {
	if s.left >= 0 {
		if s.left -= int64(len(p)); s.left < 0 {
			return 0, s.limit.raise("files", int64(s.limit.maxEntries), fmt.Errorf("more than %d files and directories: %s may not have more", s.limit.maxEntries, s.limit))
		}
	}
	return s.r.ReadAt(p, off)
}
