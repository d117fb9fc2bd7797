package docker

import (
	"io"
	"os"

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
	return fsutil.NewFilterFS(buildContext{files, root}, &fsutil.FilterOpt{
		// Whoever owns the files here, in the image they are root's; and
		// the cache does not depend on it.
		Map: func(_ string, s *types.Stat) fsutil.MapResult {
			s.Uid, s.Gid = 0, 0
			return fsutil.MapResultKeep
		},
	})
}

// Open opens a file of the context.
func (c buildContext) Open(name string) (io.ReadCloser, error) { return c.root.Open(name) }
