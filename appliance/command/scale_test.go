package command_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

func TestScaleLeavesAloneWhatAppJSONSays(t *testing.T) {
	w := newWorld(t)
	w.engine.Program = func(context.Context, appliance.RunSpec) (appliance.RunResult, error) {
		return appliance.RunResult{}, nil
	}
	w.deploy("blog", "web: serve\nworker: serve\nrelease: migrate\n")
	app, err := w.Store.App(t.Context(), "blog")
	w.must(err)
	live, err := w.Store.Release(t.Context(), "blog", app.LiveRelease)
	w.must(err)
	two := 2
	live.AppJSON.Formation = map[string]appliance.Wanted{"web": {Quantity: &two}}
	live, err = w.Store.AddRelease(t.Context(), live)
	w.must(err)
	w.must(w.Store.GoLive(t.Context(), db.Live{App: "blog", Release: live.Version, Generation: app.Live}))

	locked := w.run(ada, "ps:scale", "blog", "worker=1", "web=1")
	release := w.run(ada, "ps:scale", "blog", "release=1")
	shown := w.ok("ps:scale", "blog", "--quiet")
	w.ok("ps:scale", "blog", "worker=1")

	if locked.err == nil || !strings.Contains(locked.err.Error(), "app.json says how many run") || !strings.Contains(appliance.HintOf(locked.err), "formation.web.quantity") {
		t.Errorf("error = %v (%s), want what says so", locked.err, appliance.HintOf(locked.err))
	}
	if !errors.Is(release.err, appliance.ErrInvalid) || appliance.HintOf(release.err) == "" {
		t.Errorf("error = %v, want that release is not scaled", release.err)
	}
	if shown != "web: 2\nworker: 0\n" {
		t.Errorf("ps:scale shows %q, want what app.json says and nothing changed", shown)
	}
	if got := w.ok("ps:scale", "blog", "--quiet"); got != "web: 2\nworker: 1\n" {
		t.Errorf("ps:scale shows %q, want the worker too", got)
	}
}
