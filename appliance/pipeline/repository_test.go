package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
)

// slowGC has every "git gc" write down that it runs, and then wait until the
// test lets it end.
func (w *world) slowGC() (begun func() int, end func()) {
	w.t.Helper()
	real, err := exec.LookPath("git")
	w.must(err)
	bin, log, goOn := w.t.TempDir(), filepath.Join(w.dir, "gc-log"), filepath.Join(w.dir, "gc-go-on")
	script := "#!/bin/sh\ncase \" $* \" in *' gc '*) echo begun >>'" + log + "'; while [ ! -e '" + goOn + "' ]; do sleep 0.01; done;; esac\nexec '" + real + "' \"$@\"\n"
	w.must(os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o755))
	w.t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return func() int {
		text, _ := os.ReadFile(log) // none yet
		return strings.Count(string(text), "begun")
	}, func() { w.must(os.WriteFile(goOn, nil, 0o600)) }
}

// upkeep has repositories looked after until the test ends.
func (w *world) upkeep() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	p := w.Pipeline
	go func() { ended <- p.Upkeep(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Upkeep: %v", err)
		}
	})
}

// archive deploys an archive of files.
func (w *world) archive(f files) error {
	return w.FromArchive(w.as("ada"), "blog", pipeline.Archive{Content: bytes.NewReader(packed(w.t, f))}, git.Author{Name: "t", Email: "t@t"}, new(buffer))
}

func TestUpkeepPacksARepositoryThatHasBecomeUntidy(t *testing.T) {
	w := newWorld(t)
	w.git(w.Repos.Path("blog"), "config", "gc.autoPackLimit", "1")
	for _, text := range []string{"one", "two"} {
		many := serves()
		for i := range 120 { // more than git keeps as single files
			many.and(fmt.Sprint(i), fmt.Sprint(text, i))
		}
		w.must(w.archive(many))
	}
	packs := func() int {
		found, _ := filepath.Glob(filepath.Join(w.Repos.Path("blog"), "objects", "pack", "*.pack"))
		return len(found)
	}
	if packs() != 2 {
		t.Fatal("it is packed already: this test shows nothing")
	}

	w.upkeep()

	w.eventually("it is packed", func() bool { return packs() == 1 })
}

// A push comes while git packs: it does not wait for that, which is done again
// afterwards.
func TestUpkeepGivesWayToWhoeverComes(t *testing.T) {
	w := newWorld(t)
	begun, end := w.slowGC()
	w.must(w.archive(serves()))
	w.Wait() // what a deploy has left to do comes to the repository, too
	commit := w.commit("blog", serves("serve"))
	w.upkeep()
	w.eventually("git packs", func() bool { return begun() == 1 })

	w.must(w.Receive(w.as("ada"), pipeline.Push{App: "blog", Commit: commit, Branch: "main"}, new(buffer)))

	w.wantProcesses("blog", "web.1 v2")
	// It may have begun, and given way, more than once.
	w.eventually("git packs again", func() bool { return begun() >= 2 })
	end()
}

// Attack on what is being built: somebody packs the repository meanwhile.
func TestAPackingThatIsAskedForWaitsForABuild(t *testing.T) {
	w := newWorld(t)
	begun, end := w.slowGC()
	end()
	building := w.hold("Build")
	push := w.beginPush("ada", "blog", serves())
	<-building.reached

	pack := w.begin("bob", func(ctx context.Context, out io.Writer) error {
		_, _, err := w.PackRepository(ctx, "blog", out)
		return err
	})
	pack.says("-----> Waiting: the repository of blog is in use")
	if begun() != 0 {
		t.Error("git packs beside a build")
	}
	close(building.open)

	w.must(push.end())
	w.must(pack.end())
	if begun() != 1 {
		t.Errorf("git packed %d times, want once", begun())
	}
}

func TestAPushWaitsForAPackingThatWasAskedFor(t *testing.T) {
	w := newWorld(t)
	begun, end := w.slowGC()
	pack := w.begin("bob", func(ctx context.Context, out io.Writer) error {
		_, _, err := w.PackRepository(ctx, "blog", out)
		return err
	})
	w.eventually("git packs", func() bool { return begun() == 1 })

	push := w.beginPush("ada", "blog", serves())

	push.says("-----> Waiting: the repository of blog is being packed, since ")
	push.says("ago by bob")
	end()
	w.must(pack.end())
	w.must(push.end())
	w.wantProcesses("blog", "web.1 v1")
}

func TestAPackingEndsWhenItsPersonHangsUp(t *testing.T) {
	w := newWorld(t)
	begun, _ := w.slowGC()
	pack := w.begin("bob", func(ctx context.Context, out io.Writer) error {
		_, _, err := w.PackRepository(ctx, "blog", out)
		return err
	})
	w.eventually("git packs", func() bool { return begun() == 1 })
	gone := errors.New("they hung up")

	pack.cancel(gone)

	if err := pack.end(); !errors.Is(err, gone) {
		t.Errorf("error = %v, want that they hung up", err)
	}
	w.deployed("blog", serves())
}

// The daemon was killed with git, which had the branch locked.
func TestRecoverTakesBackTheLocksOfAKilledGit(t *testing.T) {
	w := newWorld(t)
	w.must(w.archive(serves()))
	lock := filepath.Join(w.Repos.Path("blog"), "refs", "heads", "main.lock")
	w.must(os.WriteFile(lock, nil, 0o600))
	if err := w.archive(serves("serve")); err == nil {
		t.Fatal("git does without the lock: this test shows nothing")
	}

	w.boot()

	if err := w.archive(serves("serve", "again")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(lock); err == nil {
		t.Error("the lock is still there")
	}
}
