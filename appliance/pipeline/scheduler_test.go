package pipeline_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// Each start waits until as many are under way as may be, so that this would
// not end if fewer were.
func TestAsManyProcessTypesStartAtOnceAsTheAppWasTold(t *testing.T) {
	source := greets("one").and("Procfile", "d: serve\nb: serve\na: serve\nweb: serve\nc: serve\n")
	for count, want := range map[string]string{
		"":  "a b c d web",
		"1": "web/a/b/c/d",
		"2": "web/a b/c d",
		"9": "web/a b c d",
	} {
		w := newWorld(t)
		w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"a": 1, "b": 1, "c": 1, "d": 1}))
		w.must(w.Store.SetApp(t.Context(), "blog", pipeline.ParallelScheduleSetting, count))
		groups := strings.Split(want, "/")
		together := make([]sync.WaitGroup, len(groups))
		for i, group := range groups {
			together[i].Add(len(strings.Fields(group)))
		}
		started := atomic.Int32{}
		w.failing(func(call string) error {
			if call != "Start" {
				return nil
			}
			n := int(started.Add(1))
			for i, group := range groups {
				if size := len(strings.Fields(group)); n <= size {
					together[i].Done()
					together[i].Wait()
					break
				} else {
					n -= size
				}
			}
			return nil
		})

		w.deployed("blog", source)

		var order []string
		for _, spec := range w.engine.Started() {
			order = append(order, spec.Type)
		}
		for i, group := range groups {
			n := len(strings.Fields(group))
			slices.Sort(order[:n])
			groups[i], order = strings.Join(order[:n], " "), order[n:]
		}
		if got := strings.Join(groups, "/"); got != want {
			t.Errorf("%q at once: %s, want %s", count, got, want)
		}
	}
}

func TestProcessTypesAreScaledAsManyAtOnceAsTheMachineWasTold(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"a": 1, "b": 1}))
	w.deployed("blog", greets("one").and("Procfile", "web: serve\nb: serve\na: serve\n"))
	w.must(w.Store.Set(t.Context(), pipeline.ParallelScheduleSetting, "1"))
	before := len(w.engine.Started())

	w.must(w.Pipeline.Scale(w.as("ada"), "blog", appliance.Formation{"a": 2, "b": 2, "web": 2}, new(buffer)))

	var order []string
	for _, spec := range w.engine.Started()[before:] {
		order = append(order, spec.Type)
	}
	if !slices.Equal(order, []string{"web", "a", "b"}) {
		t.Errorf("started %q, want web first, and one after another", order)
	}
}

func TestProcessIsTheFirstOfItsContainerIfItWasToldSo(t *testing.T) {
	w := newWorld(t)
	noInit := func() bool {
		w.deployed("blog", greets("one"))
		started := w.engine.Started()
		return started[len(started)-1].Options.NoInit
	}

	if noInit() {
		t.Error("without a word, there is no init process")
	}
	w.must(w.Store.Set(t.Context(), pipeline.InitProcessSetting, "false"))
	if !noInit() {
		t.Error("the machine says false, and there is an init process")
	}
	spec, err := w.Contain(t.Context(), appliance.RunSpec{App: "blog"}, "")
	if err != nil || spec.Options.NoInit {
		t.Errorf("a command beside the processes has none: %v", err)
	}
	w.must(w.KeepList(t.Context(), "blog", pipeline.DeployOptionsSetting, []string{"--init"}))
	if noInit() {
		t.Error("docker-options of the app say --init, and do not win")
	}
	w.must(w.KeepList(t.Context(), "blog", pipeline.DeployOptionsSetting, nil))
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.InitProcessSetting, "true"))
	if noInit() {
		t.Error("the app says true, and does not win")
	}
}

func TestAppJSONIsWhereItWasSaidToBe(t *testing.T) {
	w := newWorld(t)
	source := greets("one").and("app.json", `{"env": {"OF": "root"}}`).and("deploy/app.json", `{"env": {"OF": {"value": "deploy", "sync": true}}}`)
	of := func() string {
		config, err := w.Config(t.Context(), "blog")
		w.must(err)
		return config["OF"]
	}
	w.must(w.Store.Set(t.Context(), pipeline.AppJSONSetting, "nowhere/app.json"))
	w.deployed("blog", source)
	if got := of(); got != "" {
		t.Errorf("OF = %q: none was to be read", got)
	}

	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.AppJSONSetting, "deploy/app.json"))
	w.deployed("blog", source.and("more", "x"))
	plan, explainErr := w.Explain(t.Context(), "blog", new(buffer))
	delete(source, "deploy/app.json")
	out, err := w.push("blog", source.and("more", "y"))

	if got := of(); got != "deploy" {
		t.Errorf("OF = %q, want that of deploy/app.json", got)
	}
	if explainErr != nil || plan.Builder == "" {
		t.Errorf("explain = %+v, %v", plan, explainErr)
	}
	if err == nil || !strings.Contains(err.Error(), "deploy/app.json: it is not in the commit") || !strings.Contains(appliance.HintOf(err), "app-json:set blog appjson-path") {
		t.Errorf("error = %v (%s), want that it is not there\n%s", err, appliance.HintOf(err), out)
	}
	w.deployed("blog", source.and("deploy/app.json", "{}"))
	if _, err := w.push("blog", source.and("deploy/app.json", "{")); err == nil || !strings.Contains(err.Error(), "deploy/app.json") {
		t.Errorf("error = %v, want it to name the file", err)
	}
}
