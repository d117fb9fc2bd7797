package pipeline_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/pipeline"
)

func TestProcfileIsWhereItWasSaidToBe(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.ProcfileSetting, "deploy/Procfile"))
	source := greets("one").and("Procfile", "web: serve\nother: serve\n").and("deploy/Procfile", "web: serve\nmine: serve\n")

	w.deployed("blog", source)
	delete(source, "deploy/Procfile")
	out, err := w.push("blog", source.and("more", "x"))

	if got := w.release(1).Procfile; got["mine"] != "serve" || got["other"] != "" {
		t.Errorf("Procfile = %v, want that of deploy", got)
	}
	if err == nil || !strings.Contains(err.Error(), "deploy/Procfile: it is not in the commit") || !strings.Contains(appliance.HintOf(err), "ps:set blog procfile-path") {
		t.Errorf("error = %v (%s), want that it is not there\n%s", err, appliance.HintOf(err), out)
	}
}

func TestProcfileIsNotFetchedThroughALinkOutOfTheSource(t *testing.T) {
	w := newWorld(t)
	outside := filepath.Join(t.TempDir(), "Procfile")
	w.must(os.WriteFile(outside, []byte("web: stolen\n"), 0o600))
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.ProcfileSetting, "mine"))
	w.commit("blog", greets("one"))
	work := filepath.Join(t.TempDir(), "work")
	w.git(t.TempDir(), "clone", "-q", "-b", "main", w.Repos.Path("blog"), work)
	w.must(os.Symlink(outside, filepath.Join(work, "mine")))
	w.git(work, "add", "--all")
	w.git(work, "commit", "-q", "-m", "t")
	w.git(work, "push", "-q", w.Repos.Path("blog"), "main")

	err := w.Receive(w.as("ada"), pipeline.Push{App: "blog", Commit: w.git(work, "rev-parse", "HEAD"), Branch: "main"}, new(buffer))

	if err == nil || strings.Contains(err.Error(), "stolen") || w.builds() != 0 {
		t.Errorf("error = %v, %d builds, want that the link is refused", err, w.builds())
	}
}

func TestStartCommandStartsWhatHasNoProcfile(t *testing.T) {
	w := newWorld(t)
	w.must(w.SetStartCommand(t.Context(), "blog", "web", enginetest.Program+" serve"))
	w.must(w.SetStartCommand(t.Context(), "blog", "worker", "work"))

	w.deployed("blog", greets("one"))
	w.deployed("blog", greets("two").and("Procfile", "web: serve\n"))
	w.must(w.SetStartCommand(t.Context(), "blog", "web", ""))
	w.must(w.SetStartCommand(t.Context(), "blog", "worker", ""))
	w.deployed("blog", greets("three"))

	if got := w.release(1).Procfile; got["web"] != enginetest.Program+" serve" || got["worker"] != "work" {
		t.Errorf("v1 is started by %v, want the start commands", got)
	}
	if got := w.release(2).Procfile; got["web"] != "serve" || len(got) != 1 {
		t.Errorf("v2 is started by %v, want its Procfile alone", got)
	}
	if got := w.release(3).Procfile; got["web"] != "" || len(got) != 1 {
		t.Errorf("v3 is started by %v, want the image's own command", got)
	}
}
