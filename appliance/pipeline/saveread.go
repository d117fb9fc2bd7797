package pipeline

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/klauspost/compress/zstd"

	"github.com/berthhq/berth/appliance"
)

// A saved archive is what "docker save" has written, put into a directory. The
// names in it are never names here: each file has a number.
type saved struct {
	dir   string
	files map[string]int    // by their names in the archive
	links map[string]string // older Dockers have a layer that two images share once
	limit *limit            // of what the images unpack to
	list  []savedImage
}

// A savedImage is one image of a saved archive, as its manifest has it.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

const (
	// maxSavedFiles is how many files an archive may have: each image has a
	// handful for each layer.
	maxSavedFiles = 10_000
	// maxSavedText is how many bytes a manifest or a configuration may have.
	maxSavedText = 4 << 20
)

// badImage is an error about an archive that holds no image, or a bad one.
func badImage(format string, args ...any) error {
	return appliance.WithHint(fmt.Errorf("%w image archive: %w", appliance.ErrInvalid, fmt.Errorf(format, args...)),
		"send what docker save writes: docker save app:1 | ssh berth@host git:load-image <app>")
}

// readSaved unpacks an archive in an empty directory. It has no more bytes than
// limit allows, which is what unpack may have too.
func readSaved(dir string, r io.Reader, limit *limit) (*saved, error) {
	in := bufio.NewReader(r)
	if start, err := in.Peek(1); len(start) == 0 {
		if err != nil && err != io.EOF {
			return nil, err
		}
		return nil, badImage("it is empty")
	}
	plain, err := unpacked(in)
	if err != nil {
		return nil, badImage("%w", err)
	}
	defer plain.Close()
	s := &saved{dir: dir, files: map[string]int{}, links: map[string]string{}}
	if err := s.unpack(plain, limit); err != nil {
		return nil, err
	}
	text, err := s.text("manifest.json")
	if errors.Is(err, appliance.ErrNotFound) {
		if _, err := s.text("index.json"); err == nil {
			return nil, badImage("it has no manifest.json: it is of OCI's kind, which docker load does not take either. Another way to save it: skopeo copy … docker-archive:app.tar, podman save --format docker-archive")
		}
		return nil, badImage("it has no manifest.json")
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &s.list); err != nil || len(s.list) == 0 {
		return nil, badImage("its manifest.json lists no images")
	}
	return s, nil
}

// unpack writes the files of the archive to the directory.
func (s *saved) unpack(r io.Reader, limit *limit) error {
	end := &ending{r: &bounded{r: r, left: limit.maxSize + 2048*maxSavedFiles + 1<<20, limit: limit}}
	for tr := tar.NewReader(end); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return damaged(err)
		}
		name, err := clean(h.Name)
		if err != nil {
			return badImage("%w", err)
		}
		_, twice := s.files[name]
		if _, linked := s.links[name]; twice || linked {
			return badImage("it has %.200q twice", name)
		}
		if len(s.files)+len(s.links) == maxSavedFiles {
			return badImage("it has more than %d files", maxSavedFiles)
		}
		switch h.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
		case tar.TypeReg:
			if err := limit.add(name, h.Size); err != nil {
				return err
			}
			if err := s.keep(name, tr); err != nil {
				return damaged(err)
			}
		case tar.TypeSymlink, tar.TypeLink:
			to := h.Linkname
			if h.Typeflag == tar.TypeSymlink {
				to = path.Join(path.Dir(name), to)
			}
			if path.IsAbs(h.Linkname) || !filepath.IsLocal(to) {
				return badImage("the link %.200q leads out of it", name)
			}
			s.links[name] = path.Clean(to)
		default:
			return badImage("%.200q is not a file, a directory or a link", name)
		}
	}
	if _, err := io.Copy(io.Discard, end); err != nil {
		return damaged(err)
	}
	if end.zeros < 512 {
		return damaged(io.ErrUnexpectedEOF)
	}
	return nil
}

// damaged says that an archive could not be read, unless err is about something
// else.
func damaged(err error) error {
	if inner := broken(Tar, err); inner == err && !errors.Is(err, zstd.ErrMagicMismatch) {
		return err
	}
	return badImage("it is damaged, cut off, or something else: %w", err)
}

func (s *saved) keep(name string, content io.Reader) error {
	n := len(s.files)
	f, err := os.OpenFile(s.file(n), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	s.files[name] = n
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

func (s *saved) file(n int) string { return filepath.Join(s.dir, strconv.Itoa(n)) }

// open opens a file of the archive by its name there.
func (s *saved) open(name string) (*os.File, error) {
	name = path.Clean(name)
	for range 10 {
		to, ok := s.links[name]
		if !ok {
			break
		}
		name = to
	}
	n, ok := s.files[name]
	if !ok {
		return nil, badImage("it has no file %.200q: %w", name, appliance.ErrNotFound)
	}
	return os.Open(s.file(n))
}

// text returns a small file of the archive.
func (s *saved) text(name string) ([]byte, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSavedText+1))
	if len(text) > maxSavedText {
		return nil, badImage("%.200q has more than %d bytes", name, maxSavedText)
	}
	return text, err
}

// choose returns the image of a name, or the only one if that is "".
func (s *saved) choose(name appliance.Image) (savedImage, error) {
	var names []string
	for _, i := range s.list {
		for _, tag := range i.RepoTags {
			if name != "" && same(tag, string(name)) {
				return i, nil
			}
			if parsed, err := appliance.ParseImage(tag); err == nil && len(names) < 10 {
				names = append(names, string(parsed))
			}
		}
	}
	slices.Sort(names)
	what := "its images have no names"
	if len(names) > 0 {
		what = "it has " + strings.Join(names, ", ")
	}
	switch {
	case name != "":
		return savedImage{}, appliance.WithHint(fmt.Errorf("image %s %w in the archive: %s", name, appliance.ErrNotFound, what), "name one of those, or none if there is only one")
	case len(s.list) > 1:
		return savedImage{}, badImage("it has %d images: name the one to deploy (%s)", len(s.list), what)
	}
	return s.list[0], nil
}

// same tells whether two names are of the same image: app and
// docker.io/library/app:latest are.
func same(a, b string) bool {
	x, errX := reference.ParseNormalizedNamed(a)
	y, errY := reference.ParseNormalizedNamed(b)
	return errX == nil && errY == nil && reference.TagNameOnly(x).String() == reference.TagNameOnly(y).String()
}

// layer opens a layer, unpacked.
func (s *saved) layer(name string) (io.ReadCloser, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, err
	}
	r, err := unpacked(bufio.NewReader(f))
	if err != nil {
		f.Close()
		return nil, damaged(err)
	}
	return closing{r, f}, nil
}

// closing closes what was unpacked and the file it was in.
type closing struct {
	io.ReadCloser
	file io.Closer
}

func (c closing) Close() error { return errors.Join(c.ReadCloser.Close(), c.file.Close()) }

// unpacked reads what may be packed with gzip or zstd.
func unpacked(r *bufio.Reader) (io.ReadCloser, error) {
	start, _ := r.Peek(4) // what is shorter is neither
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.Equal(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}
