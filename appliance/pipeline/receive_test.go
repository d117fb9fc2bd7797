package pipeline_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

var number = regexp.MustCompile(`\d+(\.\d+)?s|\b[0-9a-f]{7}\b`)

func TestPushIsTakenAllTheWay(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"GREETING": "first"}, nil))

	out, err := w.push("blog", serves())

	if err != nil {
		t.Fatalf("Receive: %v\n%s", err, out)
	}
	want := `-----> Receiving blog (# on main)
-----> Cleaning up ...
-----> Building blog with dockerfile (Dockerfile found) ...
       FROM scratch
       CMD ["/program"]
       Built in #
-----> Releasing blog v1
-----> Deploying blog v1
       web.1 is up after #
=====> blog deployed in # (receive #, cleanup #, build #, release #, deploy #)
       https://blog.localhost
`
	if got := number.ReplaceAllString(out, "#"); got != want {
		t.Errorf("progress:\n%s\nwant:\n%s", got, want)
	}
	w.wantAnswer("blog.localhost", "hello first")
	w.wantProcesses("blog", "web.1 v1")
	if w.only("blog").Kept == appliance.Never {
		t.Error("the process is not kept")
	}
	if got := w.events("blog"); got != "stage:receive stage:cleanup stage:build stage:release stage:deploy" {
		t.Errorf("audit trail = %q", got)
	}
	app, err := w.Store.App(t.Context(), "blog")
	if err != nil || app.LiveRelease != 1 || app.Live != w.only("blog").Generation {
		t.Errorf("app = %+v, %v, want what runs to be live", app, err)
	}
	if left, err := os.ReadDir(w.Temp); err != nil || len(left) != 0 {
		t.Errorf("left of the source: %v, %v", left, err)
	}
}

func TestRefusedPushSaysWhatToDo(t *testing.T) {
	for name, tt := range map[string]struct {
		files files
		stage appliance.Stage
		want  string
	}{
		"nothing committed":  {files{}, appliance.StageReceive, "has no files"},
		"nothing recognised": {files{"README": "hi"}, appliance.StageBuild, "nothing here that can be built"},
		"broken Procfile":    {serves().and("Procfile", "web node\n"), appliance.StageBuild, "Procfile"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)

			out, err := w.push("blog", tt.files)

			stage, ok := errors.AsType[*appliance.StageError](err)
			if !ok || stage.Stage != tt.stage || !strings.Contains(err.Error(), tt.want) || appliance.HintOf(err) == "" {
				t.Errorf("error = %v (%s), want one of %s with a hint\n%s", err, appliance.HintOf(err), tt.stage, out)
			}
			w.wantProcesses("blog")
			if !strings.HasSuffix(w.events("blog"), "stage:"+string(tt.stage)+"!") {
				t.Errorf("audit trail = %q", w.events("blog"))
			}
			if left, err := os.ReadDir(w.Temp); err != nil || len(left) != 0 {
				t.Errorf("left of the source: %v, %v", left, err)
			}
		})
	}
}

func TestPushWhoseBranchMovedIsRefused(t *testing.T) {
	w := newWorld(t)
	first := w.commit("blog", serves())
	second := w.commit("blog", serves("serve"))

	err := w.Receive(w.as("ada"), pipeline.Push{App: "blog", Commit: second, Branch: "main", Previous: first}, new(buffer))

	if err == nil || !strings.Contains(err.Error(), "main has moved to "+second[:7]) {
		t.Errorf("error = %v, want that it has moved", err)
	}
	w.wantProcesses("blog")
}
