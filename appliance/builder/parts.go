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
)

// stackFiles are the Dockerfiles of the stack, make/, which they call, and
// root/, which is laid over it all: /start, /exec, and /build with the
// buildpacks.
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

func (s Stack) parts() (parts, error) {
	head := "debian.Dockerfile"
	if s.Base != "" {
		head = "registry.Dockerfile"
	}
	var ps parts
	var dockerfile []byte
	for _, half := range []string{head, "common.Dockerfile"} {
		text, err := stackFiles.ReadFile("stack/" + half)
		if err != nil {
			return nil, err
		}
		dockerfile = append(dockerfile, text...)
	}
	ps = append(ps, part{name: "Dockerfile", mode: 0o644, text: dockerfile})

	dpkg, err := stackFiles.ReadFile("stack/dpkg.cfg")
	if err != nil {
		return nil, err
	}
	ps = append(ps, part{name: "dpkg.cfg", mode: 0o644, text: dpkg})

	files, err := fs.Sub(stackFiles, "stack")
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"make", "root"} {
		err := fs.WalkDir(files, dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(files, name)
			// An embedded file has no mode of its own. All of these are scripts.
			ps = append(ps, part{name: name, mode: 0o755, text: text})
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
	if err != nil {
		return nil, err
	}
	for _, ca := range cas {
		ps = append(ps, part{name: path.Join("ca", filepath.Base(ca)), mode: 0o644, from: ca})
	}
	binary := s.Binary
	if binary == "" {
		if binary, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	return append(ps, part{name: "berth", mode: 0o755, from: binary}), nil
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
	return f.Close()
}
