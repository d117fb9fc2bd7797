package pipeline_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestNewAppHasARepositoryAndAHost(t *testing.T) {
	w := newWorld(t)

	w.must(w.Create(t.Context(), "api", false))

	w.Wait()
	if status, _ := w.get("api.localhost"); status != http.StatusServiceUnavailable {
		t.Errorf("its host answers %d, want that nothing is deployed yet", status)
	}
	if _, err := os.Stat(w.Repos.Path("api")); err != nil {
		t.Error(err)
	}
	if err := w.Create(t.Context(), "api", false); !errors.Is(err, appliance.ErrExists) {
		t.Errorf("Create again = %v, want ErrExists", err)
	}
}

func TestNewAppDoesNotTakeAnothersDomain(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.AddDomain(t.Context(), "blog", "api.localhost"))

	err := w.Create(t.Context(), "api", false)

	if !errors.Is(err, appliance.ErrExists) || !strings.Contains(err.Error(), "domain of blog") {
		t.Errorf("Create = %v, want that blog has its host", err)
	}
	if _, err := w.Store.App(t.Context(), "api"); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("App = %v, want none", err)
	}
}

func TestDestroyedAppLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.must(w.Create(t.Context(), "api", false))
	w.deployed("api", serves())
	w.deployed("blog", serves())

	w.must(w.Destroy(w.as("ada"), "blog", new(buffer)))

	w.Wait()
	w.wantProcesses("blog")
	w.wantProcesses("api", "web.1 v1")
	if status, _ := w.get("blog.localhost"); status != http.StatusNotFound {
		t.Errorf("its host answers %d, want 404", status)
	}
	if _, err := os.Stat(w.Repos.Path("blog")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("repository: %v", err)
	}
	if _, err := w.Store.App(t.Context(), "blog"); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("App = %v, want ErrNotFound", err)
	}
	if err := w.Destroy(w.as("ada"), "blog", new(buffer)); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("Destroy again = %v, want ErrNotFound", err)
	}
	// And the name is free, for an app that has nothing of the old one.
	w.must(w.Create(t.Context(), "blog", false))
	w.deployed("blog", serves())
	w.wantProcesses("blog", "web.1 v1")
	w.wantAnswer("blog.localhost", "hello")
}

func TestDestroyCancelsWhatIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.watch()
	start := w.hold("Start")
	push := w.beginPush("ada", "blog", serves())
	<-start.reached
	late := w.beginPush("eve", "blog", serves())
	late.says("yours is next")

	destroy := w.begin("bob", func(ctx context.Context, out io.Writer) error { return w.Destroy(ctx, "blog", out) })
	var ended []error
	ended = append(ended, late.end()) // at once: it only waited
	close(start.open)
	ended = append(ended, push.end())

	for _, err := range ended {
		if err == nil || !strings.Contains(err.Error(), "canceled by bob") {
			t.Errorf("push: %v, want it canceled", err)
		}
	}
	if err := destroy.end(); err != nil {
		t.Errorf("destroy: %v\n%s", err, destroy.out)
	}
	w.Wait()
	w.wantProcesses("blog")
	if status, _ := w.get("blog.localhost"); status != http.StatusNotFound {
		t.Errorf("its host answers %d, want 404", status)
	}
	if _, err := w.Store.Build(t.Context(), "blog", 0); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("build = %v, want none left", err)
	}
}

func TestAppStaysWhenTheEngineCannotDestroyIt(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.refuse("Destroy")

	err := w.Destroy(w.as("ada"), "blog", new(buffer))

	if err == nil {
		t.Error("Destroy went well")
	}
	w.refuse("")
	w.must(w.Restore(t.Context(), "blog"))
	w.wantAnswer("blog.localhost", "hello")
	w.must(w.Destroy(w.as("ada"), "blog", new(buffer)))
}

func TestDiscardRemovesOnlyWhatWasNeverDeployed(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "half", true))
	w.must(w.Create(t.Context(), "done", true))
	w.deployed("done", serves())

	w.must(w.Discard(t.Context(), "half"))
	w.must(w.Discard(t.Context(), "done"))
	w.must(w.Discard(t.Context(), "blog"))
	w.must(w.Discard(t.Context(), "gone"))

	apps, err := w.Store.Apps(t.Context())
	if err != nil || len(apps) != 2 || apps[0].Name != "blog" || apps[1].Name != "done" {
		t.Errorf("apps = %v, %v, want blog and done", apps, err)
	}
	if status, _ := w.get("half.localhost"); status != http.StatusNotFound {
		t.Errorf("its host answers %d, want 404", status)
	}
	w.wantAnswer("done.localhost", "hello")
}

func TestDiscardWorksForWhoeverHasHungUp(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "half", true))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	w.must(w.Discard(ctx, "half"))

	if _, err := w.Store.App(t.Context(), "half"); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("App = %v, want ErrNotFound", err)
	}
}
