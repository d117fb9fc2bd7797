package builder

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// stackFiles are the Dockerfiles of the stack and its base, make/, which they
// call, and root/, which is laid over it all: /start, /exec, and /build with
// the buildpacks.
//
//go:embed stack
var stackFiles embed.FS

// parts are the files that the stack is built of, in an order of their own.
type parts []part

// A part is a file, with its content or the name of a file that has it.
type part struct {
	name string // relative to the build context
	mode fs.FileMode
	text []byte
	from string
}

// parts are what the stack is built of, on its base.
func (s Stack) parts() (parts, error) {
	ps, err := s.context("common.Dockerfile", "root", "make/user.sh", "make/trust.sh")
	if err != nil {
		return nil, err
	}
	binary := s.Binary
	if binary == "" {
		if binary, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	return append(ps, part{name: "berth", mode: 0o755, from: binary}), nil
}

// baseParts are what the machine's own base is built of.
func (s Stack) baseParts() (parts, error) {
	return s.context("debian.Dockerfile", "dpkg.cfg", "make/packages.sh", "make/tool.sh", "make/node.sh", "make/go.sh", "make/version.sh")
}

// context returns a Dockerfile of the stack, what else of the stack's files it
// needs, and the machine's certificate authorities.
func (s Stack) context(dockerfile string, names ...string) (ps parts, err error) {
	files, err := fs.Sub(stackFiles, "stack")
	if err != nil {
		return nil, err
	}
	text, err := fs.ReadFile(files, dockerfile)
	if err != nil {
		return nil, err
	}
	ps = append(ps, part{name: "Dockerfile", mode: 0o644, text: text})
	for _, name := range names {
		err := fs.WalkDir(files, name, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(files, name)
			// An embedded file has no mode of its own.
			mode := fs.FileMode(0o755)
			if path.Ext(name) == ".cfg" {
				mode = 0o644
			}
			ps = append(ps, part{name: name, mode: mode, text: text})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	authorities := s.CAs
	if authorities == "" {
		authorities = DefaultCAs
	}
	cas, err := filepath.Glob(filepath.Join(authorities, "*.crt"))
	for _, ca := range cas {
		ps = append(ps, part{name: path.Join("ca", filepath.Base(ca)), mode: 0o644, from: ca})
	}
	return ps, err
}

// without returns the parts that are not in a directory.
func (ps parts) without(dir string) parts {
	return slices.DeleteFunc(slices.Clone(ps), func(p part) bool { return path.Dir(p.name) == dir })
}

func (p part) open() (io.ReadCloser, error) {
	if p.from == "" {
		return io.NopCloser(bytes.NewReader(p.text)), nil
	}
	return os.Open(p.from)
}

// copyTo copies the content to w.
func (p part) copyTo(w io.Writer) error {
	r, err := p.open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// hash names the content of the parts, and of the base that they stand on.
func (ps parts) hash(base string) (string, error) {
	all := sha256.New()
	fmt.Fprintf(all, "%s\n", base)
	for _, p := range ps {
		one := sha256.New()
		if err := p.copyTo(one); err != nil {
			return "", err
		}
		fmt.Fprintf(all, "%x %s\n", one.Sum(nil), p.name)
	}
	return fmt.Sprintf("%.12x", all.Sum(nil)), nil
}

// write writes the parts below dir.
func (ps parts) write(dir string) error {
	// The Dockerfile copies ca also when there is nothing in it.
	if err := os.Mkdir(filepath.Join(dir, "ca"), 0o755); err != nil {
		return err
	}
	for _, p := range ps {
		if err := p.write(filepath.Join(dir, p.name)); err != nil {
			return err
		}
	}
	return nil
}

func (p part) write(name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, p.mode)
	if err != nil {
		return err
	}
	if err := p.copyTo(f); err != nil {
		f.Close()
		return err
	}
	// Whatever umask the daemon was started with.
	if err := f.Chmod(p.mode); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Chtimes(name, epoch, epoch)
}

// epoch is the date of the files that we bring: that of today would make each
// build of the same stack another one.
var epoch = time.Date(2013, 6, 8, 0, 0, 0, 0, time.UTC)
