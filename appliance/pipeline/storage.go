package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// A Storage is what somebody has mounted in an app's containers: a volume of
// its own, or a directory of the machine.
type Storage struct {
	Source   string `json:"source"` // "data", or "/srv/data"
	Path     string `json:"container_path"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// String is the storage as people write it.
func (s Storage) String() string {
	text := s.Source + ":" + s.Path
	if s.ReadOnly {
		text += ":ro"
	}
	return text
}

// IsDir tells whether it is a directory of the machine.
func (s Storage) IsDir() bool { return strings.HasPrefix(s.Source, "/") }

var volumeName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

// ParseStorage reads "data:/app/data" or "/srv/data:/app/data:ro".
func ParseStorage(text string) (s Storage, err error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || len(parts) == 3 && parts[2] != "ro" && parts[2] != "rw" {
		return s, appliance.WithHint(fmt.Errorf("%w storage %.80q", appliance.ErrInvalid, text), "write it as name:/path/inside, or /directory/of/the/machine:/path/inside; :ro behind it has it read only")
	}
	s = Storage{Source: parts[0], Path: parts[1], ReadOnly: len(parts) == 3 && parts[2] == "ro"}
	if err := parsePath(s.Path); err != nil {
		return s, appliance.WithHint(fmt.Errorf("%w path inside %.80q", appliance.ErrInvalid, s.Path), err.Error())
	}
	if s.IsDir() {
		if err := parsePath(s.Source); err != nil {
			return s, appliance.WithHint(fmt.Errorf("%w directory %.80q", appliance.ErrInvalid, s.Source), "give the absolute path of a directory, without .. and the like")
		}
		return s, nil
	}
	if !volumeName.MatchString(s.Source) {
		return s, appliance.WithHint(fmt.Errorf("%w volume %.80q", appliance.ErrInvalid, s.Source), "a volume's name has lower-case letters, digits and . _ -; a directory begins with a slash")
	}
	return s, nil
}

// StorageOf returns what is mounted in an app's containers.
func (p *Pipeline) StorageOf(ctx context.Context, app appliance.AppName) ([]Storage, error) {
	return Kept[[]Storage](ctx, p, app, StorageSetting)
}

// Own is the directory of the machine that is for an app, below Storage.
func (p *Pipeline) OwnDir(app appliance.AppName) string {
	return filepath.Join(p.Storage, p.Service(app))
}

// withStorage adds what is mounted in an app's containers. Where a link leads
// may have changed since it was mounted, so it is looked at each time.
func (p *Pipeline) withStorage(ctx context.Context, app appliance.AppName, mounts []appliance.Mount) ([]appliance.Mount, error) {
	list, err := p.StorageOf(ctx, app)
	if err != nil {
		return nil, err
	}
	mounts = slices.Clone(mounts)
	for _, s := range list {
		m := appliance.Mount{Path: s.Path, ReadOnly: s.ReadOnly}
		if !s.IsDir() {
			m.Volume = s.Source
		} else if m.Dir, err = p.Directory(s.Source); err != nil {
			return nil, appliance.WithHint(err, fmt.Sprintf("make the directory, or take the mount back: storage:unmount %s %s", app, s))
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// Directory checks that a directory of the machine may be mounted at all, and
// returns where it really is.
func (p *Pipeline) Directory(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("directory %s %w", dir, appliance.ErrNotFound)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%w directory %s: it is a file", appliance.ErrInvalid, dir)
	}
	for _, path := range []string{dir, real} {
		if of := p.forbidden(path); of != "" {
			return "", fmt.Errorf("%w directory %s: %s is not for apps", appliance.ErrDenied, dir, of)
		}
	}
	return real, nil
}

// forbidden returns what of the machine a path is, leads into or holds that no
// app may have, or "": what is Berth's own but for the storage, Docker's, and
// what makes the machine.
func (p *Pipeline) forbidden(path string) string {
	storage := p.Storage
	if real, err := filepath.EvalSymlinks(storage); err == nil {
		storage = real
	}
	for _, own := range []string{storage, p.Storage} {
		if own != "" && within(path, own) && path != own {
			return ""
		}
	}
	for _, of := range append([]string{"/proc", "/sys", "/dev", "/run", "/var/run", "/boot", "/etc", "/root", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/var/lib/docker", "/var/lib/containerd"}, p.private()...) {
		if of != "" && (within(path, of) || within(of, path)) {
			return of
		}
	}
	return ""
}

// private is where what is ours alone is.
func (p *Pipeline) private() []string {
	state := filepath.Dir(p.Storage)
	real, err := filepath.EvalSymlinks(state)
	if err != nil || p.Storage == "" {
		return nil
	}
	return []string{state, real}
}

// within tells whether a path is a directory or in it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
