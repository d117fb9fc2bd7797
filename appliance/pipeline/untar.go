package pipeline

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// untar unpacks files, directories and symbolic links at sub, under dir, for
// as long as limit lets it, and returns how many files there were. os.Root sees to it that nothing is
// written through a link that leads out of dir.
func untar(dir, sub string, limit *limit, r io.Reader) (files int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			// git pads its archives: read on, or it has nobody to write to.
			_, err := io.Copy(io.Discard, r)
			return files, err
		}
		if err != nil {
			return files, err
		}
		name := path.Join(sub, h.Name)
		if err := limit.add(name, h.Size); err != nil {
			return files, err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeReg:
			files++
			err = writeFile(root, name, h.FileInfo().Mode().Perm(), tr)
		case tar.TypeSymlink:
			files++
			err = writeLink(root, name, h.Linkname)
		}
		if err != nil {
			return files, err
		}
	}
}

func writeFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	// EXCL: a file is never written through a link of the same name.
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// writeLink makes a link that leads wherever it likes: it means something
// inside the container only, and nothing here follows it.
func writeLink(root *os.Root, name, target string) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return root.Symlink(target, name)
}

// emptyDir removes what is in dir, and makes it if it is missing.
func emptyDir(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o700)
}
