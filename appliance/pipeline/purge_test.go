package pipeline_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/pipeline"
)

// inVolume has a run write to, or read from, a volume of the app, and tells
// whether that went well.
func (w *world) inVolume(volume, verb string, more ...string) bool {
	w.t.Helper()
	w.engine.AddImage("tool", appliance.ImageInfo{})
	r, err := w.engine.Run(w.t.Context(), appliance.RunSpec{
		App: "blog", Image: "tool", Command: append([]string{enginetest.Program, verb, "/at/kept"}, more...),
		Mounts: []appliance.Mount{{Volume: volume, Path: "/at"}}, Out: io.Discard,
	})
	w.must(err)
	return r.Status == 0
}

// lastBuild is what the engine was last asked to build.
func (w *world) lastBuild() appliance.BuildSpec {
	w.t.Helper()
	built := w.engine.Built()
	if len(built) == 0 {
		w.t.Fatal("nothing was built")
	}
	return built[len(built)-1]
}

func TestPurgeCacheHasTheNextBuildBeginAfresh(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.inVolume("cache", "write", "x")
	w.inVolume("data", "write", "x")
	out := new(buffer)

	w.must(w.PurgeCache(w.as("ada"), "blog", out))

	if want := "-----> Removing the build cache of blog\n       the volume cache\n       the next build begins afresh\n"; out.String() != want {
		t.Errorf("it said %q, want %q", out, want)
	}
	if w.inVolume("cache", "read") || !w.inVolume("data", "read") {
		t.Error("the cache is there, or what is no cache is gone")
	}
	w.wantProcesses("blog", "web.1 v1") // nothing else has noticed
	for i, fresh := range []bool{true, false} {
		w.deployed("blog", serves("serve", strings.Repeat("x", i)))
		if got := w.lastBuild().Fresh; got != fresh {
			t.Errorf("build %d afterwards: afresh = %v, want %v", i+1, got, fresh)
		}
	}
}

// The daemon dies, or Docker does, at each step of it.
func TestAPurgeThatWasInterruptedIsDoneByTheNextBuild(t *testing.T) {
	for _, call := range []string{"RemoveVolumes", "Build"} {
		t.Run(call, func(t *testing.T) {
			w := newWorld(t)
			w.deployed("blog", serves())
			w.inVolume("cache", "write", "x")
			w.refuse(call)
			if call == "Build" {
				w.must(w.PurgeCache(w.as("ada"), "blog", new(buffer)))
				if _, err := w.push("blog", serves("serve")); err == nil {
					t.Fatal("it was built: this test shows nothing")
				}
				w.inVolume("cache", "write", "half")
			} else if err := w.PurgeCache(w.as("ada"), "blog", new(buffer)); err == nil {
				t.Fatal("it went through: this test shows nothing")
			}
			w.refuse("")
			w.boot()

			w.deployed("blog", serves("serve", "again"))

			if w.inVolume("cache", "read") || !w.lastBuild().Fresh {
				t.Error("the next build did not begin afresh")
			}
		})
	}
}

// Attack on somebody's own data: a volume of theirs is called like a cache.
func TestPurgeCacheLeavesWhatIsMounted(t *testing.T) {
	w := newWorld(t)
	w.must(w.Keep(t.Context(), "blog", pipeline.StorageSetting, []pipeline.Storage{{Source: "cache", Path: "/app/cache"}}))
	w.inVolume("cache", "write", "x")
	w.inVolume("cnb-cache", "write", "x")
	out := new(buffer)

	w.must(w.PurgeCache(w.as("ada"), "blog", out))

	if !w.inVolume("cache", "read") || w.inVolume("cnb-cache", "read") || !strings.Contains(out.String(), "the volume cache stays") {
		t.Errorf("the data is gone, or the cache is not:\n%s", out)
	}
}

func TestPurgeCacheWaitsForABuild(t *testing.T) {
	w := newWorld(t)
	w.inVolume("cache", "write", "x")
	building := w.hold("Build")
	push := w.beginPush("ada", "blog", serves())
	<-building.reached

	purge := w.begin("bob", func(ctx context.Context, out io.Writer) error { return w.PurgeCache(ctx, "blog", out) })
	purge.says("-----> Waiting: another deploy of blog runs")
	if !w.inVolume("cache", "read") {
		t.Error("the cache went while something was built")
	}
	close(building.open)

	w.must(push.end())
	w.must(purge.end())
	if w.inVolume("cache", "read") {
		t.Error("the cache is still there")
	}
}
