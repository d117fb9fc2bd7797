package git

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// hold returns a file whose lock says that somebody changes a repository. A
// git that inherits it keeps the lock until it ends, also when we are killed
// before. The caller closes the file.
func (r Repos) hold() (*os.File, error) {
	f, err := r.openAtWork()
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Settle returns when no git changes a repository any more, or with ctx's
// error. It is for the start: a git whose daemon was killed may be about to
// move a branch, and whoever reads the branch before that is misled.
func (r Repos) Settle(ctx context.Context) error {
	f, err := r.openAtWork()
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r Repos) openAtWork() (*os.File, error) {
	path := filepath.Clean(r.Dir) + ".lock" // beside it: in it are repositories only
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
