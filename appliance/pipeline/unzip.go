package pipeline

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/berthhq/berth/appliance"
)

// unzip reads a zip archive. Its list of contents is at its end, so it must be
// a file for a while.
func (u *unarchiver) unzip(r io.Reader) error {
	f, err := os.CreateTemp(u.dir, "archive-")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil { // it stays for as long as it is open
		return err
	}
	size, err := io.Copy(f, r)
	if err != nil {
		return err
	}
	listed := &sparing{r: f, left: 1<<17 + 512*int64(u.limit.maxEntries), limit: u.limit}
	z, err := zip.NewReader(listed, size)
	if err != nil {
		return broken(Zipped, err)
	}
	listed.left = -1 // what follows is bounded by itself
	for _, e := range z.File {
		if err := u.unzipOne(e); err != nil {
			return broken(Zipped, err)
		}
	}
	return nil
}

func (u *unarchiver) unzipOne(e *zip.File) error {
	mode := e.Mode()
	switch {
	case mode.IsDir():
		_, err := u.place(e.Name, 0)
		return err
	case mode.Type() != 0 && mode.Type() != fs.ModeSymlink:
		return u.leaveOut(e.Name, "it is not a file, a directory or a symbolic link")
	case e.Flags&1 != 0:
		return appliance.WithHint(fmt.Errorf("%.200q is encrypted", e.Name), "make the archive without a password")
	case e.UncompressedSize64 > 1<<62:
		return u.limit.add(e.Name, -1)
	}
	content, err := e.Open()
	if err != nil {
		return fmt.Errorf("%.200q: %w", e.Name, err)
	}
	defer content.Close()
	if mode.Type() == fs.ModeSymlink {
		target, err := io.ReadAll(io.LimitReader(content, maxLink+1))
		if err != nil {
			return fmt.Errorf("%.200q: %w", e.Name, err)
		}
		return u.link(e.Name, string(target))
	}
	read, err := u.file(e.Name, mode, int64(e.UncompressedSize64), content)
	if err != nil || !read {
		return err
	}
	// It may have more than it says, and its checksum comes with its end.
	if n, err := io.CopyN(io.Discard, content, 1); n > 0 || err != io.EOF {
		return fmt.Errorf("%.200q has another size than the archive says", e.Name)
	}
	return nil
}
