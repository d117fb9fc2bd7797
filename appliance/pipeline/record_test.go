package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/pipeline"
)

// build returns the record of a build of blog, or of the last for 0.
func (w *world) build(n int) appliance.Build {
	w.t.Helper()
	b, err := w.Store.Build(w.t.Context(), "blog", n)
	w.must(err)
	return b
}

// printed returns what the record has of what a build of blog printed.
func (w *world) printed(n int) string {
	w.t.Helper()
	var out buffer
	w.must(w.Output(w.t.Context(), "blog", w.build(n).Number, false, &out))
	return out.String()
}

// cancelBuild cancels a build as somebody, without waiting for its end.
func (w *world) cancelBuild(name string, n int) {
	w.t.Helper()
	ctx, gone := context.WithCancel(w.as(name))
	gone()
	if _, err := w.Cancel(ctx, "blog", n); !errors.Is(err, context.Canceled) {
		w.t.Fatalf("Cancel = %v, want it to be done but not waited for", err)
	}
}

func TestEveryPushIsRecordedWithWhatItPrinted(t *testing.T) {
	w := newWorld(t)
	began := time.Now()

	out, err := w.push("blog", serves())

	w.must(err)
	b := w.build(0)
	if b.Number != 1 || b.Kind != appliance.KindBuild || b.Status != appliance.BuildSucceeded || b.Source != "git push" || b.Branch != "main" ||
		len(b.Commit) != 40 || b.Builder != "dockerfile" || b.Actor != "ada" || b.Release != 1 || b.Error != "" {
		t.Errorf("record = %+v", b)
	}
	if release, err := w.Store.Release(t.Context(), "blog", 1); err != nil || b.Image != release.Image || b.Image == "" {
		t.Errorf("image = %q, want that of the release, %q, %v", b.Image, release.Image, err)
	}
	if b.Started.Before(began) || b.Ended.Before(b.Started) || b.Ended.After(time.Now()) {
		t.Errorf("it ran from %s to %s", b.Started, b.Ended)
	}
	if got := w.printed(1); got != out {
		t.Errorf("kept of the output:\n%s\nwant:\n%s", got, out)
	}
}

func TestRecordOfARefusedPushEndsWithWhy(t *testing.T) {
	w := newWorld(t)

	out, err := w.push("blog", files{"README": "hi"})

	b, got := w.build(0), w.printed(0)
	if b.Status != appliance.BuildFailed || b.Error != err.Error() || b.Release != 0 || b.Builder != "" {
		t.Errorf("record = %+v, want why it failed: %v", b, err)
	}
	if why, ok := strings.CutPrefix(got, out); !ok || !strings.HasPrefix(why, " !     build: nothing here that can be built") || !strings.Contains(why, "\n       commit one of them") {
		t.Errorf("kept of the output:\n%s", got)
	}
}

func TestChangesWithoutAPushAreRecordedAsDeploys(t *testing.T) {
	w := newWorld(t)
	w.must(w.Reconfigure(w.as("ada"), "blog", "config:set A", io.Discard)) // nothing to deploy yet
	w.deployed("blog", serves())

	w.must(w.Reconfigure(w.as("bob"), "blog", "config:set B", io.Discard))
	w.refuse("Start")
	err := w.Restart(w.as("eve"), "blog", io.Discard)

	if b := w.build(2); b.Kind != appliance.KindDeploy || b.Status != appliance.BuildSucceeded || b.Source != "config:set B" || b.Commit != w.build(1).Commit || b.Actor != "bob" || b.Release != 2 {
		t.Errorf("record = %+v", b)
	}
	if b := w.build(3); b.Kind != appliance.KindDeploy || b.Status != appliance.BuildFailed || b.Source != "restart" || err == nil || b.Error != err.Error() {
		t.Errorf("record = %+v, want %v", b, err)
	}
}

// A visitor reads a first line and hangs up.
type visitor struct{ lines int }

func (v *visitor) Write(b []byte) (int, error) {
	if v.lines++; v.lines > 1 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

func TestRecordGoesOnWhenNobodyListensAnyMore(t *testing.T) {
	w := newWorld(t)

	err := w.Receive(w.as("ada"), pipeline.Push{App: "blog", Commit: w.commit("blog", serves()), Branch: "main"}, new(visitor))

	if err != nil {
		t.Error(err)
	}
	if got := w.printed(0); !strings.Contains(got, "FROM scratch") || !strings.HasSuffix(got, "https://blog.localhost\n") {
		t.Errorf("kept of the output:\n%s", got)
	}
}

func TestHangingUpIsRecordedAsCanceled(t *testing.T) {
	w := newWorld(t)
	build := w.hold("Build")
	push := w.beginPush("ada", "blog", serves())
	<-build.reached

	push.cancel(nil)
	close(build.open)

	if err := push.end(); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	if b := w.build(0); b.Status != appliance.BuildCanceled || !strings.HasSuffix(w.printed(0), " !     "+b.Error+"\n") || !strings.HasPrefix(b.Error, "canceled: ") {
		t.Errorf("record = %+v\n%s", b, w.printed(0))
	}
}

func TestWhoPushesIsToldWhoCanceledIt(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	build := w.hold("Build")
	push := w.beginPush("ada", "blog", serves("serve"))
	<-build.reached

	w.cancelBuild("bob", 0)
	close(build.open)

	err := push.end()
	stage, ok := errors.AsType[*appliance.StageError](err)
	if !ok || stage.Stage != appliance.StageBuild || err.Error() != "build: canceled by bob" {
		t.Errorf("error = %v", err)
	}
	if b := w.build(0); b.Status != appliance.BuildCanceled || b.Error != "build: canceled by bob" || !strings.HasSuffix(w.printed(0), " !     build: canceled by bob\n") {
		t.Errorf("record = %+v\n%s", b, w.printed(0))
	}
	w.Wait()
	w.wantProcesses("blog", "web.1 v1")
}

func TestWhoWaitsCanBeCanceledToo(t *testing.T) {
	w := newWorld(t)
	build := w.hold("Build")
	first := w.beginPush("ada", "blog", serves())
	<-build.reached
	second := w.beginPush("eve", "blog", serves())
	second.says("yours is next")

	b, err := w.Cancel(w.as("bob"), "blog", 2)

	if err != nil || b.Number != 2 || b.Status != appliance.BuildCanceled {
		t.Errorf("canceled %+v, %v", b, err)
	}
	if err := second.end(); err == nil || err.Error() != "canceled by bob" {
		t.Errorf("the second: %v", err)
	}
	close(build.open)
	if err := first.end(); err != nil {
		t.Errorf("the first: %v", err)
	}
	if _, err := w.Cancel(w.as("bob"), "blog", 0); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("Cancel when nothing runs = %v", err)
	}
}

func TestSwitchThatHasBegunIsFinishedWhoeverCancels(t *testing.T) {
	w := newWorld(t)
	keep := w.hold("Keep")
	push := w.beginPush("ada", "blog", serves())
	<-keep.reached

	w.cancelBuild("bob", 1)
	close(keep.open)

	if err := push.end(); err != nil {
		t.Errorf("error = %v\n%s", err, push.out)
	}
	if b := w.build(0); b.Status != appliance.BuildSucceeded || b.Release != 1 {
		t.Errorf("record = %+v", b)
	}
	w.wantAnswer("blog.localhost", "hello")
}

func TestBuildThatRanWhenTheDaemonDiedIsAbandoned(t *testing.T) {
	w := newWorld(t)
	start := w.hold("Start")
	push := w.beginPush("ada", "blog", serves())
	<-start.reached
	push.says("Deploying")
	w.eventually("what it printed is kept", func() bool { return strings.Contains(w.printed(1), "Deploying blog v1") })

	w.boot() // as if the first were dead: nothing of it is asked

	if b := w.build(1); b.Status != appliance.BuildAbandoned || b.Ended.IsZero() || b.Error == "" {
		t.Errorf("record = %+v", b)
	}
	if !strings.Contains(w.printed(1), "FROM scratch") {
		t.Errorf("kept of the output:\n%s", w.printed(1))
	}
	close(start.open)
	push.end()
}

// chatty builds as a Dockerfile says, and prints a lot before.
type chatty struct {
	builder.Dockerfile
	lines int
}

func (c chatty) Build(ctx context.Context, e appliance.Engine, req builder.Request) (builder.Result, error) {
	for i := range c.lines {
		fmt.Fprintf(req.Out, "%s %07d\n", strings.Repeat("x", 84), i) // 100 bytes when it is indented
	}
	return c.Dockerfile.Build(ctx, e, req)
}

func TestLongOutputKeepsItsBeginningAndItsEnd(t *testing.T) {
	w := newWorld(t)
	w.Builders = []builder.Builder{chatty{lines: 50_000}}

	_, err := w.push("blog", serves())

	w.must(err)
	got := w.printed(0)
	if n := len(got); n < 900<<10 || n > 1200<<10 {
		t.Errorf("%d bytes are kept of five million", n)
	}
	for _, want := range []string{"-----> Receiving blog", "x 0000000\n", "x 0001000\n", " were left out here …\n", "x 0049000\n", "x 0049999\n       FROM scratch\n", "https://blog.localhost\n"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%q is in it %d times", want, strings.Count(got, want))
		}
	}
	for line := range strings.Lines(got) {
		if strings.Contains(line, "xxx") && len(line) != 100 && !strings.Contains(line, "xxx\n") {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
	}
}

func TestOutputIsFollowedToItsEnd(t *testing.T) {
	w := newWorld(t)
	build := w.hold("Build")
	push := w.beginPush("ada", "blog", serves())
	<-build.reached
	follow := w.begin("bob", func(ctx context.Context, out io.Writer) error { return w.Output(ctx, "blog", 1, true, out) })
	follow.says("Building blog with dockerfile")

	close(build.open)

	if err := push.end(); err != nil {
		t.Error(err)
	}
	if err := follow.end(); err != nil || follow.out.String() != push.out.String() {
		t.Errorf("%v, followed:\n%s\nwant:\n%s", err, follow.out, push.out)
	}
}

func TestOnlySoManyBuildsAreKept(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.Set(t.Context(), pipeline.RetentionSetting, "3"))
	w.deployed("blog", serves())
	for range 3 {
		w.must(w.Restart(w.as("ada"), "blog", io.Discard))
	}
	three, err := w.Store.Builds(t.Context(), "blog")
	w.must(err)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RetentionSetting, "1"))
	w.must(w.Restart(w.as("ada"), "blog", io.Discard))

	if one, err := w.Store.Builds(t.Context(), "blog"); err != nil || len(three) != 3 || len(one) != 1 || one[0].Number != 5 {
		t.Errorf("kept %d of the machine's 3, then %+v of the app's 1, %v", len(three), one, err)
	}
}
