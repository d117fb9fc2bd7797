package pipeline

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// maxLayers is how many layers Docker can have upon each other.
const maxLayers = 125

var diffID = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// check looks through an image, all of it, before Docker sees any of it, and
// returns what is to be loaded, with the sum of its configuration, which names
// its whole content.
func (s *saved) check(i savedImage) (spec appliance.LoadSpec, sum string, err error) {
	if spec.Config, err = s.text(i.Config); err != nil {
		return spec, "", err
	}
	var config struct {
		Architecture string
		OS           string
		RootFS       struct {
			Type    string
			DiffIDs []string `json:"diff_ids"`
		}
		History []struct {
			Empty bool `json:"empty_layer"`
		}
	}
	if err := json.Unmarshal(spec.Config, &config); err != nil {
		return spec, "", badImage("its configuration makes no sense: %w", err)
	}
	ids := config.RootFS.DiffIDs
	switch layers := len(i.Layers); {
	case config.RootFS.Type != "layers" || len(ids) != layers:
		return spec, "", badImage("its configuration names %d layers, its manifest %d", len(ids), layers)
	case layers > maxLayers:
		return spec, "", badImage("it has %d layers, more than the %d that Docker can have", layers, maxLayers)
	case config.OS != "linux" || config.Architecture != runtime.GOARCH:
		return spec, "", appliance.WithHint(fmt.Errorf("%w image: it is for %.20q on %.20q, and this machine is linux on %s", appliance.ErrInvalid, config.OS, config.Architecture, runtime.GOARCH),
			"build it for this machine: docker build --platform linux/"+runtime.GOARCH)
	}
	filled := slices.DeleteFunc(config.History, func(h struct {
		Empty bool `json:"empty_layer"`
	}) bool {
		return h.Empty
	})
	if len(config.History) > 0 && len(filled) != len(ids) {
		return spec, "", badImage("its history has %d layers, and it has %d", len(filled), len(ids))
	}
	for n, name := range i.Layers {
		if !diffID.MatchString(ids[n]) {
			return spec, "", badImage("layer %d has no sum that can be checked", n+1)
		}
		size, err := s.checkLayer(name, ids[n])
		if err != nil {
			return spec, "", fmt.Errorf("layer %d: %w", n+1, err)
		}
		spec.Layers = append(spec.Layers, appliance.LayerFile{Size: size, Open: func() (io.ReadCloser, error) { return s.layer(name) }})
	}
	return spec, fmt.Sprintf("%x", sha256.Sum256(spec.Config)), nil
}

// checkLayer reads a layer to its end, and returns how many bytes it has
// unpacked. It has the sum that it should have, and nothing in it leads out of
// it.
func (s *saved) checkLayer(name, id string) (size int64, err error) {
	layer, err := s.layer(name)
	if err != nil {
		return 0, err
	}
	defer layer.Close()
	sum, counted := sha256.New(), &counter{}
	raw := &bounded{r: layer, left: s.limit.maxSize + 2048*int64(s.limit.maxEntries) + 1<<20, limit: s.limit}
	read := io.TeeReader(raw, io.MultiWriter(sum, counted))
	for tr := tar.NewReader(read); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, damaged(err)
		}
		if within := strings.TrimPrefix(h.Name, "/"); slices.Contains(strings.Split(within, "/"), "..") {
			return 0, badImage("it has a path that leads out of it: %.200q", h.Name)
		}
		if h.Typeflag == tar.TypeLink && slices.Contains(strings.Split(h.Linkname, "/"), "..") {
			return 0, badImage("the link %.200q leads out of it", h.Name)
		}
		// What a sparse file says, and not what is sent of it: Docker writes
		// all of it.
		if err := s.limit.add(h.Name, h.Size); err != nil {
			return 0, err
		}
	}
	if _, err := io.Copy(io.Discard, read); err != nil {
		return 0, damaged(err)
	}
	if got := fmt.Sprintf("sha256:%x", sum.Sum(nil)); got != id {
		return 0, badImage("its content is %.19s…, and should be %.19s…", got, id)
	}
	return counted.n, nil
}

// A counter counts what is written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
