package enginetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

var imagePromises = []promise{
	{"Inspect of an image that is not there is ErrNotFound", func(w *world) {
		if _, err := w.e.Inspect(w.Context(), w.tag("nowhere")); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("error = %v, want ErrNotFound", err)
		}
	}},

	{"Import makes an image", func(w *world) {
		// An image of the appliance itself: nothing below removes it.
		tag := appliance.Image("berth-test/imported:latest")
		if err := w.e.Import(w.Context(), tag, archive(w, "etc/motd", "welcome")); err != nil {
			w.Fatal(err)
		}

		info, err := w.e.Inspect(w.Context(), tag)

		if err != nil || info.ID == "" || info.Size == 0 {
			w.Errorf("Inspect = %+v, %v, want an image", info, err)
		}
	}},

	{"Load makes an image of the app, whatever its labels say", func(w *world) {
		layer, err := io.ReadAll(archive(w, "etc/motd", "welcome"))
		if err != nil {
			w.Fatal(err)
		}
		config := fmt.Sprintf(`{"architecture": %q, "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:%x"]},
			"config": {"Cmd": ["/app"], "Env": ["A=b"], "Labels": {"mine": "yes", "berth.app": "other"}, "labels": {"berth.app": "other", "berth.kind": "process"}}}`,
			runtime.GOARCH, sha256.Sum256(layer))
		spec := appliance.LoadSpec{App: w.app, Tag: w.tag("loaded"), Config: []byte(config), Layers: []appliance.LayerFile{{
			Size: int64(len(layer)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer)), nil },
		}}}

		if err := w.e.Load(w.Context(), spec); err != nil {
			w.Fatal(err)
		}

		info, err := w.e.Inspect(w.Context(), w.tag("loaded"))
		if err != nil || !slices.Equal(info.Cmd, []string{"/app"}) || !slices.Contains(info.Env, "A=b") || info.Labels["mine"] != "yes" || info.Labels["berth.app"] == "other" {
			w.Errorf("Inspect = %+v, %v", info, err)
		}
		if mine, err := w.e.Images(w.Context(), w.app); err != nil || !slices.Equal(mine, []appliance.Image{w.tag("loaded")}) {
			w.Errorf("images = %q, %v, want it", mine, err)
		}
		if err := w.e.Prune(w.Context(), w.app); err != nil {
			w.Fatal(err)
		}
		if _, err := w.e.Inspect(w.Context(), w.tag("loaded")); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("after Prune: %v, want ErrNotFound", err)
		}
	}},

	{"Load of a layer that cannot be read makes nothing", func(w *world) {
		config := `{"architecture": "` + runtime.GOARCH + `", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:` + strings.Repeat("0", 64) + `"]}}`
		broken := errors.New("the disk is broken")
		spec := appliance.LoadSpec{App: w.app, Tag: w.tag("loaded"), Config: []byte(config), Layers: []appliance.LayerFile{{
			Size: 1024, Open: func() (io.ReadCloser, error) { return nil, broken },
		}}}

		err := w.e.Load(w.Context(), spec)

		if err == nil || !strings.Contains(err.Error(), broken.Error()) {
			w.Errorf("error = %v, want %v", err, broken)
		}
		if mine, err := w.e.Images(w.Context(), w.app); err != nil || len(mine) != 0 {
			w.Errorf("images = %q, %v, want none", mine, err)
		}
	}},

	{"Images lists the images of one app, or of none", func(w *world) {
		w.commit("one")
		w.commit("two")

		mine, err := w.e.Images(w.Context(), w.app)
		none, noneErr := w.e.Images(w.Context(), "")

		if want := []appliance.Image{w.tag("one"), w.tag("two")}; err != nil || !slices.Equal(mine, want) {
			w.Errorf("Images = %q, %v, want %q", mine, err, want)
		}
		if noneErr != nil || slices.Contains(none, w.tag("one")) {
			w.Errorf("Images of no app = %q, %v, want none of an app", none, noneErr)
		}
	}},

	{"Prune keeps what it is told to, and what is in use", func(w *world) {
		for _, name := range []string{"kept", "used", "ended", "old"} {
			w.commit(name)
		}
		w.start(appliance.ProcessSpec{Image: w.tag("used")})
		p := w.start(appliance.ProcessSpec{Image: w.tag("ended"), Command: []string{Program, "say", "0"}})[0]
		w.eventually("it has ended", func() bool { return !w.process(p.ID).Running })

		if err := w.e.Prune(w.Context(), w.app, w.tag("kept"), w.tag("nowhere")); err != nil {
			w.Fatal(err)
		}

		for _, name := range []string{"kept", "used", "ended"} {
			if _, err := w.e.Inspect(w.Context(), w.tag(name)); err != nil {
				w.Errorf("the image %s: %v, want it kept", name, err)
			}
		}
		if _, err := w.e.Inspect(w.Context(), w.tag("old")); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("the old image: %v, want ErrNotFound", err)
		}
		if _, err := w.e.Inspect(w.Context(), w.image); err != nil {
			w.Errorf("another app's image: %v, want it untouched", err)
		}
	}},

	{"Prune removes what lost its name to a newer image", func(w *world) {
		w.commit("latest")
		before, err := w.e.Inspect(w.Context(), w.tag("latest"))
		if err != nil {
			w.Fatal(err)
		}
		w.run(appliance.RunSpec{Commit: &appliance.CommitSpec{Tag: w.tag("latest")}}, "write", "/name", "newer")

		if err := w.e.Prune(w.Context(), w.app, w.tag("latest")); err != nil {
			w.Fatal(err)
		}

		if _, err := w.e.Inspect(w.Context(), appliance.Image(before.ID)); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("the older image: %v, want ErrNotFound", err)
		}
	}},

	{"Clear tells what it has removed", func(w *world) {
		for _, name := range []string{"kept", "old", "older"} {
			w.commit(name)
		}

		freed, err := w.e.Clear(w.Context(), w.app, w.tag("kept"))
		again, againErr := w.e.Clear(w.Context(), w.app, w.tag("kept"))

		if err != nil || freed.Images != 2 || freed.Containers != 0 || freed.Bytes < 0 {
			w.Errorf("Clear = %+v, %v, want two images", freed, err)
		}
		if againErr != nil || again.Images != 0 || again.Containers != 0 {
			w.Errorf("Clear again = %+v, %v, want nothing", again, againErr)
		}
		if left, err := w.e.Images(w.Context(), w.app); err != nil || !slices.Equal(left, []appliance.Image{w.tag("kept")}) {
			w.Errorf("images = %q, %v, want what is kept", left, err)
		}
	}},

	{"RemoveVolumes removes what nothing has, of one app", func(w *world) {
		other := Name("contract")
		w.Cleanup(func() { w.destroy(other) })
		for _, volume := range []string{"one", "two", "used"} {
			w.run(appliance.RunSpec{Mounts: []appliance.Mount{{Volume: volume, Path: "/data"}}}, "write", "/data/kept", "still here")
		}
		theirs := func(args ...string) int {
			spec := appliance.RunSpec{App: other, Image: w.image, Command: append([]string{Program}, args...), Mounts: []appliance.Mount{{Volume: "one", Path: "/data"}}}
			r, err := w.e.Run(w.Context(), spec)
			if err != nil {
				w.Fatal(err)
			}
			return r.Status
		}
		theirs("write", "/data/kept", "still here")
		p := w.start(appliance.ProcessSpec{Command: []string{Program, "deaf"}, Mounts: []appliance.Mount{{Volume: "used", Path: "/data"}}})[0]

		removed, err := w.e.RemoveVolumes(w.Context(), w.app, "one", "two", "three")
		_, usedErr := w.e.RemoveVolumes(w.Context(), w.app, "used")

		if want := []string{"one", "two"}; err != nil || !slices.Equal(removed, want) {
			w.Errorf("removed = %q, %v, want %q", removed, err, want)
		}
		if !errors.Is(usedErr, appliance.ErrBusy) || !w.process(p.ID).Running {
			w.Errorf("of one that is used: %v, want ErrBusy", usedErr)
		}
		for volume, want := range map[string]bool{"one": false, "two": false, "used": true} {
			if result, _ := w.run(appliance.RunSpec{Mounts: []appliance.Mount{{Volume: volume, Path: "/data"}}}, "read", "/data/kept"); (result.Status == 0) != want {
				w.Errorf("%s holds what it held: %v, want %v", volume, !want, want)
			}
		}
		if theirs("read", "/data/kept") != 0 {
			w.Error("the other app's volume is gone")
		}
	}},

	{"Destroy removes all of an app and nothing else", func(w *world) {
		other := w.start(appliance.ProcessSpec{App: Name("contract")})[0]
		w.Cleanup(func() { w.destroy(other.App) })
		data := []appliance.Mount{{Volume: "data", Path: "/data"}}
		w.run(appliance.RunSpec{Mounts: data}, "write", "/data/kept", "still here")
		w.commit("v1")
		w.start(appliance.ProcessSpec{Image: w.tag("v1"), Command: []string{Program, "deaf"}, Mounts: data})

		for range 2 { // twice is no error
			if err := w.e.Destroy(w.Context(), w.app); err != nil {
				w.Fatal(err)
			}
		}

		if left := w.processes(); len(left) != 0 {
			w.Errorf("processes = %v, want none", left)
		}
		if _, err := w.e.Inspect(w.Context(), w.tag("v1")); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("its image: %v, want ErrNotFound", err)
		}
		if result, out := w.run(appliance.RunSpec{Mounts: data}, "read", "/data/kept"); result.Status == 0 {
			w.Errorf("its volume still holds %q", out)
		}
		if found, err := w.e.Processes(w.Context(), other.App); err != nil || len(found) != 1 || !found[0].Running {
			w.Errorf("the other app = %v, %v, want it running", found, err)
		}
	}},

	{"Destroy of no app destroys no app", func(w *world) {
		p := w.start(appliance.ProcessSpec{})[0]

		if err := w.e.Destroy(w.Context(), ""); err == nil || !strings.Contains(err.Error(), "app") {
			w.Errorf("error = %v, want that there is no app", err)
		}

		if !w.process(p.ID).Running {
			w.Error("the process is gone")
		}
	}},
}

// commit makes an image of the world's app that is like no other.
func (w *world) commit(name string) {
	w.Helper()
	w.run(appliance.RunSpec{Commit: &appliance.CommitSpec{Tag: w.tag(name)}}, "write", "/name", name)
}
