package builder

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// stackFiles are the Dockerfiles of the stack, and root/, which is laid over
// it: /start, /exec, and /build with the buildpacks.
//
//go:embed stack
var stackFiles embed.FS

// Ensure returns the stack image, and builds it when there is none of what
// would go into it now. A new berth binary or buildpack costs a second, a new
// base everything.
func (s Stack) Ensure(ctx context.Context, e appliance.Engine, out io.Writer) (appliance.Image, error) {
	base, baseID, err := s.base(ctx, e)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "berth-stack-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := s.context(dir); err != nil {
		return "", fmt.Errorf("put the stack together: %w", err)
	}
	sum, err := hashTree(dir, baseID)
	if err != nil {
		return "", fmt.Errorf("put the stack together: %w", err)
	}
	tag := appliance.Image(s.Instance + "/stack:" + sum)
	switch _, err := e.Inspect(ctx, tag); {
	case err == nil:
		return tag, nil
	case !errors.Is(err, appliance.ErrNotFound):
		return "", fmt.Errorf("look for the stack: %w", err)
	}
	image, err := e.Build(ctx, appliance.BuildSpec{Tag: tag, Dir: dir, Args: map[string]string{"BASE": string(base)}, Out: out})
	if err != nil {
		return "", fmt.Errorf("build the stack: %w", err)
	}
	return image, nil
}

// base returns what the stack is built on, and what names its content.
func (s Stack) base(ctx context.Context, e appliance.Engine) (appliance.Image, string, error) {
	base := s.Base
	if base == "" {
		base = s.BaseImage()
	}
	info, err := e.Inspect(ctx, base)
	switch {
	case errors.Is(err, appliance.ErrNotFound) && s.Base != "":
		return base, string(base), nil // the build fetches it
	case errors.Is(err, appliance.ErrNotFound):
		return "", "", appliance.WithHint(fmt.Errorf("the base image %s is missing: %w", base, err),
			"run bootstrap.sh again: it makes the base image")
	case err != nil:
		return "", "", fmt.Errorf("look for the base image: %w", err)
	}
	return base, info.ID, nil
}

// context fills dir with what the image is built of.
func (s Stack) context(dir string) error {
	head := "debian.Dockerfile"
	if s.Base != "" {
		head = "registry.Dockerfile"
	}
	var dockerfile []byte
	for _, part := range []string{head, "common.Dockerfile"} {
		text, err := stackFiles.ReadFile("stack/" + part)
		if err != nil {
			return err
		}
		dockerfile = append(dockerfile, text...)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), dockerfile, 0o644); err != nil {
		return err
	}
	if err := unpackStackFiles(dir); err != nil {
		return err
	}
	if err := s.copyCAs(filepath.Join(dir, "ca")); err != nil {
		return err
	}
	binary := s.Binary
	if binary == "" {
		var err error
		if binary, err = os.Executable(); err != nil {
			return err
		}
	}
	return copyFile(filepath.Join(dir, "berth"), binary, 0o755)
}

func unpackStackFiles(dir string) error {
	files, err := fs.Sub(stackFiles, "stack")
	if err != nil {
		return err
	}
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name != "dpkg.cfg" && name != "root" && !strings.HasPrefix(name, "root/") {
			return err
		}
		if d.IsDir() {
			return os.Mkdir(filepath.Join(dir, name), 0o755)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		// An embedded file has no mode of its own. All below root are scripts.
		return os.WriteFile(filepath.Join(dir, name), text, 0o755)
	})
}

func (s Stack) copyCAs(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	from := s.CAs
	if from == "" {
		from = DefaultCAs
	}
	// Glob's only error is that of a pattern.
	found, err := filepath.Glob(filepath.Join(from, "*.crt"))
	if err != nil {
		return err
	}
	for _, ca := range found {
		if err := copyFile(filepath.Join(dir, filepath.Base(ca)), ca, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// hashTree names the content of dir and of what it is built on.
func hashTree(dir, base string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", base)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file := sha256.New()
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(file, f); err != nil {
			return err
		}
		fmt.Fprintf(h, "%x %s\n", file.Sum(nil), strings.TrimPrefix(name, dir))
		return nil
	})
	return fmt.Sprintf("%.12x", h.Sum(nil)), err
}
