package docker

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/berthhq/berth/appliance"
)

// Load makes an image of app of its configuration and its layers. What Docker
// gets is written anew, so that it has one name, and labels that say whose it
// is.
func (e *Engine) Load(ctx context.Context, spec appliance.LoadSpec) error {
	config, err := e.ownConfig(spec)
	if err != nil {
		return fmt.Errorf("load %s: %w: %w", spec.Tag, appliance.ErrInvalid, err)
	}
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeSaved(w, spec, config)
		w.CloseWithError(err) // nil is the end
		written <- err
	}()
	err = e.loadFrom(ctx, r)
	r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // nobody reads any more
	writeErr := <-written
	if err == nil || errors.Is(writeErr, io.ErrClosedPipe) {
		writeErr = nil
	}
	return explain("load "+string(spec.Tag), errors.Join(err, writeErr))
}

func (e *Engine) loadFrom(ctx context.Context, r io.Reader) error {
	loaded, err := e.api(ctx).ImageLoad(ctx, r)
	if err != nil {
		return err
	}
	defer loaded.Body.Close()
	return readMessages(loaded.Body, nil)
}

// ownConfig returns a configuration with our labels. What is not known of it is
// left out: Docker takes a name in capitals for the same as in small letters,
// and a second one for the better.
func (e *Engine) ownConfig(spec appliance.LoadSpec) ([]byte, error) {
	var image dockerspec.DockerOCIImage
	if err := json.Unmarshal(spec.Config, &image); err != nil {
		return nil, err
	}
	labels := e.labels(kindImage, spec.App)
	for name, value := range image.Config.Labels {
		if !strings.HasPrefix(name, "berth.") {
			labels[name] = value
		}
	}
	image.Config.Labels = maps.Clone(labels)
	return json.Marshal(image)
}

// writeSaved writes what docker load reads.
func writeSaved(out io.Writer, spec appliance.LoadSpec, config []byte) error {
	w := tar.NewWriter(out)
	names := make([]string, len(spec.Layers))
	for i, layer := range spec.Layers {
		names[i] = fmt.Sprintf("%d.tar", i)
		if err := writeLayer(w, names[i], layer); err != nil {
			return err
		}
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{string(spec.Tag)}, "Layers": names}})
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"config.json": config, "manifest.json": manifest} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	return w.Close()
}

func writeLayer(w *tar.Writer, name string, layer appliance.LayerFile) error {
	content, err := layer.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: layer.Size}); err != nil {
		return err
	}
	_, err = io.Copy(w, content)
	return err
}
