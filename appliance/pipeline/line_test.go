package pipeline_test

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

func TestSecondPushWaitsAndSaysForWhom(t *testing.T) {
	w := newWorld(t)
	build := w.hold("Build")
	first := w.beginPush("ada", "blog", serves())
	<-build.reached

	second := w.beginPush("bob", "blog", serves())
	second.says("yours is next")
	third := w.begin("eve", func(ctx context.Context, out io.Writer) error { return w.Restart(ctx, "blog", out) })
	third.says("before yours")
	close(build.open)

	for _, d := range []doing{first, second, third} {
		if err := d.end(); err != nil {
			t.Errorf("%v\n%s", err, d.out)
		}
	}
	if said := regexp.MustCompile(`^-----> Waiting: another deploy of blog runs, started [0-9.]+s ago by ada; yours is next\n`); !said.MatchString(second.out.String()) {
		t.Errorf("the second said:\n%s", second.out)
	}
	if !strings.Contains(third.out.String(), "by ada; 1 more before yours") {
		t.Errorf("the third said:\n%s", third.out)
	}
	if strings.Contains(first.out.String(), "Waiting") {
		t.Errorf("the first waited:\n%s", first.out)
	}
	w.Wait()
	w.wantProcesses("blog", "web.1 v2")
}

func TestCancelWhileWaitingGivesThePlaceUp(t *testing.T) {
	w := newWorld(t)
	build := w.hold("Build")
	first := w.beginPush("ada", "blog", serves())
	<-build.reached
	second := w.beginPush("bob", "blog", serves())
	second.says("yours is next")
	third := w.beginPush("eve", "blog", serves())
	third.says("1 more before yours")
	gone := errors.New("hung up")

	second.cancel(gone)

	if err := second.end(); !errors.Is(err, gone) {
		t.Errorf("error = %v, want why it was cancelled", err)
	}
	close(build.open)
	for _, d := range []doing{first, third} {
		if err := d.end(); err != nil {
			t.Errorf("%v\n%s", err, d.out)
		}
	}
	w.Wait()
	w.wantProcesses("blog", "web.1 v2") // two pushes went through
}

func TestBuildsOfTheMachineWaitForEachOther(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "api", false))
	w.must(w.Create(t.Context(), "shop", false))
	build := w.hold("Build")
	blog := w.beginPush("ada", "blog", serves())
	<-build.reached

	api := w.beginPush("bob", "api", serves())
	api.says("Waiting: another build of blog runs")
	shop := w.beginPush("eve", "shop", serves())
	shop.says("1 more before yours")

	if n := len(build.reached); n != 0 {
		t.Errorf("%d more builds run at the same time", n)
	}
	api.cancel(errors.New("hung up"))
	if err := api.end(); err == nil {
		t.Error("it was not cancelled")
	}
	close(build.open)
	for _, d := range []doing{blog, shop} {
		if err := d.end(); err != nil {
			t.Errorf("%v\n%s", err, d.out)
		}
	}
	w.wantProcesses("api")
}

func TestWhoWaitsIsToldWhenTheyMoveUp(t *testing.T) {
	w := newWorld(t)
	build := w.hold("Build")
	first := w.beginPush("ada", "blog", serves())
	<-build.reached
	second := w.beginPush("bob", "blog", serves())
	second.says("yours is next")
	third := w.beginPush("eve", "blog", serves())
	third.says("1 more before yours")

	second.cancel(errors.New("hung up"))

	third.says("by ada; yours is next")
	if err := second.end(); err == nil {
		t.Error("it was not cancelled")
	}
	close(build.open)
	for _, d := range []doing{first, third} {
		if err := d.end(); err != nil {
			t.Errorf("%v\n%s", err, d.out)
		}
	}
	if n := strings.Count(third.out.String(), "Waiting"); n != 2 {
		t.Errorf("the third was told %d times:\n%s", n, third.out)
	}
}

func TestMoreThanOneBuildRunsOnAMachineThatMay(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "api", false))
	w.must(w.Create(t.Context(), "shop", false))
	build := w.hold("Build")
	blog := w.beginPush("ada", "blog", serves())
	<-build.reached
	api := w.beginPush("bob", "api", serves())
	api.says("another build of blog runs")

	w.must(w.SetParallel(t.Context(), 2)) // lets through who waits already
	<-build.reached
	shop := w.beginPush("eve", "shop", serves())
	shop.says("yours is next")
	if n := len(build.reached); n != 0 {
		t.Errorf("%d more builds run at the same time", n)
	}

	close(build.open)
	for _, d := range []doing{blog, api, shop} {
		if err := d.end(); err != nil {
			t.Errorf("%v\n%s", err, d.out)
		}
	}
	w.boot()
	if n, err := w.Parallel(t.Context()); n != 2 || err != nil {
		t.Errorf("after a restart %d, %v may be built at the same time", n, err)
	}
}

func TestTwoAppsAreDeployedAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "api", false))
	start := w.hold("Start")
	blog := w.beginPush("ada", "blog", serves())
	<-start.reached

	api := w.beginPush("bob", "api", serves())
	<-start.reached // while the first still starts

	close(start.open)
	for _, d := range []doing{blog, api} {
		if err := d.end(); err != nil {
			t.Errorf("%v\n%s", err, d.out)
		}
	}
	w.wantAnswer("api.localhost", "hello")
	w.wantAnswer("blog.localhost", "hello")
}

// Git moves the branch only after its hook has ended, so a push that came
// second must not look at the branch before.
func TestTurnOfAPushLastsUntilGitIsDone(t *testing.T) {
	w := newWorld(t)
	settled := make(chan struct{})
	commit := w.commit("blog", serves())
	if err := w.Receive(w.as("ada"), pipeline.Push{App: "blog", Commit: commit, Branch: "main", Settled: settled}, new(buffer)); err != nil {
		t.Fatal(err)
	}

	second := w.begin("bob", func(ctx context.Context, out io.Writer) error { return w.Restart(ctx, "blog", out) })
	second.says("yours is next")
	close(settled)

	if err := second.end(); err != nil {
		t.Error(err)
	}
}

func TestWhoeverAsksIsInTheReleaseAndTheTrail(t *testing.T) {
	w := newWorld(t)
	ctx := appliance.WithActor(t.Context(), appliance.Actor{Name: "bob", Door: appliance.SSH, From: "192.0.2.1:5"})

	if err := w.Receive(ctx, pipeline.Push{App: "blog", Commit: w.commit("blog", serves()), Branch: "main"}, new(buffer)); err != nil {
		t.Fatal(err)
	}

	release, err := w.Store.Release(t.Context(), "blog", 1)
	if err != nil || release.Actor != "bob" {
		t.Errorf("release = %+v, %v", release, err)
	}
	events, err := w.Store.Events(t.Context(), "blog", -1)
	w.must(err)
	for _, e := range events {
		if e.Actor != "bob" || e.Door != appliance.SSH || e.From != "192.0.2.1:5" {
			t.Errorf("event = %+v", e)
		}
	}
}
