package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// releases lists an app's releases in short: "v3 succeeded push, v2 …".
func (w *world) releases(app appliance.AppName) (list []string) {
	w.t.Helper()
	releases, err := w.Store.Releases(w.t.Context(), app, -1)
	w.must(err)
	for _, r := range releases {
		list = append(list, fmt.Sprintf("v%d %s", r.Version, r.Status))
	}
	return list
}

func (w *world) wantReleases(app appliance.AppName, want ...string) {
	w.t.Helper()
	if got := w.releases(app); !slices.Equal(got, want) {
		w.t.Errorf("releases of %s = %q, want %q", app, got, want)
	}
}

// release returns a release of blog.
func (w *world) release(version int) appliance.Release {
	w.t.Helper()
	r, err := w.Store.Release(w.t.Context(), "blog", version)
	w.must(err)
	return r
}

func TestDiskStaysBoundedHoweverMuchIsPushed(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.KeepReleasesSetting, "3"))
	const pushes = 8
	for range pushes {
		w.deployed("blog", serves())
	}
	images, err := w.engine.Images(t.Context(), "blog")
	w.must(err)

	w.wantReleases("blog", "v8 succeeded", "v7 succeeded", "v6 succeeded")
	for version := pushes - 2; version <= pushes; version++ {
		if r := w.release(version); !slices.Contains(images, r.Image) {
			t.Errorf("image of v%d is gone", version)
		}
	}
	if len(images) != 4 { // and the one that was the oldest when the last was built
		t.Errorf("images = %q, want four", images)
	}
	refs := w.git(w.Repos.Path("blog"), "for-each-ref", "--format=%(refname:lstrip=3)", "refs/berth/releases")
	want := []string{w.release(6).Commit, w.release(7).Commit, w.release(8).Commit}
	slices.Sort(want)
	if want = slices.Compact(want); refs != strings.Join(want, "\n") { // within a second they are the same
		t.Errorf("kept commits:\n%s\nwant:\n%s", refs, want)
	}
}

func TestImageOfAFailedReleaseIsNotKept(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	if _, err := w.push("blog", serves("say", "3")); err == nil {
		t.Fatal("the push went through: this test shows nothing")
	}
	failed := w.release(2).Image
	w.wantReleases("blog", "v2 failed", "v1 succeeded")

	w.deployed("blog", serves())

	w.wantReleases("blog", "v3 succeeded", "v2 failed", "v1 succeeded")
	if _, err := w.engine.Inspect(t.Context(), failed); err == nil {
		t.Error("its image is there still")
	}
}

func TestChangesOfConfigDoNotTakeAwayTheCodeToGoBackTo(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.KeepReleasesSetting, "2"))
	w.deployed("blog", serves())
	w.deployed("blog", serves())

	for range 3 {
		w.must(w.Reconfigure(w.as("ada"), "blog", "config:set", new(buffer)))
	}

	w.wantReleases("blog", "v5 succeeded", "v4 succeeded", "v1 succeeded")
}

// The live release and the one before it stay, whatever was tried since.
func TestWhatWorksIsKeptThroughAnyNumberOfFailures(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.KeepReleasesSetting, "2"))
	for range 4 {
		w.deployed("blog", serves())
	}
	w.must(w.Rollback(w.as("ada"), "blog", 3, new(buffer))) // v5
	w.refuse("Start")
	for range 4 {
		if err := w.Reconfigure(w.as("ada"), "blog", "config:set", new(buffer)); err == nil {
			t.Fatal("it went through: this test shows nothing")
		}
	}
	w.refuse("")

	w.must(w.PruneReleases(w.as("ada"), "blog", new(buffer)))

	// v5 is v3 again, and v2 is no more; v4 is the other image.
	w.wantReleases("blog", "v9 failed", "v8 failed", "v5 succeeded", "v4 succeeded")
	w.wantAnswer("blog.localhost", "hello")
}

// An administrator makes room: docker image prune -a.
func TestKeptImagesArePinned(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.deployed("blog", serves())
	w.deployed("blog", serves("serve"))

	w.engine.Tidy()

	if _, err := w.engine.Inspect(t.Context(), w.release(1).Image); err != nil {
		t.Errorf("image of v1: %v, want it kept", err)
	}
	w.engine.Unpin() // docker container prune; we hear of it
	w.Wait()
	w.engine.Tidy()
	if _, err := w.engine.Inspect(t.Context(), w.release(1).Image); err != nil {
		t.Errorf("image of v1 after the pins were removed: %v, want it kept", err)
	}
}

// Somebody runs git gc in the repository after a push by force.
func TestCommitsOfKeptReleasesAreNotCollected(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.deployed("blog", serves().and("more", "1")) // a history of its own
	commit := w.release(1).Commit

	w.git(w.Repos.Path("blog"), "gc", "-q", "--prune=now")

	if has, err := w.Repos.Has(t.Context(), "blog", commit); err != nil || !has {
		t.Errorf("the repository has the commit of v1: %v, %v", has, err)
	}
}
