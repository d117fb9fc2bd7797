package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/system"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/berthhq/berth/appliance"
)

// commit makes an image of a container that has run to its end.
//
// Docker gives such an image the container's environment, which may hold
// secrets. A variable that the new configuration names without a value is not
// taken over, and no process is given it, so all of RunSpec.Env is named so.
// Engines that keep images in a store of their own, and not in containerd's,
// have the whole of the container's configuration in the image besides, though
// the newer of them do not show it; those images are written anew, see cleaned.
func (e *Engine) commit(ctx context.Context, id string, spec appliance.RunSpec) error {
	from, err := e.api(ctx).ImageInspect(ctx, string(spec.Image))
	if err != nil {
		return explain("commit", err)
	}
	config := committed(from.Config, spec)
	config.Labels = e.labels(kindImage, spec.App)
	c, err := e.api(ctx).ContainerCommit(ctx, id, container.CommitOptions{
		Reference: string(spec.Commit.Tag), Config: config,
	})
	if err != nil {
		return explain("commit", err)
	}
	return e.clean(ctx, c.ID, spec)
}

// committed returns the configuration of the new image: that of the image
// before, and what spec.Commit says.
func committed(from *dockerspec.DockerOCIImageConfig, spec appliance.RunSpec) *container.Config {
	if from == nil {
		from = &dockerspec.DockerOCIImageConfig{}
	}
	env := map[string]string{}
	for _, kv := range spec.Env {
		k, _, _ := strings.Cut(kv, "=")
		env[k] = k
	}
	for _, kv := range slices.Concat(from.Env, spec.Commit.Env) {
		k, _, _ := strings.Cut(kv, "=")
		env[k] = kv
	}
	config := &container.Config{
		User:       first(spec.Commit.User, from.User, "0"),
		WorkingDir: first(spec.Commit.Dir, from.WorkingDir, "/"),
		Cmd:        from.Cmd,
		Entrypoint: from.Entrypoint,
		Env:        slices.Sorted(maps.Values(env)),
	}
	if spec.Commit.Command != nil {
		config.Cmd, config.Entrypoint = spec.Commit.Command, []string{}
	}
	return config
}

func first(of ...string) string {
	for _, s := range of {
		if s != "" {
			return s
		}
	}
	return ""
}

// clean makes sure that nothing of RunSpec.Env is in an image, where Docker
// has left it there.
func (e *Engine) clean(ctx context.Context, id string, spec appliance.RunSpec) error {
	machine, err := e.machine(ctx)
	if err != nil {
		return err
	}
	if len(spec.Env) == 0 || inContainerd(machine) {
		return nil
	}
	var raw bytes.Buffer
	old, err := e.api(ctx).ImageInspect(ctx, id, rawInto(&raw))
	if err != nil {
		return explain("commit", err)
	}
	var kept struct{ Config json.RawMessage }
	if err := json.Unmarshal(raw.Bytes(), &kept); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	stream, err := cleaned(old, kept.Config, string(spec.Commit.Tag))
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	loaded, err := e.api(ctx).ImageLoad(ctx, stream)
	if err != nil {
		return explain("commit", err)
	}
	defer loaded.Body.Close()
	if err := readMessages(loaded.Body, nil); err != nil {
		return explain("commit", err)
	}
	now, err := e.api(ctx).ImageInspect(ctx, string(spec.Commit.Tag))
	if err != nil || now.ID == id {
		return explain("commit", err) // there was nothing to clean
	}
	// The tag is the new image's now, and nobody else knows the old one.
	_, err = e.api(ctx).ImageRemove(ctx, id, image.RemoveOptions{PruneChildren: true})
	return explain("commit", err)
}

// inContainerd tells whether Docker keeps its images in containerd.
func inContainerd(machine *system.Info) bool {
	return slices.ContainsFunc(machine.DriverStatus, func(s [2]string) bool {
		return s[0] == "driver-type" && strings.HasPrefix(s[1], "io.containerd.snapshotter")
	})
}

// cleaned returns what docker load reads: an image of the layers of old, with
// nothing but its configuration. It holds no layers, because Docker looks for
// them first among those that it has.
func cleaned(old image.InspectResponse, config json.RawMessage, tag string) (io.Reader, error) {
	type history struct {
		Created time.Time `json:"created"`
		By      string    `json:"created_by"`
	}
	layers := make([]string, len(old.RootFS.Layers))
	histories := make([]history, len(layers))
	for i := range layers {
		layers[i] = "none" // never opened
		histories[i] = history{moment(old.Created), "berth"}
	}
	content, err := json.Marshal(map[string]any{
		"architecture": old.Architecture,
		"os":           old.Os,
		"created":      old.Created,
		"config":       config,
		"history":      histories,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": old.RootFS.Layers},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": "config.json", "RepoTags": []string{tag}, "Layers": layers,
	}})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range map[string][]byte{"config.json": content, "manifest.json": manifest} {
		// Writing to memory does not fail.
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))})
		_, _ = w.Write(content)
	}
	return &b, w.Close()
}
