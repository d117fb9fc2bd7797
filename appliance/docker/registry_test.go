package docker_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"golang.org/x/crypto/bcrypt"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestDockerKeepsThePromisesAboutRegistries(t *testing.T) {
	e := newEngine(t)
	r := newRegistry(t)

	enginetest.TestRegistry(t, e, enginetest.Image(t, e), r.login)

	if left := borrowed(t, e); len(left) != 0 {
		t.Errorf("volumes = %v, want none left", left)
	}
}

// A person's own name for another image is theirs after the push too.
func TestPushGivesANameBackToWhatHadItBefore(t *testing.T) {
	e := newEngine(t)
	r := newRegistry(t)
	raw := rawDocker(t)
	pushed, theirs := enginetest.Image(t, e), derived(t, e)
	as := r.login.Server + "/" + string(enginetest.Name("named")) + ":1"
	if err := raw.ImageTag(t.Context(), string(theirs), as); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = raw.ImageRemove(context.Background(), as, image.RemoveOptions{}) })
	before := id(t, e, appliance.Image(as))

	_, err := e.Push(t.Context(), appliance.PushSpec{Image: pushed, As: appliance.Image(as), Login: &r.login})

	if err != nil {
		t.Fatal(err)
	}
	if after := id(t, e, appliance.Image(as)); after != before || after == id(t, e, pushed) {
		t.Errorf("%s = %s, want %s again", as, after, before)
	}
}

// With the name that the killed push has left, a build of another app would
// get the image without a login.
func TestWhatAKilledPushLeavesIsTakenBack(t *testing.T) {
	if os.Getenv("BERTH_TEST_PUSH") != "" {
		pushUntilKilled(t)
	}
	for _, again := range []string{"at the next start", "at the next push"} {
		t.Run(again, func(t *testing.T) {
			e := newEngine(t)
			r := newRegistry(t)
			from := enginetest.Image(t, e)
			as := appliance.Image(r.login.Server + "/" + string(enginetest.Name("killed")) + ":1")
			r.stuck.Store(true)
			child := exec.Command(os.Args[0], "-test.run=^TestWhatAKilledPushLeavesIsTakenBack$")
			child.Env = append(os.Environ(), "BERTH_TEST_PUSH="+strings.Join([]string{e.Instance(), string(from), string(as), r.login.Password}, " "))
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-r.reached:
			case <-time.After(time.Minute):
				t.Error("the push never came to the registry")
			}
			_ = child.Process.Kill()
			_ = child.Wait() // it was killed
			r.free()
			if id(t, e, as) != id(t, e, from) || len(borrowed(t, e)) != 1 {
				t.Fatalf("the push was not killed in its middle: %v", borrowed(t, e))
			}

			next := sameInstance(t, e)
			var err error
			if again == "at the next start" {
				err = next.Sweep(t.Context(), time.Now())
			} else {
				_, err = next.Push(t.Context(), appliance.PushSpec{Image: from, As: as, Login: &r.login})
			}

			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Inspect(t.Context(), as); err == nil || len(borrowed(t, e)) != 0 {
				t.Errorf("Inspect of the name = %v, volumes %v, want neither", err, borrowed(t, e))
			}
			if _, err := e.Inspect(t.Context(), from); err != nil {
				t.Errorf("the image by its own name: %v", err)
			}
		})
	}
}

// pushUntilKilled is what the killed process does.
func pushUntilKilled(t *testing.T) {
	what := strings.Fields(os.Getenv("BERTH_TEST_PUSH"))
	e, err := docker.New("", what[0])
	if err != nil {
		t.Fatal(err)
	}
	as := appliance.Image(what[2])
	_, err = e.Push(t.Context(), appliance.PushSpec{
		Image: appliance.Image(what[1]), As: as, Login: &appliance.RegistryLogin{Server: as.Registry(), User: "acme", Password: what[3]},
	})
	t.Fatalf("the push has ended: %v", err)
}

func TestSweepLeavesAloneWhatIsPushedNow(t *testing.T) {
	e := newEngine(t)
	r := newRegistry(t)
	from := enginetest.Image(t, e)
	as := appliance.Image(r.login.Server + "/" + string(enginetest.Name("swept")) + ":1")
	r.stuck.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := e.Push(ctx, appliance.PushSpec{Image: from, As: as, Login: &r.login})
		ended <- err
	}()
	<-r.reached

	sweepErr := e.Sweep(t.Context(), time.Now())
	_, busyErr := e.Push(t.Context(), appliance.PushSpec{Image: from, As: as, Login: &r.login})

	if _, err := e.Inspect(t.Context(), as); sweepErr != nil || err != nil {
		t.Errorf("Sweep = %v, then the name: %v, want it there", sweepErr, err)
	}
	if busyErr == nil || !strings.Contains(busyErr.Error(), "another push") {
		t.Errorf("a second push there: %v, want it refused", busyErr)
	}
	cancel() // somebody cancels the build
	if err := <-ended; err == nil {
		t.Error("the cancelled push has ended without an error")
	}
	r.free()
	if _, err := e.Inspect(t.Context(), as); err == nil {
		t.Error("the name is still there, want it taken back")
	}
}

func TestWhatIsMadeWithALoginHasNothingOfIt(t *testing.T) {
	e := newEngine(t)
	r := newRegistry(t)
	raw := rawDocker(t)
	app := enginetest.Name("secret")
	t.Cleanup(func() { _ = e.Destroy(context.WithoutCancel(t.Context()), app) }) // Purge tells
	as := appliance.Image(r.login.Server + "/" + string(app) + ":1")
	var out strings.Builder
	if _, err := e.Push(t.Context(), appliance.PushSpec{Image: enginetest.Image(t, e), As: as, Login: &r.login, Out: &out}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM "+string(as)+"\nRUN [\""+enginetest.Program+"\", \"env\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tag := appliance.Image("berth-test/" + string(app) + ":1")
	if _, err := e.Build(t.Context(), appliance.BuildSpec{App: app, Tag: tag, Dir: dir, Logins: []appliance.RegistryLogin{r.login}, Out: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	p, err := e.Start(t.Context(), appliance.ProcessSpec{App: app, Type: "web", Image: tag, Replicas: 1, Command: []string{enginetest.Program, "deaf"}})
	if err != nil {
		t.Fatal(err)
	}
	var imageJSON bytes.Buffer
	if _, err := raw.ImageInspect(t.Context(), string(tag), client.ImageInspectWithRawResponse(&imageJSON)); err != nil {
		t.Fatal(err)
	}
	_, containerJSON, err := raw.ContainerInspectWithRaw(t.Context(), p[0].ID, false)
	if err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(out.String(), ": Pushed\n") || !strings.Contains(out.String(), "RUN") {
		t.Errorf("output = %q, want what was pushed and built", out.String())
	}
	for what, text := range map[string]string{"output": out.String(), "image": imageJSON.String(), "container": string(containerJSON)} {
		if strings.Contains(text, r.login.Password) {
			t.Errorf("%s = %s, want no password", what, text)
		}
	}
}

// A registry is one that Docker reaches without TLS, as it is on this machine.
type registry struct {
	login   appliance.RegistryLogin
	stuck   atomic.Bool   // it answers no upload
	reached chan struct{} // takes when an upload got stuck
	freed   chan struct{} // closed when it is stuck no more
}

func newRegistry(t testing.TB) *registry {
	t.Helper()
	enginetest.NeedDocker(t)
	r := &registry{login: appliance.RegistryLogin{User: "acme", Password: "hunter2" + string(enginetest.Name("x"))}, reached: make(chan struct{}, 1), freed: make(chan struct{})}
	hash, err := bcrypt.GenerateFromPassword([]byte(r.login.Password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	htpasswd := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(htpasswd, []byte(r.login.User+":"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := &configuration.Configuration{
		Storage: configuration.Storage{"inmemory": {}},
		Auth:    configuration.Auth{"htpasswd": {"realm": "test", "path": htpasswd}},
	}
	config.HTTP.Secret = "test"
	app := handlers.NewApp(context.Background(), config)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost && r.stuck.Load() {
			select {
			case r.reached <- struct{}{}:
			default:
			}
			select {
			case <-req.Context().Done():
			case <-r.freed:
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return
		}
		app.ServeHTTP(w, req)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		_ = app.Shutdown() // there is nothing but memory to give back
	})
	r.login.Server = strings.TrimPrefix(server.URL, "http://")
	return r
}

// free has it answer again.
func (r *registry) free() {
	r.stuck.Store(false)
	close(r.freed)
}

// borrowed lists the volumes that say which names are borrowed.
func borrowed(t testing.TB, e *docker.Engine) (names []string) {
	t.Helper()
	found, err := rawDocker(t).VolumeList(t.Context(), volume.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", "berth.instance="+e.Instance()), filters.Arg("label", "berth.kind=borrowed"))})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found.Volumes {
		names = append(names, v.Name)
	}
	return names
}

// derived makes another image, and removes it when the test has ended.
func derived(t testing.TB, e *docker.Engine) appliance.Image {
	t.Helper()
	dir := enginetest.ProgramDir(t)
	appendTo(t, filepath.Join(dir, "Dockerfile"), "ENV DERIVED=1\n")
	tag := appliance.Image("berth-test/" + string(enginetest.Name("derived")) + ":1")
	if _, err := e.Build(t.Context(), appliance.BuildSpec{App: "blog", Tag: tag, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	return tag
}

// id returns the id of an image.
func id(t testing.TB, e *docker.Engine, name appliance.Image) string {
	t.Helper()
	i, err := e.Inspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return i.ID
}
