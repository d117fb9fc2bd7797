package docker_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

// The attack: somebody who gets an image, from a registry or a backup, looks
// for the app's passwords in all that it is made of. Engines may keep the
// environment of the container in a corner that no process sees.
func TestWhatIsCommittedHoldsNoValueOfTheRunsEnvironment(t *testing.T) {
	e := newEngine(t)
	raw := rawDocker(t)
	from := enginetest.Image(t, e)
	tag := appliance.Image("berth-test/" + e.Instance() + ":v1")

	if _, err := e.Run(t.Context(), appliance.RunSpec{
		App: "blog", Image: from, Command: []string{enginetest.Program, "write", "/left", "here"},
		Env: []string{"DATABASE_URL=open-sesame"}, Commit: &appliance.CommitSpec{Tag: tag, Env: []string{"PUBLIC=plain-to-see"}},
	}); err != nil {
		t.Fatal(err)
	}

	var inspected bytes.Buffer
	if _, err := raw.ImageInspect(t.Context(), string(tag), client.ImageInspectWithRawResponse(&inspected)); err != nil {
		t.Fatal(err)
	}
	saved, err := raw.ImageSave(t.Context(), []string{string(tag)})
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	all, err := io.ReadAll(saved)
	if err != nil {
		t.Fatal(err)
	}
	for where, what := range map[string][]byte{"inspect": inspected.Bytes(), "save": all} {
		if !bytes.Contains(what, []byte("plain-to-see")) {
			t.Errorf("%s does not show what was committed; this test looks at the wrong place", where)
		}
		if bytes.Contains(what, []byte("open-sesame")) {
			t.Errorf("%s shows the secret", where)
		}
	}
	// An image that was only a step on the way is gone.
	left, err := raw.ImageList(t.Context(), image.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", "berth.instance="+e.Instance()), filters.Arg("label", "berth.app=blog"),
	)})
	if err != nil || len(left) != 1 {
		t.Errorf("images of the app = %v, %v, want one", left, err)
	}
}

func TestAFileThatIsTooLargeIsNotBroughtBack(t *testing.T) {
	e := newEngine(t)
	image := enginetest.Image(t, e)
	collect := func(name string) ([]byte, error) {
		result, err := e.Run(t.Context(), appliance.RunSpec{
			App: "blog", Image: image, Command: []string{enginetest.Program, "say", "0"},
			Files: tarOf(t, "exact", strings.Repeat("x", 1<<20), "large", strings.Repeat("x", 1<<20+1)), FilesDir: "/in",
			Collect: name,
		})
		return result.Collected, err
	}

	exact, err := collect("/in/exact")
	if err != nil || len(exact) != 1<<20 {
		t.Errorf("got %d bytes, %v, want all of a file of 1 MiB", len(exact), err)
	}
	if _, err := collect("/in/large"); !errors.Is(err, appliance.ErrInvalid) {
		t.Errorf("a larger file: %v, want ErrInvalid", err)
	}
	if _, err := collect("/in"); !errors.Is(err, appliance.ErrInvalid) {
		t.Errorf("a directory: %v, want ErrInvalid", err)
	}
	if _, err := collect("/in/none"); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("no file: %v, want ErrNotFound", err)
	}
}

func TestAnImportedRootRuns(t *testing.T) {
	e := newEngine(t)
	tag := appliance.Image("berth-test/" + e.Instance() + ":root")

	if err := e.Import(t.Context(), tag, tarOf(t, "program", programOf(t))); err != nil {
		t.Fatal(err)
	}

	var out strings.Builder
	result, err := e.Run(t.Context(), appliance.RunSpec{Image: tag, Command: []string{enginetest.Program, "say", "0", "hello"}, Out: &out})
	if err != nil || result.Status != 0 || !strings.Contains(out.String(), "hello") {
		t.Errorf("run = %+v, %v, %q, want hello", result, err, out.String())
	}
	if err := e.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Inspect(t.Context(), tag); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("after Purge: %v, want ErrNotFound: it is labelled as ours", err)
	}
}

// tarOf returns a tar stream of files, each a name and its content.
func tarOf(t testing.TB, files ...string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for pair := range slices.Chunk(files, 2) {
		if err := w.WriteHeader(&tar.Header{Name: pair[0], Mode: 0o755, Size: int64(len(pair[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// programOf returns the test program itself.
func programOf(t testing.TB) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(enginetest.ProgramDir(t), "program"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
