package builder

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// uid and gid own the source, the cache and the processes of every app.
const (
	uid = 1000
	gid = 1000
)

// A tarStream is a tar that is written while it is read. Close ends the
// writing, waits for it, and tells what was wrong with it.
type tarStream struct {
	*io.PipeReader
	done chan struct{}
	err  error // set before done is closed
}

func (s *tarStream) Close() error {
	s.PipeReader.Close() // returns no error
	<-s.done
	if errors.Is(s.err, io.ErrClosedPipe) {
		return nil // nobody wanted the rest
	}
	return s.err
}

// sourceTar packs the source for a build's container, with the names that
// begin with prefix there. It says on out which symbolic links it left out.
func sourceTar(source *os.Root, prefix string, out io.Writer) *tarStream {
	pr, pw := io.Pipe()
	s := &tarStream{PipeReader: pr, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		tw := tar.NewWriter(pw)
		s.err = fs.WalkDir(source.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || name == "." {
				return err
			}
			return addToTar(tw, source, prefix, name, d, out)
		})
		if s.err == nil {
			s.err = tw.Close()
		}
		pw.CloseWithError(s.err)
	}()
	return s
}

func addToTar(tw *tar.Writer, source *os.Root, prefix, name string, d fs.DirEntry, out io.Writer) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: prefix + name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Uid: uid, Gid: gid}
	switch info.Mode().Type() {
	case fs.ModeDir:
		h.Name += "/"
		h.Typeflag = tar.TypeDir
		return tw.WriteHeader(h)
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = source.Readlink(name); err != nil {
			return err
		}
		// Inside a container it would lead nowhere, or to what is not the app's.
		if !filepath.IsAbs(h.Linkname) && !filepath.IsLocal(path.Join(path.Dir(name), h.Linkname)) {
			fmt.Fprintf(out, "left out the link %q: it leads out of the source, to %q\n", name, h.Linkname)
			return nil
		}
		return tw.WriteHeader(h)
	case 0:
		return addFileToTar(tw, source, name, h)
	}
	return nil // sockets, pipes and devices are nothing that git can hold
}

func addFileToTar(tw *tar.Writer, source *os.Root, name string, h *tar.Header) error {
	f, err := source.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

var configKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// inputTar packs what /build/builder reads before it begins: the plan, and then
// the source.
func inputTar(s selection, req Request, source *os.Root, out io.Writer) (input io.Reader, files *tarStream, err error) {
	plan, err := planTar(s, req)
	if err != nil {
		return nil, nil, err
	}
	files = sourceTar(source, strings.TrimPrefix(buildDir, "/")+"/", out)
	return io.MultiReader(bytes.NewReader(plan), files), files, nil
}

// planTar is the beginning of it: which buildpacks to use, the commit, and the
// app's config in the way that buildpacks want it, a file per key that holds the
// value as it is.
func planTar(s selection, req Request) ([]byte, error) {
	files := map[string][]byte{"plan": s.plan(), "commit": []byte(req.Commit)}
	for key, value := range req.Env {
		if !configKey.MatchString(key) {
			return nil, fmt.Errorf("%w config key %q", appliance.ErrInvalid, key)
		}
		files["config/"+key] = []byte(value)
	}
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: strings.TrimPrefix(planDir, "/") + "/" + name, Typeflag: tar.TypeReg, Mode: 0o600, Uid: uid, Gid: gid, Size: int64(len(files[name]))}
		if err := tw.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := tw.Write(files[name]); err != nil {
			return nil, err
		}
	}
	err := tw.Flush()
	return b.Bytes(), err
}
