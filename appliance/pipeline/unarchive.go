package pipeline

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/progress"
)

// An unarchiver puts what is in an archive into a tree.
type unarchiver struct {
	tree     *git.Tree
	limit    *limit
	dir      string // for what must be a file to be read
	progress *progress.Writer

	files map[string]int64 // the sizes of the regular ones so far
	left  int              // how many were left out
}

// unpack reads an archive. A type that is not given is told by how it begins.
func (u *unarchiver) unpack(r io.Reader, kind ArchiveType) error {
	in := bufio.NewReader(u.bound(r))
	start, err := in.Peek(4)
	if len(start) == 0 {
		if err != nil && err != io.EOF {
			return err
		}
		return appliance.WithHint(errors.New("the archive is empty"), "pipe one in: tar c . | ssh berth@host git:from-archive <app> --")
	}
	found := Tar
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		found = TarGz
	case bytes.HasPrefix(start, []byte("PK")):
		found = Zipped
	}
	if kind != "" && kind != found && found != Tar {
		return appliance.WithHint(fmt.Errorf("%w archive: it is a %s, not a %s", appliance.ErrInvalid, found, kind), "say so: --archive-type "+string(found))
	}
	switch found {
	case TarGz:
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return broken(found, err)
		}
		return u.untar(u.bound(unzipped), found)
	case Zipped:
		return u.unzip(in)
	}
	return u.untar(in, Tar)
}

// bound lets an archive have no more bytes than its files may have, but for
// headers and padding.
func (u *unarchiver) bound(r io.Reader) io.Reader {
	return &bounded{r: r, left: u.limit.maxSize + 2048*int64(u.limit.maxEntries) + 1<<20, limit: u.limit}
}

func (u *unarchiver) untar(r io.Reader, kind ArchiveType) error {
	end := &ending{r: r}
	for tr := tar.NewReader(end); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return broken(kind, err)
		}
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
			continue
		case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
			_, err = u.file(h.Name, h.FileInfo().Mode(), h.Size, tr)
		case tar.TypeSymlink:
			err = u.link(h.Name, h.Linkname)
		case tar.TypeLink:
			err = u.hardLink(h.Name, h.Linkname)
		case tar.TypeDir:
			_, err = u.place(h.Name, 0)
		default:
			err = u.leaveOut(h.Name, "it is not a file, a directory or a symbolic link")
		}
		if err != nil {
			return broken(kind, err)
		}
	}
	// What is behind the end is of no interest, but whoever sends it is not to
	// be cut off.
	if _, err := io.Copy(io.Discard, end); err != nil {
		return broken(kind, err)
	}
	// Package tar takes one that was cut off between two files for a whole one.
	if end.zeros < 512 {
		return broken(kind, io.ErrUnexpectedEOF)
	}
	return nil
}

// An ending counts the zeros that a tar ends with.
type ending struct {
	r     io.Reader
	zeros int
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	rest := bytes.TrimRight(p[:n], "\x00")
	if len(rest) > 0 {
		e.zeros = 0
	}
	e.zeros += n - len(rest)
	return n, err
}

// file adds a file, if it belongs there, and then has read its content. Of the
// mode it keeps only whether the file can be run.
func (u *unarchiver) file(name string, mode fs.FileMode, size int64, content io.Reader) (read bool, err error) {
	if name, err = u.place(name, size); name == "" || err != nil {
		return false, err
	}
	u.files[name] = size
	if err := u.tree.File(name, mode&0o111 != 0, size, content); err != nil {
		return false, fmt.Errorf("%.200q: %w", name, err)
	}
	return true, nil
}

// maxLink is longer than any path.
const maxLink = 4096

func (u *unarchiver) link(name, target string) error {
	name, err := u.place(name, int64(len(target)))
	if name == "" || err != nil {
		return err
	}
	if target == "" || len(target) > maxLink || strings.Contains(target, "\x00") {
		return fmt.Errorf("%w target of the link %.200q", appliance.ErrInvalid, name)
	}
	return u.tree.Link(name, target)
}

// hardLink gives a file a second name. Only what the archive itself has can be
// meant.
func (u *unarchiver) hardLink(name, target string) error {
	of, err := clean(target)
	if err != nil {
		return err
	}
	size, ok := u.files[of]
	if name, err = u.place(name, size); name == "" || err != nil {
		return err
	}
	if _, still := u.files[of]; !ok || !still {
		return fmt.Errorf("%w link %.200q: the archive has no file %.200q before it", appliance.ErrInvalid, name, target)
	}
	u.files[name] = size
	return u.tree.Copy(name, of)
}

// place counts what is about to be added, and returns its name in the tree: ""
// for what does not go there.
func (u *unarchiver) place(raw string, size int64) (string, error) {
	name, err := clean(raw)
	if err != nil || name == "." {
		return "", err
	}
	if err := u.limit.add(name, size); err != nil {
		return "", err
	}
	parts := strings.Split(name, "/")
	if slices.ContainsFunc(parts, func(s string) bool { return strings.EqualFold(s, ".git") }) {
		return "", nil // the history of somebody else
	}
	if parts[0] == "__MACOSX" {
		return "", nil // what a Mac knows of the files
	}
	// It takes the place of what had its name, and its directories that of
	// files which had theirs.
	for i := range parts {
		delete(u.files, strings.Join(parts[:i+1], "/"))
	}
	return name, nil
}

// clean returns the name of an entry, relative to the top of the archive. One
// that leads out of it is an error.
func clean(raw string) (string, error) {
	if strings.HasPrefix(raw, "/") {
		return "", fmt.Errorf("the archive has an absolute path: %.200q", raw)
	}
	if slices.Contains(strings.Split(raw, "/"), "..") {
		return "", fmt.Errorf("the archive has a path that leads out of it: %.200q", raw)
	}
	if strings.Contains(raw, "\x00") || len(raw) > maxLink {
		return "", fmt.Errorf("the archive has a path that cannot be: %.200q", raw)
	}
	return path.Clean(raw), nil
}

// leaveOut says so, of the first few.
func (u *unarchiver) leaveOut(name, why string) error {
	if err := u.limit.add(name, 0); err != nil {
		return err
	}
	if u.left++; u.left <= 10 {
		u.progress.Detail("left out %.200q: %s", name, why)
	}
	return nil
}

// broken says what could not be read, unless err is about something else.
func broken(kind ArchiveType, err error) error {
	for _, damage := range []error{
		tar.ErrHeader, tar.ErrFieldTooLong, gzip.ErrHeader, gzip.ErrChecksum,
		zip.ErrFormat, zip.ErrAlgorithm, zip.ErrChecksum, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, damage) {
			return appliance.WithHint(fmt.Errorf("read the %s archive: %w", kind, err), "it is damaged, cut off, or something else: tar, tar.gz and zip can be read")
		}
	}
	return err
}
