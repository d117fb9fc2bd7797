package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/berthhq/berth/appliance"
)

// collectLimit is how large a file may be that Run brings back.
const collectLimit = 1 << 20

// putFiles unpacks spec.Files in a container that has not started, and makes
// the directory for it when the image has none.
func (e *Engine) putFiles(ctx context.Context, id string, spec appliance.RunSpec) error {
	dir := path.Clean("/" + spec.FilesDir)
	_, err := e.api(ctx).ContainerStatPath(ctx, id, dir)
	if errdefs.IsNotFound(err) {
		err = e.api(ctx).CopyToContainer(ctx, id, "/", directory(dir, spec.User), container.CopyToContainerOptions{})
	}
	if err == nil {
		err = e.api(ctx).CopyToContainer(ctx, id, dir, spec.Files, container.CopyToContainerOptions{})
	}
	return explain("put files at "+dir, err)
}

// directory returns a tar stream that makes one directory, which belongs to
// user when that is a number, as in "1000:1000".
func directory(dir, user string) io.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	uid, gid, _ := strings.Cut(user, ":")
	h := &tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dir, "/") + "/", Mode: 0o755}
	h.Uid, _ = strconv.Atoi(uid)
	h.Gid, _ = strconv.Atoi(gid)
	// Writing to memory does not fail.
	_ = w.WriteHeader(h)
	_ = w.Close()
	return &b
}

// collect returns the content of a file of a container.
func (e *Engine) collect(ctx context.Context, id, name string) ([]byte, error) {
	stream, _, err := e.api(ctx).CopyFromContainer(ctx, id, name)
	if err != nil {
		return nil, explain("bring back "+name, err)
	}
	defer stream.Close()
	r := tar.NewReader(stream)
	h, err := r.Next()
	if err != nil {
		return nil, fmt.Errorf("bring back %s: %w", name, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil, fmt.Errorf("bring back %s: %w: no regular file", name, appliance.ErrInvalid)
	}
	if h.Size > collectLimit {
		return nil, fmt.Errorf("bring back %s: %w: it is larger than %d bytes", name, appliance.ErrInvalid, collectLimit)
	}
	content, err := io.ReadAll(r)
	return content, wrap("bring back "+name, err)
}

// wrap is fmt.Errorf for an err that may be nil.
func wrap(doing string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
