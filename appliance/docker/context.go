package docker

import (
	"io"
	"os"
	"syscall"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// A buildContext is the directory of a build as BuildKit sees it. Symbolic
// links are sent as what they are; files are opened through the root, so that
// none of them leads out of it.
type buildContext struct {
	fsutil.FS
	root *os.Root
}

func newContext(root *os.Root) (fsutil.FS, error) {
	files, err := fsutil.NewFS(root.Name())
	if err != nil {
		return nil, err
	}
	c := buildContext{files, root}
	return fsutil.NewFilterFS(c, &fsutil.FilterOpt{
		Map: func(name string, s *types.Stat) fsutil.MapResult {
			// Whoever owns the files here, in the image they are root's;
			// and the cache does not depend on it.
			s.Uid, s.Gid = 0, 0
			s.ModTime = c.modTime(name, s.ModTime)
			return fsutil.MapResultKeep
		},
	})
}

// Open opens a file of the context.
func (c buildContext) Open(name string) (io.ReadCloser, error) { return c.root.Open(name) }

// modTime returns what to give out as the time when a file was last changed.
// BuildKit asks only for files whose size or time is another than in the last
// build, but a checkout may set the times of all files to anything. So the
// fraction of the second is that of the inode's own time, which nobody sets.
func (c buildContext) modTime(name string, set int64) int64 {
	const second = 1e9
	info, err := c.root.Lstat(name)
	if err != nil {
		return set // opening it will fail too, and say so
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return set - set%second + s.Ctim.Nsec
	}
	return set
}
