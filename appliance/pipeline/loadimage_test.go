package pipeline_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
)

// A saving is an image on its way into an archive, which a test may spoil.
type saving struct {
	t        *testing.T
	names    []string
	layers   [][]byte          // as they are in the archive
	sums     []string          // of what they unpack to
	arch, os string            // of the configuration
	labels   map[string]string // of it
	history  int               // how many layers it says to have; as many as there are if 0
	more     []*tar.Header
}

// save is an image of the test program, with a file in each layer.
func save(t *testing.T, names ...string) *saving {
	s := &saving{t: t, names: names, arch: runtime.GOARCH, os: "linux"}
	return s.layer(packed(t, files{"etc/motd": strings.Join(names, " ")}), nil).layer(packed(t, files{"etc/two": "2"}), nil)
}

// layer adds a layer, packed in some way.
func (s *saving) layer(content []byte, pack func(*testing.T, []byte) []byte) *saving {
	s.sums = append(s.sums, fmt.Sprintf("sha256:%x", sha256.Sum256(content)))
	if pack != nil {
		content = pack(s.t, content)
	}
	s.layers = append(s.layers, content)
	return s
}

func (s *saving) config() []byte {
	config := map[string]any{
		"architecture": s.arch, "os": s.os, "created": "2026-01-02T03:04:05Z",
		"config": map[string]any{"Cmd": []string{enginetest.Program}, "Env": []string{"GREETING=" + s.names[0]}, "Labels": s.labels},
		"rootfs": map[string]any{"type": "layers", "diff_ids": s.sums},
	}
	if s.history > 0 {
		config["history"] = make([]map[string]any, s.history)
	}
	text, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// archive is what docker save makes of images.
func archive(t *testing.T, images ...*saving) []byte {
	t.Helper()
	f, manifest := files{}, []map[string]any{}
	var more []*tar.Header
	for i, s := range images {
		config := fmt.Sprintf("%d.json", i)
		f[config] = string(s.config())
		layers := []string{}
		for n, content := range s.layers {
			name := fmt.Sprintf("%d-%d/layer.tar", i, n)
			f[name], layers = string(content), append(layers, name)
		}
		manifest = append(manifest, map[string]any{"Config": config, "RepoTags": s.names, "Layers": layers})
		more = append(more, s.more...)
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return packed(t, f.and("manifest.json", string(text)), more...)
}

func zstded(t *testing.T, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

// load deploys an image out of an archive.
func (w *world) load(content []byte, i pipeline.SavedImage) (string, error) {
	w.t.Helper()
	out := new(buffer)
	i.Content = bytes.NewReader(content)
	err := w.LoadImage(w.as("ada"), "blog", i, git.Author{Name: "t", Email: "t@t"}, out)
	return out.String(), err
}

// loaded lists the images that came in archives.
func (w *world) loaded() (list []string) {
	w.t.Helper()
	images, err := w.engine.Images(w.t.Context(), "blog")
	w.must(err)
	for _, image := range images {
		if strings.Contains(string(image), ":loaded-") {
			list = append(list, string(image))
		}
	}
	return list
}

func TestLoadImageDeploysWhatIsInTheArchive(t *testing.T) {
	for name, pack := range map[string]func(*testing.T, []byte) []byte{
		"plain": func(_ *testing.T, b []byte) []byte { return b }, "gzip": gzipped, "zstd": zstded,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			image := save(t, "app:1").layer(packed(t, files{"three": "3"}), gzipped).layer(packed(t, files{"four": "4"}), zstded)

			out, err := w.load(pack(t, archive(t, image)), pipeline.SavedImage{})

			if err != nil || !strings.HasPrefix(out, "-----> Fetching image from stdin\n-----> Generating build context\n-----> Updating git repository with specified build context\n-----> Receiving blog (") {
				t.Fatalf("%v\n%s", err, out)
			}
			w.wantAnswer("blog.localhost", "hello app:1")
			if got := w.loaded(); len(got) != 1 || !strings.HasPrefix(got[0], "berth-test/blog:loaded-") {
				t.Errorf("images = %q, want one of the app", got)
			}
		})
	}
}

// Attack: the archive calls its image as something that others build upon, or
// says that it is of another app.
func TestLoadImageMovesNobodysNameAndTakesNobodysLabels(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "other", false))
	w.deployed("other", serves())
	theirs, err := w.Store.Release(t.Context(), "other", 1)
	w.must(err)
	before, err := w.engine.Inspect(t.Context(), theirs.Image)
	w.must(err)
	evil := save(t, string(theirs.Image), "debian:12")
	evil.labels = map[string]string{"berth.app": "other", "mine": "yes"}

	out, err := w.load(archive(t, evil), pipeline.SavedImage{})

	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	after, err := w.engine.Inspect(t.Context(), theirs.Image)
	if err != nil || after.ID != before.ID {
		t.Errorf("the other's image is %s, %v, and was %s", after.ID, err, before.ID)
	}
	if _, err := w.engine.Inspect(t.Context(), "debian:12"); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("debian:12: %v, want that there is none", err)
	}
	mine, err := w.engine.Inspect(t.Context(), appliance.Image(w.loaded()[0]))
	if err != nil || mine.Labels["mine"] != "yes" || mine.Labels["berth.app"] == "other" {
		t.Errorf("labels = %v, %v", mine.Labels, err)
	}
}

func TestTheSameImageAgainIsNothingToDoUnlessItIsForced(t *testing.T) {
	w := newWorld(t)
	content := archive(t, save(t, "app:1"))
	if out, err := w.load(content, pipeline.SavedImage{}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	again, err := w.load(content, pipeline.SavedImage{})
	forced, forcedErr := w.load(content, pipeline.SavedImage{Force: true})
	other, otherErr := w.load(archive(t, save(t, "app:1", "with", "another", "file")), pipeline.SavedImage{})

	if err != nil || !strings.Contains(again, "No changes detected") {
		t.Errorf("again: %v\n%s", err, again)
	}
	if forcedErr != nil || !strings.Contains(forced, "Releasing blog v2") {
		t.Errorf("by force: %v\n%s", forcedErr, forced)
	}
	if otherErr != nil || !strings.Contains(other, "Releasing blog v3") {
		t.Errorf("another of the same name: %v\n%s", otherErr, other)
	}
}

func TestLoadImageTakesTheImageThatIsNamed(t *testing.T) {
	w := newWorld(t)
	content := archive(t, save(t, "app:1"), save(t, "registry.example.org/app:2"))

	_, noneErr := w.load(content, pipeline.SavedImage{})
	_, missingErr := w.load(content, pipeline.SavedImage{Name: "app:3"})
	out, err := w.load(content, pipeline.SavedImage{Name: "docker.io/library/app:1"})

	if noneErr == nil || !strings.Contains(noneErr.Error(), "it has 2 images: name the one to deploy (it has app:1, registry.example.org/app:2)") {
		t.Errorf("error = %v, want both names", noneErr)
	}
	if !errors.Is(missingErr, appliance.ErrNotFound) {
		t.Errorf("error = %v, want ErrNotFound", missingErr)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.wantAnswer("blog.localhost", "hello app:1")
}

// What is no archive, a bad one, or one that is made to do harm: each is
// refused with what is wrong, and nothing of it stays.
func TestBadImageArchivesAreRefused(t *testing.T) {
	good := archive(t, save(t, "app:1"))
	spoilt := func(spoil func(*saving)) []byte {
		s := save(t, "app:1")
		spoil(s)
		return archive(t, s)
	}
	header := func(h tar.Header) []byte { return spoilt(func(s *saving) { s.more = append(s.more, &h) }) }
	inLayer := func(h tar.Header) []byte {
		return spoilt(func(s *saving) { s.layer(packed(t, files{}, &h), nil) })
	}
	for name, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"nothing":                     {nil, "it is empty"},
		"no archive":                  {[]byte(strings.Repeat("no archive ", 1000)), "it is damaged, cut off, or something else"},
		"half of one":                 {good[:len(good)-2000], "it is damaged, cut off, or something else"},
		"half of a packed one":        {gzipped(t, good)[:500], "it is damaged, cut off, or something else"},
		"no manifest":                 {packed(t, files{"a": "b"}), "it has no manifest.json"},
		"OCI":                         {packed(t, files{"index.json": "{}", "oci-layout": "{}"}), "it is of OCI's kind"},
		"an empty manifest":           {packed(t, files{"manifest.json": "[]"}), "lists no images"},
		"a manifest that is none":     {packed(t, files{"manifest.json": "{"}), "lists no images"},
		"a manifest without files":    {packed(t, files{"manifest.json": `[{"Config":"../../etc/passwd","Layers":[]}]`}), `it has no file "../../etc/passwd"`},
		"a huge manifest":             {packed(t, files{"manifest.json": strings.Repeat(" ", 5<<20)}), "has more than 4194304 bytes"},
		"a path out of it":            {header(tar.Header{Name: "../up", Typeflag: tar.TypeReg}), `leads out of it: "../up"`},
		"an absolute path":            {header(tar.Header{Name: "/etc/passwd", Typeflag: tar.TypeReg}), `an absolute path: "/etc/passwd"`},
		"a link out of it":            {header(tar.Header{Name: "up", Linkname: "../../etc/passwd", Typeflag: tar.TypeSymlink}), `the link "up" leads out of it`},
		"a link to the machine":       {header(tar.Header{Name: "up", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}), `the link "up" leads out of it`},
		"a device":                    {header(tar.Header{Name: "null", Typeflag: tar.TypeChar}), `"null" is not a file`},
		"a name twice":                {header(tar.Header{Name: "0.json", Typeflag: tar.TypeReg}), `it has "0.json" twice`},
		"too large a file":            {header(tar.Header{Name: "big", Size: 1 << 20, Typeflag: tar.TypeReg}), `"big" (1 MiB) is too much: the files of an image may have 300 KiB together`},
		"another machine":             {spoilt(func(s *saving) { s.arch = "s390x" }), `it is for "linux" on "s390x"`},
		"another system":              {spoilt(func(s *saving) { s.os = "windows" }), `it is for "windows"`},
		"other layers":                {spoilt(func(s *saving) { s.layers = s.layers[:1] }), "its configuration names 2 layers, its manifest 1"},
		"another history":             {spoilt(func(s *saving) { s.history = 7 }), "its history has 7 layers, and it has 2"},
		"no sums":                     {spoilt(func(s *saving) { s.sums[0] = "../../x" }), "layer 1 has no sum that can be checked"},
		"another content":             {spoilt(func(s *saving) { s.sums[1] = s.sums[0] }), "layer 2: invalid image archive: its content is sha256:"},
		"a layer that is no tar":      {spoilt(func(s *saving) { s.layer([]byte(strings.Repeat("no tar", 500)), nil) }), "layer 3: invalid image archive: it is damaged"},
		"half of a layer":             {spoilt(func(s *saving) { s.layer(good, gzipped); s.layers[2] = s.layers[2][:300] }), "layer 3: invalid image archive: it is damaged"},
		"a path out of a layer":       {inLayer(tar.Header{Name: "../../etc/cron.d/x", Typeflag: tar.TypeReg}), `leads out of it: "../../etc/cron.d/x"`},
		"a hard link out of a layer":  {inLayer(tar.Header{Name: "x", Linkname: "../../etc/shadow", Typeflag: tar.TypeLink}), `the link "x" leads out of it`},
		"a bomb":                      {spoilt(func(s *saving) { s.layer(packed(t, files{"zeros": strings.Repeat("\x00", 1<<20)}), gzipped) }), `"zeros" (1 MiB) is too much`},
		"a bomb of zstd":              {spoilt(func(s *saving) { s.layer(packed(t, files{"zeros": strings.Repeat("\x00", 1<<20)}), zstded) }), `"zeros" (1 MiB) is too much`},
		"a packed bomb":               {gzipped(t, spoilt(func(s *saving) { s.layer(make([]byte, 1<<20), nil) })), "is too much"},
		"too many files":              {spoilt(func(s *saving) { s.layer(manyFiles(t), nil) }), "more than 60 files and directories: an image may not have more"},
		"more layers than Docker has": {spoilt(func(s *saving) { s.limitless() }), "it has 128 layers"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(errors.Join(w.Store.Set(t.Context(), pipeline.ImageMaxSizeSetting, fmt.Sprint(300<<10)), w.Store.Set(t.Context(), pipeline.ImageMaxFilesSetting, "60")))
			if name == "more layers than Docker has" || name == "a huge manifest" {
				w.must(w.Store.Set(t.Context(), pipeline.ImageMaxFilesSetting, "1000"))
				w.must(w.Store.Set(t.Context(), pipeline.ImageMaxSizeSetting, fmt.Sprint(8<<20)))
			}

			out, err := w.load(tt.content, pipeline.SavedImage{})

			if err == nil || !strings.Contains(err.Error(), tt.want) || appliance.HintOf(err) == "" && name != "a packed bomb" {
				t.Errorf("error = %v, hint %q, want %q\n%s", err, appliance.HintOf(err), tt.want, out)
			}
			w.nothingLoaded()
		})
	}
}

// limitless adds layers until there are 128.
func (s *saving) limitless() {
	for len(s.layers) < 128 {
		s.layer(packed(s.t, files{fmt.Sprint(len(s.layers)): "x"}), nil)
	}
}

func manyFiles(t *testing.T) []byte {
	f := files{}
	for i := range 100 {
		f[fmt.Sprint(i)] = ""
	}
	return packed(t, f)
}

// nothingLoaded checks that nothing is left of what was not deployed.
func (w *world) nothingLoaded() {
	w.t.Helper()
	if images := w.loaded(); len(images) != 0 {
		w.t.Errorf("images = %q, want none", images)
	}
	for _, dir := range []string{w.Temp, w.Repos.Dir} {
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		hidden, hiddenErr := filepath.Glob(filepath.Join(dir, ".[a-z]*"))
		w.must(errors.Join(err, hiddenErr))
		for _, name := range append(left, hidden...) {
			if !strings.HasSuffix(name, ".git") {
				w.t.Errorf("%s is left", name)
			}
		}
	}
	if _, head, err := w.Head(w.t.Context(), "blog"); err != nil || head != "" {
		w.t.Errorf("head = %q, %v, want none", head, err)
	}
}

// Older Dockers write a layer that images share once, with links to it.
func TestALayerMayBeALinkToAnother(t *testing.T) {
	w := newWorld(t)
	image := save(t, "app:1")
	image.layers, image.sums = image.layers[:1], image.sums[:1]
	f := files{"0.json": string(image.config()), "a/layer.tar": string(image.layers[0]), "manifest.json": `[{"Config":"0.json","RepoTags":["app:1"],"Layers":["b/layer.tar"]}]`}

	out, err := w.load(packed(t, f, &tar.Header{Name: "b/layer.tar", Linkname: "../a/layer.tar", Typeflag: tar.TypeSymlink}), pipeline.SavedImage{})

	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.wantAnswer("blog.localhost", "hello app:1")
}

// A release that is kept can be built again for as long as it is, also when
// somebody tidies Docker up; then the image goes.
func TestALoadedImageStaysAsLongAsAReleaseNeedsIt(t *testing.T) {
	w := newWorld(t)
	w.watch()
	if out, err := w.load(archive(t, save(t, "app:1")), pipeline.SavedImage{}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	image := appliance.Image(w.loaded()[0])
	w.deployed("blog", serves())
	_, err := w.CleanUp(w.as("ada"), "blog", new(buffer))
	w.must(err)
	w.Wait()
	w.engine.Tidy()
	if _, err := w.engine.Inspect(t.Context(), image); err != nil {
		t.Fatalf("the image that v1 is made of: %v", err)
	}
	w.engine.Lost(w.release(1).Image)
	w.must(w.Rollback(w.as("ada"), "blog", 1, new(buffer)))
	w.wantAnswer("blog.localhost", "hello app:1")

	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.KeepReleasesSetting, "1"))
	for i := range 3 {
		w.deployed("blog", serves("serve", fmt.Sprint(i)))
	}
	freed, err := w.CleanUp(w.as("ada"), "blog", new(buffer))

	if got := w.loaded(); err != nil || len(got) != 0 {
		t.Errorf("images = %q, %v, %+v, want none", got, err, freed)
	}
}

func TestALoadedImageThatIsNotDeployedGoes(t *testing.T) {
	for _, call := range []string{"Load", "Build", "Start"} {
		t.Run(call, func(t *testing.T) {
			w := newWorld(t)
			w.refuse(call)

			if _, err := w.load(archive(t, save(t, "app:1")), pipeline.SavedImage{}); err == nil {
				t.Fatal("it went through: this test shows nothing")
			}

			w.nothingLoaded()
		})
	}
}

// The daemon dies while an image comes in: what it has written is gone with the
// next one, and what the engine has with the next cleanup.
func TestALoadThatWasInterruptedLeavesNothing(t *testing.T) {
	w := newWorld(t)
	r, send := io.Pipe()
	loading := w.begin("ada", func(ctx context.Context, out io.Writer) error {
		return w.LoadImage(ctx, "blog", pipeline.SavedImage{Content: r}, git.Author{Name: "t", Email: "t@t"}, out)
	})
	content := archive(t, save(t, "app:1"))
	if _, err := send.Write(content[:2000]); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(w.dir, "left")
	w.must(os.CopyFS(left, os.DirFS(w.Temp))) // as it is in this moment
	gone := errors.New("they hung up")
	loading.cancel(gone)
	send.CloseWithError(gone)
	if err := loading.end(); !errors.Is(err, gone) {
		t.Errorf("error = %v, want that they hung up", err)
	}
	w.nothingLoaded()
	w.must(os.CopyFS(w.Temp, os.DirFS(left)))

	w.boot()

	w.nothingLoaded()
}
