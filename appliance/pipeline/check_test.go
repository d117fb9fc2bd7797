package pipeline_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/pipeline"
)

// checked is an app of which app.json has the web processes pass a check.
func checked(check string) files { return checkedAs("web", check) }

func checkedAs(typ, check string) files {
	return serves().and("app.json", `{"healthchecks": {"`+typ+`": [{"type": "startup", "attempts": 1, "timeout": 1, `+check+`}]}}`)
}

// answering has the engine's web processes answer like this.
func (w *world) answering(answer http.HandlerFunc) {
	server := httptest.NewServer(answer)
	w.t.Cleanup(server.Close)
	w.engine.Addr = server.Listener.Addr().String()
}

func TestPathOfAppJSONIsAskedUntilItPasses(t *testing.T) {
	w := newWorld(t)
	var asked atomic.Int32
	w.answering(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/up" || r.Host != "blog.localhost" || r.Header.Get("X-Key") != "value" || r.Header.Get("X-Forwarded-Proto") != "https" {
			t.Errorf("asked for %s of %s with %v", r.URL, r.Host, r.Header)
		}
		if asked.Add(1) < 3 {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/up" {
			io.WriteString(rw, "all is well")
		}
	})

	out, err := w.push("blog", checked(`"path": "/up", "content": "is well", "httpHeaders": [{"name": "x-key", "value": "value"}]`))

	if err != nil || asked.Load() != 3 {
		t.Errorf("push: %v after %d questions\n%s", err, asked.Load(), out)
	}
}

func TestProcessThatFailsACheckOfAppJSONGetsNoTraffic(t *testing.T) {
	for name, tt := range map[string]struct {
		files files
		want  string
	}{
		"a status":          {checked(`"path": "/up"`), `web.1: the check "GET /up" failed: GET /up answered 404 Not Found after 1s`},
		"content":           {checked(`"name": "home", "content": "welcome"`), `the check "home (GET /)" failed: GET / answered 200 OK without "welcome" in it`},
		"a port":            {checked(`"path": "/", "port": 1`), `the check "GET /" failed: connection refused`},
		"a command":         {checked(`"command": ["` + enginetest.Program + `", "say", "4", "no database"]`), `failed: it exited with status 4 and printed "no database"`},
		"a silent command":  {checked(`"command": ["` + enginetest.Program + `", "say", "4"]`), `failed: it exited with status 4 and printed nothing`},
		"a command's time":  {checked(`"command": ["` + enginetest.Program + `", "serve"]`), `failed: no answer within 1s`},
		"listening":         {checked(`"listening": true, "port": 7`), `the check "listening" failed: it listens on [::]:5000`},
		"not only the path": {checkedAs("web", `"path": "/"}, {"type": "startup", "attempts": 1, "timeout": 1, "path": "/up"`), `the check "GET /up" failed`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.deployed("blog", serves())
			before := w.only("blog")
			w.answering(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					http.NotFound(rw, r)
				}
			})

			_, err := w.push("blog", tt.files)

			if err == nil || !strings.Contains(err.Error(), tt.want) || appliance.HintOf(err) == "" {
				t.Errorf("error = %v (%s), want %s", err, appliance.HintOf(err), tt.want)
			}
			if after := w.only("blog"); after.ID != before.ID {
				t.Errorf("process = %+v, want still %+v", after, before)
			}
		})
	}
}

func TestProcessThatPassesItsChecksIsReady(t *testing.T) {
	for name, app := range map[string]files{
		"a command":       checked(`"command": ["` + enginetest.Program + `", "say", "0"]`),
		"listening":       checked(`"listening": true`),
		"uptime":          checked(`"uptime": 1`),
		"staying up":      checked(`"name": "nothing else"`),
		"a redirect":      checked(`"path": "/elsewhere"`),
		"only a warning":  checked(`"path": "/nowhere", "warn": true`),
		"not at a deploy": serves().and("app.json", `{"healthchecks": {"web": [{"type": "liveness", "path": "/nowhere"}]}}`),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answering(func(rw http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/elsewhere":
					http.Redirect(rw, r, "https://example.test/", http.StatusFound)
				case "/nowhere":
					http.NotFound(rw, r)
				}
			})

			out, err := w.push("blog", app)

			if err != nil {
				t.Errorf("push: %v\n%s", err, out)
			}
			if warned := strings.Contains(out, ` !     web.1: the check "GET /nowhere" failed`); warned != (name == "only a warning") {
				t.Errorf("output is\n%s", out)
			}
		})
	}
}

// Whatever else it passes: it would get the traffic, and answer none of it.
func TestWebProcessThatCannotBeReachedIsNotReady(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.CheckTimeoutSetting, "1"))
	w.engine.Addr = nowhere

	_, err := w.push("blog", checked(`"command": ["`+enginetest.Program+`", "say", "0"]`))

	if err == nil || !strings.Contains(err.Error(), "web.1: unhealthy: ") {
		t.Errorf("error = %v, want that it is not reached", err)
	}
}

func TestChecksOfAppJSONHoldForOtherTypesToo(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"worker": 1}))
	w.answering(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			http.NotFound(rw, r)
		}
	})
	procfile := "web: serve\nworker: serve\n"

	_, good := w.push("blog", checkedAs("worker", `"path": "/"`).and("Procfile", procfile))
	_, bad := w.push("blog", checkedAs("worker", `"path": "/busy"`).and("Procfile", procfile))

	if good != nil || bad == nil || !strings.Contains(bad.Error(), `worker.1: the check "GET /busy" failed`) {
		t.Errorf("errors = %v and %v, want only that of the worker", good, bad)
	}
	if hint := appliance.HintOf(bad); !strings.Contains(hint, "app.json") {
		t.Errorf("hint = %q, want where the check is", hint)
	}
}

func TestWhatWasSetOnThisMachineGoesBeforeAppJSON(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.CheckPathSetting, "tcp"))

	out, err := w.push("blog", checked(`"command": ["`+enginetest.Program+`", "say", "1"]`))

	if err != nil {
		t.Errorf("push: %v\n%s", err, out)
	}
}

func TestProcessThatEndsDuringAnInitialDelayIsNoticedAtOnce(t *testing.T) {
	w := newWorld(t)
	app := checked(`"uptime": 3000, "initialDelay": 3000`).and("Dockerfile", serves("say", "9", "no database")["Dockerfile"])

	out, err := w.push("blog", app)

	if err == nil || !strings.Contains(err.Error(), "web.1 exited with status 9") || !strings.Contains(out, "no database") {
		t.Errorf("push: %v\n%s\nwant its last words", err, out)
	}
}

// selfChecked is an app whose image brings a check.
func selfChecked() files {
	app := serves()
	app["Dockerfile"] += "HEALTHCHECK CMD /check\n"
	return app
}

func TestImageWithACheckSaysItselfWhenItIsReady(t *testing.T) {
	w := newWorld(t)
	w.watch()
	push := w.beginPush("ada", "blog", selfChecked())
	push.says("Deploying blog v1")
	w.eventually("it runs", func() bool { return len(w.processes("blog")) == 1 })
	id := w.only("blog").ID
	w.eventually("it answers", func() bool { return len(w.listening(id)) > 0 })
	if status, _ := w.get("blog.localhost"); status != http.StatusServiceUnavailable {
		t.Errorf("its host answers %d, want that there is nothing yet", status)
	}

	w.engine.SetHealth(id, appliance.Healthy)

	if err := push.end(); err != nil {
		t.Errorf("push: %v\n%s", err, push.out)
	}
	w.wantAnswer("blog.localhost", "hello")
}

func TestImageWhoseCheckFailsGetsNoTraffic(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.deployed("blog", serves())
	before := w.only("blog")
	push := w.beginPush("ada", "blog", selfChecked())
	w.eventually("it runs", func() bool { return len(w.processes("blog")) == 2 })
	found, err := w.engine.Processes(t.Context(), "blog")
	w.must(err)
	for _, p := range found {
		if p.ID != before.ID {
			w.engine.SetHealth(p.ID, appliance.Unhealthy)
		}
	}

	err = push.end()

	if err == nil || !strings.Contains(err.Error(), "HEALTHCHECK") || !strings.Contains(appliance.HintOf(err), "HEALTHCHECK") {
		t.Errorf("error = %v (%s), want what failed", err, appliance.HintOf(err))
	}
	push.says("The last lines of web.1:")
	if after := w.only("blog"); after.ID != before.ID {
		t.Errorf("process = %+v, want still %+v", after, before)
	}
}

func TestCheckOfAnImageIsNotAskedOfWhatAProcfileStarts(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"web": 0, "worker": 1}))

	w.deployed("blog", selfChecked().and("Procfile", "web: serve\nworker: serve\n"))

	w.wantProcesses("blog", "worker.1 v1")
}

func (w *world) listening(id string) []netip.AddrPort {
	w.t.Helper()
	found, err := w.engine.Listening(w.t.Context(), id)
	w.must(err)
	return found
}
