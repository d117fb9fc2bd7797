package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/enginetest"
)

// composed is an app of three services, of which db keeps data in a volume.
func composed(web string) files {
	return files{
		"Dockerfile": "FROM scratch\nCMD [\"" + enginetest.Program + "\", " + web + "]\n",
		"db":         "FROM scratch\nCMD [\"" + enginetest.Program + "\"]\n",
		"compose.yaml": `services:
  web: {build: ., depends_on: [db], volumes: ["uploads:/up"]}
  db: {build: {context: ., dockerfile: db}, volumes: ["data:/data"]}
  cache: {build: {context: ., dockerfile: db}}
`}
}

// Two databases on the same files destroy them.
func TestServiceWithAVolumeEndsBeforeItsSuccessorStarts(t *testing.T) {
	w := newWorld(t)
	w.Builders = []builder.Builder{builder.Compose{}}
	w.deployed("blog", composed(`"serve"`))
	begun := len(w.engine.Calls())

	w.deployed("blog", composed(`"serve"`))

	calls := w.engine.Calls()[begun:]
	at := func(call string) int {
		i := slices.Index(calls, call)
		if i < 0 {
			t.Fatalf("calls = %q, want %q among them", calls, call)
		}
		return i
	}
	for _, typ := range []string{"db", "web"} {
		if at("Stop blog."+typ+".1 v1") > at("Start blog."+typ+" v2") {
			t.Errorf("calls = %q, want the old %s to end first", calls, typ)
		}
	}
	if at("Stop blog.cache.1 v1") < at("Start blog.cache v2") {
		t.Errorf("calls = %q, want the new cache to start first", calls)
	}
	w.wantProcesses("blog", "cache.1 v2", "db.1 v2", "web.1 v2")
}

func TestServiceThatMadeWayIsBackWhenTheDeployFails(t *testing.T) {
	w := newWorld(t)
	w.Builders = []builder.Builder{builder.Compose{}}
	w.deployed("blog", composed(`"serve"`))

	out, err := w.push("blog", composed(`"say", "3", "no coffee"`))

	if err == nil || !strings.Contains(out, "db keeps data in a volume") {
		t.Fatalf("push: %v\n%s", err, out)
	}
	w.eventually("the old db runs again", func() bool {
		return slices.Equal(w.processes("blog"), []string{"cache.1 v1", "db.1 v1", "web.1 v1"})
	})
	w.wantAnswer("blog.localhost", "hello")
}

func TestImagesOfServicesStayAsLongAsTheirReleases(t *testing.T) {
	w := newWorld(t)
	w.Builders = []builder.Builder{builder.Compose{}}

	for range 3 {
		w.deployed("blog", composed(`"serve"`))
	}

	releases, err := w.Store.Releases(t.Context(), "blog", -1)
	w.must(err)
	images := map[appliance.Image]bool{}
	for _, release := range releases {
		for typ, service := range release.Services {
			images[service.Image] = true
			if _, err := w.engine.Inspect(t.Context(), service.Image); err != nil {
				t.Errorf("image of %s of v%d: %v", typ, release.Version, err)
			}
		}
	}
	// db and cache share theirs.
	if len(releases) != 3 || len(images) != 6 {
		t.Errorf("%d releases have %d images, want 3 and 6", len(releases), len(images))
	}
}
