package pipeline_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestAppJSONGivesTheAppItsConfigAtTheFirstDeploy(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"TITLE": "mine"}, nil))
	env := `{"env": {
		"TITLE": "theirs", "THEME": "dark-by-default", "SECRET_KEY": {"generator": "secret"}, "DEBUG": {"required": false},
		"MODE": {"value": "one", "sync": true}}}`

	out, err := w.push("blog", serves().and("app.json", env))

	first, err2 := w.Store.Config(t.Context(), "blog")
	w.must(errors.Join(err, err2))
	if first["TITLE"] != "mine" || first["THEME"] != "dark-by-default" || first["MODE"] != "one" || len(first) != 4 {
		t.Errorf("config = %v", first)
	}
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(first["SECRET_KEY"]) {
		t.Errorf("SECRET_KEY = %q, want 64 hexadecimal digits", first["SECRET_KEY"])
	}
	if !strings.Contains(out, "-----> Reading app.json\n       sets MODE, SECRET_KEY, THEME\n") || strings.Contains(out, first["SECRET_KEY"]) || strings.Contains(out, "dark-by-default") {
		t.Errorf("output is\n%s\nwant the keys, and no value", out)
	}
	release, err := w.Store.Release(t.Context(), "blog", 1)
	if err != nil || release.Env["SECRET_KEY"] != first["SECRET_KEY"] {
		t.Errorf("release = %+v, %v, want the config in it", release, err)
	}

	// Later, only what is to stay in sync is set, and a secret stays what it is.
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"MODE": "two"}, []string{"THEME"}))
	w.deployed("blog", serves().and("app.json", env))
	second, err := w.Store.Config(t.Context(), "blog")
	w.must(err)
	if second["MODE"] != "one" || second["THEME"] != "" || second["SECRET_KEY"] != first["SECRET_KEY"] || second["TITLE"] != "mine" {
		t.Errorf("config = %v after the second deploy of %v", second, first)
	}
}

func TestConfigThatAppJSONRequiresIsAskedForBeforeTheBuild(t *testing.T) {
	for name, tt := range map[string]struct {
		provisional bool
		want        string
	}{
		"of an app that was created":        {false, "config:set shop A_KEY=… B_KEY=…, then push again"},
		"of an app that goes with the push": {true, "apps:create shop, then config:set shop A_KEY=… B_KEY=…"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.Create(t.Context(), "shop", tt.provisional))
			app := serves().and("app.json", `{"env": {"A_KEY": {"description": "of A"}, "B_KEY": {}, "C_KEY": {"required": false}, "D_KEY": "d"}}`)

			_, err := w.push("shop", app)

			if err == nil || !strings.Contains(err.Error(), "not set: A_KEY, B_KEY") || !strings.Contains(appliance.HintOf(err), tt.want) {
				t.Errorf("error = %v (%s), want %s", err, appliance.HintOf(err), tt.want)
			}
			if built := w.engine.Built(); len(built) != 0 {
				t.Errorf("%d builds, want none", len(built))
			}
			w.must(w.Store.ChangeConfig(t.Context(), "shop", map[string]string{"A_KEY": "a", "B_KEY": "b"}, nil))
			w.deployed("shop", app)
		})
	}
}

func TestAppThatRunsIsOnlyWarnedOfMissingConfig(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())

	out, err := w.push("blog", serves().and("app.json", `{"env": {"A_KEY": {}, "B_KEY": "b"}}`))

	if err != nil || !strings.Contains(out, " !     app.json requires config that is not set: A_KEY\n       config:set blog A_KEY=…\n") {
		t.Errorf("push: %v\n%s\nwant a warning", err, out)
	}
	if config, err := w.Store.Config(t.Context(), "blog"); err != nil || len(config) != 0 {
		t.Errorf("config = %v, %v, want none: it is not the first deploy", config, err)
	}
}

func TestBrokenAppJSONRefusesThePush(t *testing.T) {
	w := newWorld(t)

	_, err := w.push("blog", serves().and("app.json", "{\n\"formation\": {\"web\": 2}}"))

	stage, ok := errors.AsType[*appliance.StageError](err)
	if !ok || stage.Stage != appliance.StageBuild || !strings.Contains(err.Error(), "app.json, line 2") || len(w.engine.Built()) != 0 {
		t.Errorf("error = %v, want the line, before anything is built", err)
	}
}

func TestAppJSONIsKeptWithTheReleaseAndWhatIsIgnoredIsSaid(t *testing.T) {
	w := newWorld(t)

	out, err := w.push("blog", serves().and("app.json", `{"addons": [], "image": "x", "cron": [{"command": "./clean", "schedule": "0 3 * * *"}]}`))

	if err != nil || !strings.Contains(out, "-----> Reading app.json\n       ignored: addons, image\n       cron: 1 job from this release on\n") {
		t.Errorf("push: %v\n%s", err, out)
	}
	w.must(w.Reconfigure(w.as("ada"), "blog", "config:set", new(buffer)))
	release, err := w.Store.Release(t.Context(), "blog", 2)
	if err != nil || len(release.AppJSON.Cron) != 1 || release.AppJSON.Cron[0].Command != "./clean" {
		t.Errorf("release = %+v, %v, want its cron", release, err)
	}
}

func TestFormationOfAppJSONGoesBeforeWhatWasScaled(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"web": 1, "worker": 0, "clock": 1}))
	app := serves().and("Procfile", "web: serve\nworker: serve\nclock: serve\n")

	out, err := w.push("blog", app.and("app.json", `{"formation": {"web": {"quantity": 2}, "worker": {"quantity": 1}, "clock": {}, "ghost": {"quantity": 1}}}`))

	w.must(err)
	w.Wait()
	w.wantProcesses("blog", "clock.1 v1", "web.1 v1", "web.2 v1", "worker.1 v1")
	if want := " !     app.json wants 1 of ghost, but there is no such process type\n"; !strings.Contains(out, want) {
		t.Errorf("output is\n%s\nwant %q in it", out, want)
	}
	// Without it, what was scaled is in effect again.
	delete(app, "app.json")
	w.deployed("blog", app)
	w.wantProcesses("blog", "clock.1 v2", "web.1 v2")
}
