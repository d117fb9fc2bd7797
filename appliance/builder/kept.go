package builder

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"

	"github.com/berthhq/berth/appliance"
)

// layerKey is what a build calls dependencies that it has kept.
var layerKey = regexp.MustCompile(`^[0-9a-f]{64}$`)

// A Layer says what to make an image of, for later builds to begin with.
type Layer struct {
	App   appliance.AppName
	Tag   appliance.Image
	Stack appliance.Image // of the build
	Keeps string          // as the build's Result has it
	Fence appliance.Fence
}

// KeepLayer makes an image of the stack and the dependencies that a build has
// kept, where the app has them. Builds that begin with it unpack nothing, and
// the images of all of them share that layer.
func KeepLayer(ctx context.Context, e appliance.Engine, l Layer) error {
	run, err := e.Run(ctx, appliance.RunSpec{
		App:     l.App,
		Image:   l.Stack,
		Command: []string{"/build/keep", l.Keeps},
		User:    user,
		Mounts:  []appliance.Mount{{Volume: "cache", Path: cacheDir}},
		Fence:   l.Fence,
		Commit:  commitOf(l.Tag),
	})
	if err == nil && run.Status != 0 {
		err = errors.New("the dependencies are not in the cache any more")
	}
	return err
}

// DependenciesSum is the same for two sources that ask for the same
// dependencies, as far as files say it: those of a layer that was kept for the
// one are worth a look for the other. It is "" for a source of which nothing is
// kept.
func DependenciesSum(source fs.FS) string {
	h := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc"} {
		f, err := source.Open(name)
		if err != nil {
			fmt.Fprintf(h, "%s\x00-\x00", name)
			continue
		}
		n, err := io.Copy(h, f)
		f.Close()
		if err != nil {
			return ""
		}
		fmt.Fprintf(h, "\x00%s\x00%d\x00", name, n)
	}
	if _, err := fs.Stat(source, "package.json"); err != nil {
		return ""
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
