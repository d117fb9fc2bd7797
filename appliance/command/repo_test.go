package command_test

import (
	"io"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestCleanupTellsWhatItHasFreed(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.engine.AddImage("tool", appliance.ImageInfo{})
	for _, tag := range []appliance.Image{"berth-test/blog:old", "berth-test/blog:older"} {
		_, err := w.engine.Run(t.Context(), appliance.RunSpec{
			App: "blog", Image: "tool", Command: []string{enginetest.Program, "say", "0"}, Out: io.Discard, Commit: &appliance.CommitSpec{Tag: tag},
		})
		w.must(err)
	}

	r := w.run(ada, "cleanup")
	again := w.run(bob, "cleanup", "blog")

	if want := "-----> Cleaning up api\n       nothing to remove\n-----> Cleaning up blog\n       0 containers and 2 images removed, 2 bytes freed\n"; r.err != nil || r.stdout != want {
		t.Errorf("cleanup printed %q, %v, want %q", r.stdout, r.err, want)
	}
	if again.err != nil || again.stdout != "-----> Cleaning up blog\n       nothing to remove\n" {
		t.Errorf("cleanup again printed %q, %v", again.stdout, again.err)
	}
}

// Who may not work on an app neither frees its images nor hears of it.
func TestCleanupOfEveryAppIsOfThoseThatOneMayWorkOn(t *testing.T) {
	w := newWorld(t)

	if r := w.run(bob, "cleanup"); r.err != nil || strings.Contains(r.stdout, "api") || !strings.Contains(r.stdout, "blog") {
		t.Errorf("cleanup printed %q, %v, want blog alone", r.stdout, r.err)
	}
	if r := w.run(val, "cleanup"); r.err != nil || r.stdout != "" {
		t.Errorf("a viewer's printed %q, %v, want nothing", r.stdout, r.err)
	}
}

func TestCleanupLeavesWhatARollbackNeeds(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.deploy("blog", "web: "+enginetest.Program+" serve")
	releases, err := w.Store.Releases(t.Context(), "blog", -1)
	w.must(err)

	w.run(ada, "cleanup", "blog")

	if len(releases) < 2 {
		t.Fatalf("releases = %v: this test shows nothing", releases)
	}
	for _, r := range releases {
		if _, err := w.engine.Inspect(t.Context(), r.Image); err != nil {
			t.Errorf("the image of v%d: %v", r.Version, err)
		}
	}
}
