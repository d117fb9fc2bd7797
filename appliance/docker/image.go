package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/berthhq/berth/appliance"
)

// Import makes an image named tag of a root file system.
func (e *Engine) Import(ctx context.Context, tag appliance.Image, rootfs io.Reader) error {
	// The client of HTTP closes what it has sent, if it can: to close an SSH
	// session that the tar came from is not its business.
	rootfs = struct{ io.Reader }{rootfs}
	answer, err := e.api(ctx).ImageImport(ctx, image.ImportSource{Source: rootfs, SourceName: "-"}, string(tag),
		image.ImportOptions{Changes: e.imageLabels("")})
	if err != nil {
		return explain("import "+string(tag), err)
	}
	defer answer.Close()
	return wrap("import "+string(tag), readMessages(answer, nil))
}

// Inspect tells what an image is.
func (e *Engine) Inspect(ctx context.Context, name appliance.Image) (appliance.ImageInfo, error) {
	i, err := e.api(ctx).ImageInspect(ctx, string(name))
	if err != nil {
		return appliance.ImageInfo{}, explain("image "+string(name), err)
	}
	info := appliance.ImageInfo{ID: i.ID, Size: i.Size}
	if i.Config == nil {
		return info, nil
	}
	info.Cmd, info.Entrypoint, info.Env, info.Labels = i.Config.Cmd, i.Config.Entrypoint, i.Config.Env, i.Config.Labels
	if h := i.Config.Healthcheck; h != nil && len(h.Test) > 0 {
		info.Health = h.Test[0] != "NONE"
	}
	for p := range i.Config.ExposedPorts {
		port, protocol, _ := strings.Cut(p, "/")
		if n, err := strconv.Atoi(port); err == nil && (protocol == "" || protocol == "tcp") {
			info.Ports = append(info.Ports, n)
		}
	}
	slices.Sort(info.Ports)
	return info, nil
}

// Images lists the names of app's images.
func (e *Engine) Images(ctx context.Context, app appliance.AppName) ([]appliance.Image, error) {
	images, err := e.api(ctx).ImageList(ctx, image.ListOptions{Filters: e.find(kindImage, app)})
	if err != nil {
		return nil, explain("list images", err)
	}
	var names []appliance.Image
	for _, i := range images {
		for _, tag := range i.RepoTags {
			if i.Labels[labelApp] == string(app) && tag != "<none>:<none>" {
				names = append(names, appliance.Image(tag))
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// Prune removes the app's images but for those in keep and those in use.
func (e *Engine) Prune(ctx context.Context, app appliance.AppName, keep ...appliance.Image) error {
	_, err := e.prune(ctx, app, keep)
	return err
}

// prune is Prune, and returns how many images it has removed.
func (e *Engine) prune(ctx context.Context, app appliance.AppName, keep []appliance.Image) (int, error) {
	if app != "" { // what is the appliance's own is not pinned
		pins, err := e.pins(ctx, app)
		if err != nil {
			return 0, err
		}
		if err := e.unpin(ctx, pins, keep); err != nil {
			return 0, err
		}
	}
	needed := map[string]bool{} // by id
	for _, name := range keep {
		i, err := e.api(ctx).ImageInspect(ctx, string(name))
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return 0, explain("image "+string(name), err)
		}
		needed[i.ID] = true
	}
	containers, err := e.api(ctx).ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return 0, explain("list containers", err)
	}
	for _, c := range containers { // with the pins of what is kept
		needed[c.ImageID] = true
	}
	return e.removeImages(ctx, app, func(i image.Summary) bool {
		return i.Labels[labelApp] == string(app) && !needed[i.ID]
	})
}

// removeImages removes those of app's images that which says, and returns how
// many there were.
func (e *Engine) removeImages(ctx context.Context, app appliance.AppName, which func(image.Summary) bool) (removed int, err error) {
	images, err := e.api(ctx).ImageList(ctx, image.ListOptions{Filters: e.find(kindImage, app)})
	if err != nil {
		return 0, explain("list images", err)
	}
	var errs []error
	for _, i := range images {
		if !which(i) {
			continue
		}
		names := slices.DeleteFunc(i.RepoTags, func(tag string) bool { return tag == "<none>:<none>" })
		if len(names) == 0 {
			names = []string{i.ID}
		}
		for _, name := range names {
			gone, err := e.api(ctx).ImageRemove(ctx, name, image.RemoveOptions{PruneChildren: true})
			if slices.ContainsFunc(gone, func(r image.DeleteResponse) bool { return r.Deleted == i.ID }) {
				removed++
			}
			// Gone already, or taken into use since we looked.
			if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
				errs = append(errs, explain("remove image "+name, err))
			}
		}
	}
	return removed, errors.Join(errs...)
}

// A response is one of the messages in which Docker tells of long work.
type response struct {
	ID     string          `json:"id"`
	Status string          `json:"status"`
	Aux    json.RawMessage `json:"aux"`
	Error  string          `json:"error"`
}

// A refusal is the error that one of the messages holds.
type refusal string

func (r refusal) Error() string { return string(r) }

// readMessages reads messages to their end and returns the error that one of
// them holds. Each of them is passed to seen, if that is set.
func readMessages(r io.Reader, seen func(response)) error {
	for d := json.NewDecoder(r); ; {
		var m response
		if err := d.Decode(&m); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read what docker answers: %w", err)
		}
		if m.Error != "" {
			return refusal(m.Error)
		}
		if seen != nil {
			seen(m)
		}
	}
}

func rawInto(b *bytes.Buffer) client.ImageInspectOption {
	return client.ImageInspectWithRawResponse(b)
}
