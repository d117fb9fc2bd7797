package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

// attend has the pipeline ask for readiness until the test ends.
func (w *world) attend() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	p := w.Pipeline
	go func() { ended <- p.Attend(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Attend: %v", err)
		}
	})
}

// rotation tells how many of blog's processes get requests, and how many do
// not: "1 in, 1 out".
func (w *world) rotation() string {
	var in, out float64
	for _, m := range w.Router.Metrics() {
		for _, s := range m.Samples {
			if m.Name != "berth_router_targets" {
				continue
			}
			for _, label := range s.Labels {
				switch label.Value {
				case "in":
					in = s.Value
				case "out":
					out = s.Value
				}
			}
		}
	}
	return fmt.Sprintf("%v in, %v out", in, out)
}

// becomesReady writes the file that the check of readiness reads.
func (w *world) becomesReady(p appliance.Process) {
	w.t.Helper()
	status, err := w.engine.Exec(w.t.Context(), p.ID, appliance.ExecSpec{Command: []string{enginetest.Program, "write", "/ready", "yes"}})
	if err != nil || status != 0 {
		w.t.Fatalf("write /ready: %d, %v", status, err)
	}
}

func TestAProcessThatIsNotReadyGetsNoRequestsUntilItIs(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.attend()
	w.deployed("blog", serves().and("app.json", `{"formation": {"web": {"quantity": 2}}, "healthchecks": {"web": [
		{"type": "readiness", "command": ["`+enginetest.Program+`", "read", "/ready"], "attempts": 1, "wait": 0, "timeout": 5}]}}`))
	processes := func() []appliance.Process {
		list, err := w.engine.Processes(t.Context(), "blog")
		w.must(err)
		return list
	}

	w.eventually("neither is ready", func() bool { return w.rotation() == "0 in, 2 out" })
	w.wantAnswer("blog.localhost", "hello") // there is no better one
	w.becomesReady(processes()[0])
	w.eventually("one is ready", func() bool { return w.rotation() == "1 in, 1 out" })
	// A change of the app's hosts makes a new generation of the same processes.
	w.must(w.Store.AddDomain(t.Context(), "blog", "www.blog.test"))
	w.must(w.Restore(t.Context(), "blog"))
	w.eventually("still one is ready", func() bool { return w.rotation() == "1 in, 1 out" })
	w.becomesReady(processes()[1])
	w.eventually("both are ready", func() bool { return w.rotation() == "2 in, 0 out" })
	w.eventually("the audit trail has it", func() bool {
		events := strings.Fields(w.events("blog"))
		return slices.Contains(events, "unready!") && slices.Contains(events, "ready")
	})

	// The processes of the next release are asked, and those of this one not
	// any more.
	w.deployed("blog", serves())
	before := len(w.engine.Calls())
	w.eventually("nobody is asked", func() bool {
		now := len(w.engine.Calls())
		asked := slices.ContainsFunc(w.engine.Calls()[before:], func(call string) bool { return strings.HasPrefix(call, "Exec") })
		before = now
		return !asked
	})
	if got := w.rotation(); got != "1 in, 0 out" && got != "2 in, 0 out" {
		t.Errorf("rotation = %s, want all in", got)
	}
}
