package db_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// begin records a build that runs.
func (w *world) begin(app appliance.AppName, keep int) appliance.Build {
	w.t.Helper()
	b, err := w.AddBuild(w.t.Context(), appliance.Build{
		App: app, Kind: appliance.KindBuild, Source: "git push", Commit: "3f2a1c9", Branch: "main", Actor: "ada",
	}, keep)
	w.must(err)
	return b
}

// end records that it has succeeded.
func (w *world) end(b appliance.Build) {
	w.t.Helper()
	b.Status, b.Ended = appliance.BuildSucceeded, b.Started.Add(time.Second)
	w.must(w.EndBuild(w.t.Context(), b, db.Output{}))
}

// text is output that begins at a byte.
func text(at int64, text string) db.Output {
	return db.Output{Chunks: []appliance.Chunk{{At: at, Text: []byte(text)}}}
}

// numbers returns the numbers of the app's builds.
func (w *world) numbers(app appliance.AppName) (list []int) {
	w.t.Helper()
	builds, err := w.Builds(w.t.Context(), app)
	w.must(err)
	for _, b := range builds {
		list = append(list, b.Number)
	}
	return list
}

// output returns what is kept of a build's output from a byte on.
func (w *world) output(b appliance.Build, from int64) string {
	w.t.Helper()
	chunks, err := w.Output(w.t.Context(), b.App, b.Number, from)
	w.must(err)
	var text strings.Builder
	for _, c := range chunks {
		text.Write(c.Text)
	}
	return text.String()
}

func TestBuildIsFoundAsItWasRecorded(t *testing.T) {
	w := newWorld(t)
	w.must(w.CreateApp(t.Context(), "api", false))
	w.begin("api", 20)
	b := w.begin("blog", 20)

	if got, err := w.Build(t.Context(), "blog", b.Number); err != nil || got != b || b.Number != 1 || b.Status != appliance.BuildRunning {
		t.Errorf("a running build = %+v, %v, want %+v", got, err, b)
	}
	b.Status, b.Commit, b.Builder, b.Error, b.Release, b.Image = appliance.BuildFailed, "9e1b6a4", "dockerfile", "deploy: no", 3, "blog:1"
	b.Ended = b.Started.Add(90 * time.Second)
	w.must(w.EndBuild(t.Context(), b, text(0, "the rest")))

	got, err := w.Build(t.Context(), "blog", 0)

	if err != nil || got != b || got.Took(time.Now()) != 90*time.Second {
		t.Errorf("the last build = %+v, %v, want %+v", got, err, b)
	}
	if text := w.output(b, 0); text != "the rest" {
		t.Errorf("output = %q", text)
	}
	running, err := w.RunningBuilds(t.Context())
	if err != nil || len(running) != 1 || running[0].App != "api" {
		t.Errorf("running = %+v, %v, want that of api", running, err)
	}
}

func TestBuildsAreNumberedOnWhenOldOnesAreForgotten(t *testing.T) {
	w := newWorld(t)
	hangs := w.begin("blog", 2)
	for range 4 {
		w.end(w.begin("blog", 2))
	}

	if got := w.numbers("blog"); !slices.Equal(got, []int{5, 4, 1}) {
		t.Errorf("builds = %v, want the last two and the one that runs", got)
	}
	w.end(hangs)
	if n, err := w.PruneBuilds(t.Context(), "blog", 1); n != 2 || err != nil {
		t.Errorf("pruned %d, %v, want 2", n, err)
	}
	if b := w.begin("blog", 2); b.Number != 6 {
		t.Errorf("the next build is %d, want 6", b.Number)
	}
}

func TestForgottenBuildTakesItsOutputAlong(t *testing.T) {
	w := newWorld(t)
	first := w.begin("blog", 1)
	w.must(w.AddOutput(t.Context(), "blog", first.Number, text(0, "hello")))
	w.end(first)

	w.begin("blog", 1)

	if n := ask[int](t, raw(t, w.path), "SELECT count(*) FROM build_output"); n != 0 {
		t.Errorf("%d pieces of output are left", n)
	}
}

func TestOutputIsReadFromWhereOneWas(t *testing.T) {
	w := newWorld(t)
	b := w.begin("blog", 20)
	w.must(w.AddOutput(t.Context(), "blog", b.Number, db.Output{
		Chunks: []appliance.Chunk{{At: 0, Text: []byte("one ")}, {At: 4, Text: []byte("two ")}},
	}))
	w.must(w.AddOutput(t.Context(), "blog", b.Number, text(8, "three ")))

	if all, rest := w.output(b, 0), w.output(b, 8); all != "one two three " || rest != "three " {
		t.Errorf("all = %q, from 8 on = %q", all, rest)
	}
	four := text(14, "four")
	four.DropFrom, four.DropTo = 4, 9
	w.must(w.AddOutput(t.Context(), "blog", b.Number, four))
	if got := w.output(b, 0); got != "one three four" {
		t.Errorf("output = %q, want what lies whole between 4 and 9 dropped", got)
	}
}

func TestBuildsThatRanAreAbandonedOnce(t *testing.T) {
	w := newWorld(t)
	done, hangs := w.begin("blog", 20), w.begin("blog", 20)
	w.end(done)

	w.must(w.AbandonBuilds(t.Context(), "the power failed"))

	b, err := w.Build(t.Context(), "blog", hangs.Number)
	if err != nil || b.Status != appliance.BuildAbandoned || b.Error != "the power failed" || b.Ended.IsZero() {
		t.Errorf("build = %+v, %v, want it abandoned", b, err)
	}
	if b, err := w.Build(t.Context(), "blog", done.Number); err != nil || b.Status != appliance.BuildSucceeded {
		t.Errorf("build = %+v, %v, want it as it was", b, err)
	}
}

func TestBuildOfAnAppThatWasDestroyedIsErrNotFound(t *testing.T) {
	w := newWorld(t)
	b := w.begin("blog", 20)
	w.must(w.AddOutput(t.Context(), "blog", b.Number, text(0, "hello")))
	w.must(w.DestroyApp(t.Context(), "blog"))

	for _, table := range []string{"builds", "build_output"} {
		if n := ask[int](t, raw(t, w.path), "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%s has %d rows of the app", table, n)
		}
	}
	if err := w.AddOutput(t.Context(), "blog", b.Number, text(0, "x")); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("AddOutput = %v", err)
	}
	if err := w.EndBuild(t.Context(), b, db.Output{}); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("EndBuild = %v", err)
	}
	_, err := w.Build(t.Context(), "blog", 0)
	if !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("Build = %v", err)
	}
	_, err = w.AddBuild(t.Context(), b, 20)
	w.noApp("AddBuild", err, "blog")
}
