package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/pipeline"
)

// nowhere is an address that refuses connections.
const nowhere = "127.0.0.1:1"

// Whatever goes wrong before the switch, what served goes on serving, and
// nothing is left of what was to replace it.
func TestOldGenerationServesOnWhenTheNewOneFails(t *testing.T) {
	for name, tt := range map[string]struct {
		files  files
		refuse string // this call of the engine
		error  string
		hint   string
		shows  string
	}{
		"build":             {files: files{"Dockerfile": "FROM scratch\nRUN [\"/program\", \"say\", \"3\", \"npm ERR!\"]\n"}, error: "exit status 3", shows: "npm ERR!"},
		"engine refuses":    {files: serves(), refuse: "Start", error: "start web: the engine refuses"},
		"exits":             {files: serves("say", "3", "no DATABASE_URL"), error: "web.1 exited with status 3", hint: "push again", shows: "no DATABASE_URL"},
		"exits well":        {files: serves("say", "0"), error: "web.1 exited with status 0", shows: "(web.1 printed nothing)"},
		"command not found": {files: serves("say", "127", "sh: node: not found"), error: "status 127", hint: "not found: check the Procfile", shows: "sh: node: not found"},
		"not executable":    {files: serves("say", "126"), error: "status 126", hint: "update-index --chmod=+x"},
		"out of memory":     {files: serves("eat"), error: "out of memory", hint: "more memory"},
		"loopback only":     {files: serves("loopback"), error: "unhealthy", hint: "it listens on 127.0.0.1:5000, where only it can reach itself: make it listen on 0.0.0.0:5000", shows: "listening on 127.0.0.1:5000"},
		"worker exits":      {files: serves().and("Procfile", "web: serve\nworker: serve\n"), refuse: "worker", error: ": the engine refuses"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.Store.SetApp(t.Context(), "blog", pipeline.CheckTimeoutSetting, "1"))
			w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"GREETING": "old"}, nil))
			w.deployed("blog", serves())
			before := w.only("blog")
			w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"GREETING": "new"}, nil))
			if tt.refuse == "worker" {
				w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"worker": 1}))
				var starts atomic.Int32
				w.failing(func(call string) error {
					if call == "Start" && starts.Add(1) == 2 {
						return errors.New("the engine refuses")
					}
					return nil
				})
			} else {
				w.refuse(tt.refuse)
			}
			if name == "loopback only" {
				w.engine.Addr = nowhere
			}

			out, err := w.push("blog", tt.files)

			if err == nil || !strings.Contains(err.Error(), tt.error) || !strings.Contains(appliance.HintOf(err), tt.hint) {
				t.Errorf("error = %v (%s), want %q (%s)", err, appliance.HintOf(err), tt.error, tt.hint)
			}
			if !strings.Contains(out, tt.shows) {
				t.Errorf("progress lacks %q:\n%s", tt.shows, out)
			}
			if after := w.only("blog"); after.ID != before.ID || !after.Running {
				t.Errorf("process = %+v, want still %+v", after, before)
			}
			w.wantAnswer("blog.localhost", "hello old")
			if app, err := w.Store.App(t.Context(), "blog"); err != nil || app.Live != before.Generation {
				t.Errorf("app = %+v, %v, want %s live", app, err, before.Generation)
			}
		})
	}
}

func TestAppOnAnotherPortIsTold(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.CheckTimeoutSetting, "1"))
	// It listens where its own PORT says, and the check asks where nobody is.
	w.engine.Addr = nowhere

	_, err := w.push("blog", files{"Dockerfile": "FROM scratch\nEXPOSE 3000\nCMD [\"" + enginetest.Program + "\"]\n"})

	if hint := appliance.HintOf(err); !strings.Contains(hint, "right port but does not answer") {
		t.Errorf("hint = %q", hint)
	}
	w.wantProcesses("blog")
}

func TestDeployWaitsForTheAppToAnswerWell(t *testing.T) {
	w := newWorld(t)
	asked, well := make(chan struct{}, 1000), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-well:
			if r.Host != "blog.localhost" || r.URL.Path != "/up" {
				rw.WriteHeader(http.StatusTeapot)
			}
		default:
			asked <- struct{}{}
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(app.Close)
	w.engine.Addr = app.Listener.Addr().String()
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.CheckPathSetting, "/up"))
	push := w.beginPush("ada", "blog", serves())
	for range 3 {
		<-asked
	}
	if app, err := w.Store.App(t.Context(), "blog"); err != nil || app.Live != "" {
		t.Errorf("app = %+v, %v, want nothing live while it answers 503", app, err)
	}

	close(well)

	if err := push.end(); err != nil {
		t.Errorf("push: %v\n%s", err, push.out)
	}
}

func TestSwitchLosesNoRequestThatIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.CheckPathSetting, "tcp"))
	arrived, answer := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-answer
		io.WriteString(rw, "from the old one")
	}))
	t.Cleanup(slow.Close)
	w.engine.Addr = slow.Listener.Addr().String()
	w.deployed("blog", serves())
	old := w.only("blog")
	w.engine.Addr = ""
	visitor := make(chan string, 1)
	go func() {
		_, body := w.get("blog.localhost")
		visitor <- body
	}()
	<-arrived

	out, err := w.push("blog", serves())

	if err != nil || !strings.Contains(out, "the old processes finish their last requests") {
		t.Errorf("push: %v\n%s", err, out)
	}
	w.wantProcesses("blog", "web.1 v1", "web.1 v2")
	w.wantAnswer("blog.localhost", "hello")
	// A restore in this moment leaves the old one to its last requests.
	w.must(w.Restore(t.Context(), "blog"))
	w.wantProcesses("blog", "web.1 v1", "web.1 v2")
	close(answer)
	if body := <-visitor; body != "from the old one" {
		t.Errorf("the visitor got %q", body)
	}
	w.Wait()
	if now := w.only("blog"); now.ID == old.ID {
		t.Error("the old process still runs")
	}
}

func TestCancelBeforeTheSwitchLeavesTheOldGeneration(t *testing.T) {
	gone := errors.New("hung up")
	for name, tt := range map[string]struct {
		files files
		until string // this is said
	}{
		"while building":        {files{"Dockerfile": "FROM scratch\nRUN [\"/program\", \"serve\"]\n"}, "listening on"},
		"while it gets healthy": {serves(), "Deploying blog v2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.deployed("blog", serves())
			before := w.only("blog")
			w.engine.Addr = nowhere
			push := w.beginPush("ada", "blog", tt.files)
			push.says(tt.until)
			if tt.until == "Deploying blog v2" {
				w.eventually("the new one runs", func() bool { return len(w.processes("blog")) == 2 })
			}

			push.cancel(gone)

			if err := push.end(); err == nil || !errors.Is(err, gone) && !errors.Is(err, context.Canceled) {
				t.Errorf("error = %v, want that it was cancelled", err)
			}
			if after := w.only("blog"); after.ID != before.ID {
				t.Errorf("process = %+v, want still %+v", after, before)
			}
			w.wantAnswer("blog.localhost", "hello")
		})
	}
}

func TestCancelAfterTheSwitchHasBegunIsTooLate(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	keep := w.hold("Keep") // comes after the switch
	push := w.beginPush("ada", "blog", serves())
	<-keep.reached

	push.cancel(errors.New("hung up"))
	close(keep.open)

	if err := push.end(); err != nil {
		t.Errorf("push: %v\n%s", err, push.out)
	}
	w.Wait()
	w.wantProcesses("blog", "web.1 v2")
	if w.only("blog").Kept == appliance.Never {
		t.Error("the process is not kept")
	}
}

func TestOutputEndsWithTheURL(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.AddDomain(t.Context(), "blog", "www.example.test"))
	w.Wait() // until nothing reads what is not meant to change
	w.Addresses.HTTPSPort = 8443

	out, err := w.push("blog", serves())

	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if last := lines[len(lines)-1]; err != nil || last != "       https://www.example.test:8443" {
		t.Errorf("last line = %q, %v", last, err)
	}
	w.wantAnswer("www.example.test", "hello")
	w.wantAnswer("blog.localhost", "hello")
}

func TestFormationSaysWhatRuns(t *testing.T) {
	w := newWorld(t)
	app := serves().and("Procfile", "web: serve\nworker: serve\nclock: serve\n")
	w.deployed("blog", app)
	w.wantProcesses("blog", "web.1 v1") // one web and nothing else until somebody scales

	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"web": 2, "worker": 1}))
	w.must(w.Restart(w.as("ada"), "blog", new(buffer)))
	w.Wait()

	w.wantProcesses("blog", "web.1 v1", "web.2 v1", "worker.1 v1")
	for _, spec := range w.engine.Started() {
		hasPort := slices.Contains(spec.Env, "PORT=5000") && spec.Port == 5000
		if hasPort != (spec.Type == "web") {
			t.Errorf("%s was started with %q and port %d", spec.Type, spec.Env, spec.Port)
		}
		if got := fmt.Sprintf("%q", spec.Command); got != `["/bin/sh" "-c" "serve"]` {
			t.Errorf("%s was started as %s", spec.Type, got)
		}
	}
	// A type that the next Procfile does not have ends with the old generation.
	w.deployed("blog", serves().and("Procfile", "web: serve\n"))
	w.wantProcesses("blog", "web.1 v2", "web.2 v2")
}

func TestAppWithoutAWebProcessIsDeployed(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"worker": 1}))

	w.deployed("blog", serves().and("Procfile", "worker: serve\n"))

	w.wantProcesses("blog", "worker.1 v1")
	if status, _ := w.get("blog.localhost"); status != http.StatusServiceUnavailable {
		t.Errorf("its host answers %d, want that it has no web process", status)
	}
}

func TestDeployWarnsWhenNothingRunsOrAnswers(t *testing.T) {
	w := newWorld(t)

	out, err := w.push("blog", serves().and("Procfile", "worker: serve\n"))

	if want := " !     nothing of blog runs: ps:scale blog worker=1 starts one\n"; err != nil || !strings.Contains(out, want) {
		t.Errorf("push: %v\n%s\nwant %q in it", err, out, want)
	}
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"worker": 1}))
	var again buffer
	w.must(w.Restart(w.as("ada"), "blog", &again))
	if want := " !     blog has no web process, so nothing answers at its address\n"; !strings.Contains(again.String(), want) {
		t.Errorf("restart printed\n%s\nwant %q in it", &again, want)
	}
}

func TestConfigSaysWhichPortWebListensOn(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"PORT": "9123"}, nil))

	w.deployed("blog", serves())

	started := w.engine.Started()
	if spec := started[len(started)-1]; spec.Port != 9123 || !slices.Contains(spec.Env, "PORT=9123") || slices.Contains(spec.Env, "PORT=5000") {
		t.Errorf("web was started on port %d with %q, want 9123", spec.Port, spec.Env)
	}
}

func TestWebScaledToNothingEndsTheTraffic(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"web": 0}))

	w.must(w.Restart(w.as("ada"), "blog", new(buffer)))

	w.Wait()
	w.wantProcesses("blog")
	if status, _ := w.get("blog.localhost"); status != http.StatusServiceUnavailable {
		t.Errorf("its host answers %d, want 503", status)
	}
	w.must(w.Store.Scale(t.Context(), "blog", appliance.Formation{"web": 1}))
	w.must(w.Restart(w.as("ada"), "blog", new(buffer)))
	w.wantAnswer("blog.localhost", "hello")
}

func TestReconfigureMakesAReleaseOfTheLiveOne(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"GREETING": "changed"}, nil))
	var out buffer

	err := w.Reconfigure(w.as("ada"), "blog", "config:set GREETING", &out)

	if err != nil {
		t.Fatalf("Reconfigure: %v\n%s", err, &out)
	}
	w.Wait()
	w.wantAnswer("blog.localhost", "hello changed")
	w.wantProcesses("blog", "web.1 v2")
	first, err1 := w.Store.Release(t.Context(), "blog", 1)
	second, err2 := w.Store.Release(t.Context(), "blog", 2)
	w.must(errors.Join(err1, err2))
	if second.Image != first.Image || second.Commit != first.Commit || second.Reason != "config:set GREETING" || second.Actor != "ada" {
		t.Errorf("release = %+v, want one of the same image", second)
	}
	if built := len(w.engine.Built()); built != 1 {
		t.Errorf("%d builds, want only that of the push", built)
	}
}

func TestRestartMakesAReleaseOnlyIfConfigHasChanged(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	before := w.only("blog")

	w.must(w.Restart(w.as("ada"), "blog", new(buffer)))
	w.Wait()
	after := w.only("blog")
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"GREETING": "changed"}, nil)) // config:set --no-restart
	w.wantAnswer("blog.localhost", "hello")
	w.must(w.Restart(w.as("ada"), "blog", new(buffer)))
	w.Wait()

	if after.Release != 1 || after.ID == before.ID {
		t.Errorf("process = %+v, want a new one of v1", after)
	}
	w.wantProcesses("blog", "web.1 v2")
	w.wantAnswer("blog.localhost", "hello changed")
}

func TestWhatWasNeverDeployedHasNothingToRestart(t *testing.T) {
	w := newWorld(t)

	w.must(w.Restart(w.as("ada"), "blog", new(buffer)))
	w.must(w.Reconfigure(w.as("ada"), "blog", "config:set", new(buffer)))

	w.wantProcesses("blog")
	for what, err := range map[string]error{
		"Restart":     w.Restart(w.as("ada"), "gone", new(buffer)),
		"Reconfigure": w.Reconfigure(w.as("ada"), "gone", "x", new(buffer)),
	} {
		if !errors.Is(err, appliance.ErrNotFound) {
			t.Errorf("%s of no app = %v, want ErrNotFound", what, err)
		}
	}
}

func TestOneTakenHostDoesNotTakeTheOthers(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "api", false))
	w.deployed("api", serves())
	w.must(w.Store.AddDomain(t.Context(), "blog", "api.localhost")) // command refuses it; two at once may not be seen
	w.must(w.Store.AddDomain(t.Context(), "blog", "www.example.test"))

	w.deployed("blog", serves())
	w.deployed("blog", serves())

	w.wantAnswer("www.example.test", "hello")
	w.wantAnswer("blog.localhost", "hello")
	w.wantAnswer("api.localhost", "hello")
	w.must(w.Restore(t.Context(), "blog"))
	w.wantProcesses("blog", "web.1 v2")
	w.wantAnswer("www.example.test", "hello")
}

func TestProcessThatEndsBetweenHealthAndSwitchIsNoticed(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	before := w.only("blog")
	asked := 0
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		// It passes the check, and is gone when the answer arrives.
		if asked++; asked > 1 {
			return
		}
		found, _ := w.engine.Processes(context.Background(), "blog")
		for _, p := range found {
			if p.ID != before.ID {
				w.engine.Exit(p.ID, 9)
				w.eventually("it has ended", func() bool {
					return len(w.processes("blog")) == 2 && strings.Contains(strings.Join(w.processes("blog"), " "), "ended")
				})
			}
		}
	}))
	t.Cleanup(app.Close)
	w.engine.Addr = app.Listener.Addr().String()

	_, err := w.push("blog", serves())

	if err == nil || !strings.Contains(err.Error(), "web.1 exited with status 9") {
		t.Errorf("error = %v, want that it exited", err)
	}
	if after := w.only("blog"); after.ID != before.ID {
		t.Errorf("process = %+v, want still %+v", after, before)
	}
}

func TestCancelIsNoticedWhileARestoreIsAtWork(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	w.must(w.engine.Stop(t.Context(), 0, w.only("blog").ID))
	start := w.hold("Start")
	restored := make(chan error, 1)
	go func() { restored <- w.Restore(t.Context(), "blog") }()
	<-start.reached
	restart := w.begin("ada", func(ctx context.Context, out io.Writer) error { return w.Restart(ctx, "blog", out) })

	restart.cancel(errors.New("hung up"))

	if err := restart.end(); err == nil {
		t.Error("it was not cancelled")
	}
	close(start.open)
	w.must(<-restored)
	w.wantProcesses("blog", "web.1 v1")
}
