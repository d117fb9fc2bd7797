package git

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/berthhq/berth/appliance"
)

// Reserve is what must stay free of a disk, in bytes, whatever comes in: the
// appliance and the apps that run need it.
const Reserve = 512 << 20

// Free returns how many bytes may be written to the disk that dir is on.
func Free(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return max(0, int64(s.Bavail)*s.Bsize-Reserve), nil
}

// bounded does fn, which lets dir grow, until that has more than limit bytes
// or the disk is nearly full. Git itself bounds what is pushed, but not what
// it fetches.
func bounded(ctx context.Context, dir string, limit int64, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := tooMuch(dir, limit); err != nil {
					cancel(err)
					return
				}
			}
		}
	}()
	err := fn(ctx)
	cause := context.Cause(ctx)
	cancel(nil)
	<-watched
	if err == nil {
		return tooMuch(dir, limit) // it may have been quicker than the clock
	}
	if cause != nil {
		return cause
	}
	return err
}

func tooMuch(dir string, limit int64) error {
	if size := used(dir); size > limit {
		return appliance.WithHint(fmt.Errorf("the repository has more than %s", Bytes(limit)),
			"take large files out of its history, or have an admin raise the limit: git:set <app> push-max-size <bytes>")
	}
	if free, err := Free(dir); err == nil && free == 0 {
		return appliance.WithHint(fmt.Errorf("the disk is nearly full: less than %s are free", Bytes(Reserve)), "make room on the machine: df -h shows where there is none")
	}
	return nil
}

// used returns how many bytes the files below dir have. What goes away
// meanwhile does not count.
func used(dir string) (n int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// Bytes prints a size as people read it: "1 GiB", "1.5 MiB", "17 bytes".
func Bytes(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return fmt.Sprintf("%.4g %s", float64(n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
