package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/db"
)

// scripts notes what runs, and has commands end with a status.
type scripts struct {
	mu  sync.Mutex
	ran []appliance.RunSpec
}

func (s *scripts) in(w *world, statuses map[string]int) {
	w.engine.Program = func(ctx context.Context, spec appliance.RunSpec) (appliance.RunResult, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ran = append(s.ran, spec)
		command := spec.Command[len(spec.Command)-1]
		fmt.Fprintf(spec.Out, "output of %s\n", command)
		return appliance.RunResult{Status: statuses[command]}, nil
	}
}

// commands returns what has run, and forgets it.
func (s *scripts) commands() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, spec := range s.ran {
		list = append(list, spec.Command[len(spec.Command)-1])
	}
	s.ran = nil
	return list
}

const withScripts = `{"scripts": {"dokku": {"predeploy": "bundle", "postdeploy": "notify"}, "postdeploy": "seed"}}`

func TestScriptsRunAroundADeployInTheNewImage(t *testing.T) {
	w := newWorld(t)
	var s scripts
	s.in(w, nil)
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"DATABASE_URL": "secret://"}, nil))

	out, err := w.push("blog", serves().and("Procfile", "web: serve\nrelease: migrate\n").and("app.json", withScripts))

	if err != nil {
		t.Fatalf("push: %v\n%s", err, out)
	}
	want := `-----> Running predeploy (app.json): bundle
       output of bundle
       (#)
-----> Running release (Procfile): migrate
       output of migrate
       (#)
-----> Releasing blog v1
-----> Deploying blog v1
       web.1 is up after #
-----> Running postdeploy of the first deploy (app.json): seed
       output of seed
       (#)
-----> Running postdeploy (app.json): notify
       output of notify
       (#)
=====> blog deployed in #`
	if got := number.ReplaceAllString(out, "#"); !strings.Contains(got, want) {
		t.Errorf("progress:\n%s\nwant in it:\n%s", got, want)
	}
	w.wantProcesses("blog", "web.1 v1") // release is nothing to keep running
	web := w.engine.Started()[0]
	built := w.engine.Built()[0].Tag
	for i, spec := range s.ran {
		image := web.Image
		if i == 0 {
			image = built
		}
		if spec.Image != image || (spec.Commit != nil) != (i == 0) || spec.App != "blog" {
			t.Errorf("%q ran in %s and left %+v, want it in %s", spec.Command, spec.Image, spec.Commit, image)
		}
		if !slices.Contains(spec.Env, "DATABASE_URL=secret://") {
			t.Errorf("%q ran with %q, want the app's config", spec.Command, spec.Env)
		}
		if got := fmt.Sprintf("%q", spec.Command[:2]); got != `["/bin/sh" "-c"]` {
			t.Errorf("it ran as %s", got)
		}
	}
	if web.Image == built || web.Image != s.ran[0].Commit.Tag {
		t.Errorf("web runs from %s, want what predeploy has left", web.Image)
	}
	if strings.Contains(out, "secret://") {
		t.Errorf("config is in the output:\n%s", out)
	}
}

func TestScriptsRunForNewCodeOnly(t *testing.T) {
	w := newWorld(t)
	var s scripts
	s.in(w, nil)
	app := serves().and("Procfile", "web: serve\nrelease: migrate\n").and("app.json", withScripts)
	w.deployed("blog", app)
	first := s.commands()

	w.must(w.Reconfigure(w.as("ada"), "blog", "config:set", new(buffer)))
	w.must(w.Restart(w.as("ada"), "blog", new(buffer)))
	changed := s.commands()
	w.deployed("blog", app)
	second := s.commands()

	if !slices.Equal(first, []string{"bundle", "migrate", "seed", "notify"}) {
		t.Errorf("the first deploy ran %q", first)
	}
	if changed != nil {
		t.Errorf("a change of config and a restart ran %q, want nothing", changed)
	}
	if !slices.Equal(second, []string{"bundle", "migrate", "notify"}) {
		t.Errorf("the second deploy ran %q, want all but what is for the first", second)
	}
}

func TestScriptThatFailsBeforeTheSwitchKeepsTheOldRelease(t *testing.T) {
	for command, name := range map[string]string{"bundle": "predeploy", "migrate": "release"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.deployed("blog", serves())
			before := w.only("blog")
			var s scripts
			s.in(w, map[string]int{command: 3})

			out, err := w.push("blog", serves().and("Procfile", "web: serve\nrelease: migrate\n").and("app.json", withScripts))

			stage, ok := errors.AsType[*appliance.StageError](err)
			if !ok || stage.Stage != appliance.StageRelease || !strings.Contains(err.Error(), name+" exited with status 3") || appliance.HintOf(err) == "" {
				t.Errorf("error = %v (%s), want what exited", err, appliance.HintOf(err))
			}
			if !strings.HasSuffix(out, "       output of "+command+"\n") {
				t.Errorf("output ends without the last lines:\n%s", out)
			}
			if now := w.only("blog"); now.ID != before.ID {
				t.Errorf("process = %+v, want still %+v", now, before)
			}
			if ran := s.commands(); ran[len(ran)-1] != command {
				t.Errorf("%q ran, want nothing after %s", ran, command)
			}
			if releases, err := w.Store.Releases(t.Context(), "blog", -1); err != nil || len(releases) != 1 {
				t.Errorf("%d releases, %v, want still one", len(releases), err)
			}
			w.wantAnswer("blog.localhost", "hello")
		})
	}
}

func TestScriptThatFailsAfterTheSwitchUndoesNothing(t *testing.T) {
	w := newWorld(t)
	var s scripts
	s.in(w, map[string]int{"seed": 1})

	out, err := w.push("blog", serves().and("app.json", withScripts))

	if err != nil || !strings.Contains(out, " !     postdeploy of the first deploy exited with status 1\n") {
		t.Errorf("push: %v\n%s\nwant a warning", err, out)
	}
	w.wantProcesses("blog", "web.1 v1")
	if ran := s.commands(); !slices.Contains(ran, "notify") {
		t.Errorf("%q ran, want the other script too", ran)
	}
	w.deployed("blog", serves().and("app.json", withScripts))
	if ran := s.commands(); slices.Contains(ran, "seed") {
		t.Errorf("%q ran, want that what is for the first deploy has had its turn", ran)
	}
}

func TestCancelEndsTheReleaseCommand(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	before := w.only("blog")
	gone := errors.New("hung up")
	push := w.beginPush("ada", "blog", serves().and("Procfile", "web: serve\nrelease: sleep\n")) // the fake's runs until it is ended
	push.says("Running release")

	push.cancel(gone)

	if err := push.end(); !errors.Is(err, gone) {
		t.Errorf("error = %v, want that it was cancelled", err)
	}
	if now := w.only("blog"); now.ID != before.ID {
		t.Errorf("process = %+v, want still %+v", now, before)
	}
}

// What a repository brings is shown, and does not move anybody's terminal.
func TestCommandOfAScriptIsShownAsText(t *testing.T) {
	w := newWorld(t)
	var s scripts
	s.in(w, nil)

	out, err := w.push("blog", serves().and("app.json", `{"scripts": {"dokku": {"predeploy": "echo \u001b[2J\n\n  and more`+strings.Repeat("é", 200)+`"}}}`))

	head, _, _ := strings.Cut(out[strings.Index(out, "Running predeploy"):], "\n")
	if err != nil || !strings.HasPrefix(head, "Running predeploy (app.json): echo [2J and moreé") || !strings.HasSuffix(head, "é…") {
		t.Errorf("headline = %q, %v", head, err)
	}
}

func TestReleaseIsNoTypeToScale(t *testing.T) {
	release := appliance.Release{
		Procfile: appliance.Procfile{"web": "w", "worker": "x", "release": "m", "db": ""},
		Services: map[string]appliance.Service{"db": {Image: "postgres"}},
	}

	got := pipeline.Formation(release, appliance.Formation{"release": 2, "worker": 3})

	if want := (appliance.Formation{"web": 1, "worker": 3, "db": 1}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("formation = %v, want %v", got, want)
	}
}

func TestServicesOfAComposeFileRunAsItSays(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	image := w.engine.Built()[0].Tag
	app, err := w.Store.App(t.Context(), "blog")
	w.must(err)
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"LEVEL": "high", "PORT": "9000"}, nil))
	release, err := w.Store.AddRelease(t.Context(), appliance.Release{
		App: "blog", Image: image, Env: map[string]string{"LEVEL": "high", "PORT": "9000"},
		Procfile: appliance.Procfile{"web": "", "redis": ""},
		Services: map[string]appliance.Service{
			"redis": {
				Image: image, Command: []string{"serve", "redis"}, Env: map[string]string{"LEVEL": "low", "COLOUR": "grey", "PORT": "6379"},
				Mounts: []appliance.Mount{{Volume: "data", Path: "/data"}}, Port: 6379,
			},
		},
	})
	w.must(err)
	w.must(w.Store.GoLive(t.Context(), db.Live{App: "blog", Release: release.Version, Generation: app.Live}))

	w.must(w.Restart(w.as("ada"), "blog", new(buffer)))

	w.Wait()
	w.wantProcesses("blog", "redis.1 v2", "web.1 v2")
	for _, spec := range w.engine.Started()[1:] {
		got := fmt.Sprint(spec.Image == image, spec.Command, spec.Env, spec.Mounts, spec.Port, spec.Aliases)
		want := "true [] [LEVEL=high PORT=9000] [] 9000 [web]"
		if spec.Type == "redis" {
			want = "true [serve redis] [COLOUR=grey LEVEL=high PORT=6379] [{data  /data false}] 6379 [redis]"
		}
		if got != want {
			t.Errorf("%s was started as\n%s, want\n%s", spec.Type, got, want)
		}
	}
}
