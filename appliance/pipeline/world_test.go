package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/db/dbtest"
	"github.com/berthhq/berth/router"
	certs "github.com/berthhq/berth/tls"
)

// patience is how long a test waits for what must come about.
const patience = 20 * time.Second

// A world is a pipeline with everything real but the engine, and the app blog.
type world struct {
	*pipeline.Pipeline
	t      *testing.T
	dir    string
	engine *enginetest.Fake
	fail   atomic.Pointer[func(call string) error] // what the engine refuses
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), engine: new(enginetest.Fake)}
	w.engine.Refuse(func(call string) error {
		if fail := w.fail.Load(); fail != nil {
			return (*fail)(call)
		}
		return nil
	})
	t.Cleanup(w.engine.Close)
	w.boot()
	w.must(w.Create(t.Context(), "blog", false))
	return w
}

// boot makes the pipeline of a daemon that starts, on the store and the
// repositories that are there, and has it recover.
func (w *world) boot() {
	w.t.Helper()
	store := dbtest.Open(w.t, filepath.Join(w.dir, "berth.db"))
	routes := router.New(nil)
	certificates, err := certs.New(w.t.Context(), certs.Config{Storage: store.Certificates(), Serves: routes.Serves})
	w.must(err)
	p := &pipeline.Pipeline{
		Store:        store,
		Repos:        git.Repos{Dir: filepath.Join(w.dir, "git"), Hooks: filepath.Join(w.dir, "hooks")},
		Builders:     []builder.Builder{builder.Dockerfile{}},
		Engine:       w.engine,
		Router:       routes,
		Certificates: certificates,
		Instance:     "berth-test",
		Temp:         filepath.Join(w.dir, "tmp"),
		Log:          slog.New(slog.DiscardHandler),
	}
	w.Pipeline = p
	w.t.Cleanup(func() {
		p.Wait()
		// The last of them may have a few instructions to go.
		if !await.Until(patience, func() bool { return w.left() == "" }) {
			w.t.Errorf("these goroutines are left:\n%s", w.left())
		}
		certificates.Close()
		store.Close()
	})
	w.must(p.Recover(w.t.Context()))
}

// left returns the goroutines that are still in the pipeline.
func (w *world) left() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var left []string
	for g := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(g, "berth/appliance/pipeline.") && !strings.Contains(g, "pipeline_test.") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// watch tells the pipeline what the engine tells, until the test ends.
func (w *world) watch() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	p := w.Pipeline
	go func() {
		ended <- w.engine.Watch(ctx, func(app appliance.AppName) { p.Changed(ctx, app) })
	}()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Watch: %v", err)
		}
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// eventually waits until something is so.
func (w *world) eventually(what string, so func() bool) {
	w.t.Helper()
	await.That(w.t, what, so)
}

// files are what somebody commits, by name.
type files map[string]string

// serves is an app whose web process runs the test program like this.
func serves(args ...string) files {
	command := enginetest.Program
	for _, arg := range args {
		command += `", "` + arg
	}
	return files{"Dockerfile": "FROM scratch\nCMD [\"" + command + "\"]\n"}
}

func (f files) and(name, content string) files {
	f[name] = content
	return f
}

// commit commits the files, and nothing else, to the app's repository.
func (w *world) commit(app appliance.AppName, f files) string {
	w.t.Helper()
	work := w.t.TempDir()
	for name, content := range f {
		w.must(os.MkdirAll(filepath.Dir(filepath.Join(work, name)), 0o755))
		w.must(os.WriteFile(filepath.Join(work, name), []byte(content), 0o644))
	}
	w.git(work, "init", "-q", "-b", "main")
	w.git(work, "add", "--all")
	w.git(work, "commit", "-q", "--allow-empty", "-m", "t")
	w.git(work, "push", "-q", "--force", w.Repos.Path(app), "main")
	return w.git(work, "rev-parse", "HEAD")
}

func (w *world) git(dir string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@t", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@t")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// as returns a context in which somebody asks.
func (w *world) as(name string) context.Context {
	return appliance.WithActor(w.t.Context(), appliance.Actor{Name: name, Door: appliance.SSH, Admin: true})
}

// push commits the files and takes them all the way.
func (w *world) push(app appliance.AppName, f files) (string, error) {
	w.t.Helper()
	var out buffer
	err := w.Receive(w.as("ada"), pipeline.Push{App: app, Commit: w.commit(app, f), Branch: "main"}, &out)
	return out.String(), err
}

// deployed pushes what must succeed.
func (w *world) deployed(app appliance.AppName, f files) {
	w.t.Helper()
	if out, err := w.push(app, f); err != nil {
		w.t.Fatalf("push of %s: %v\n%s", app, err, out)
	}
	w.Wait() // until the old processes are gone
}

// A doing is something that goes on while the test does something else.
type doing struct {
	w      *world
	out    *buffer
	cancel context.CancelCauseFunc
	ended  chan error
}

// begin has somebody do something.
func (w *world) begin(name string, do func(ctx context.Context, out io.Writer) error) doing {
	ctx, cancel := context.WithCancelCause(w.as(name))
	d := doing{w, new(buffer), cancel, make(chan error, 1)}
	go func() { d.ended <- do(ctx, d.out) }()
	return d
}

// beginPush is begin for a push.
func (w *world) beginPush(name string, app appliance.AppName, f files) doing {
	w.t.Helper()
	commit := w.commit(app, f)
	return w.begin(name, func(ctx context.Context, out io.Writer) error {
		return w.Receive(ctx, pipeline.Push{App: app, Commit: commit, Branch: "main"}, out)
	})
}

// says waits until its output has a text.
func (d doing) says(text string) {
	d.w.t.Helper()
	d.w.eventually(fmt.Sprintf("%q is said", text), func() bool { return strings.Contains(d.out.String(), text) })
}

// end waits for its end.
func (d doing) end() error {
	d.w.t.Helper()
	select {
	case err := <-d.ended:
		return err
	case <-time.After(patience):
		d.w.t.Fatalf("it never ended:\n%s", d.out)
		return nil
	}
}

// processes lists what runs of an app in short: "web.1 v2".
func (w *world) processes(app appliance.AppName) (list []string) {
	w.t.Helper()
	found, err := w.engine.Processes(context.Background(), app)
	w.must(err)
	for _, p := range found {
		s := fmt.Sprintf("%s.%d v%d", p.Type, p.Index, p.Release)
		if !p.Running {
			s += " ended"
		}
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

func (w *world) wantProcesses(app appliance.AppName, want ...string) {
	w.t.Helper()
	if got := w.processes(app); !slices.Equal(got, want) {
		w.t.Errorf("processes of %s = %q, want %q", app, got, want)
	}
}

// only returns the one process of an app.
func (w *world) only(app appliance.AppName) appliance.Process {
	w.t.Helper()
	found, err := w.engine.Processes(context.Background(), app)
	w.must(err)
	if len(found) != 1 {
		w.t.Fatalf("processes of %s = %v, want one", app, w.processes(app))
	}
	return found[0]
}

// get asks the router as a visitor does.
func (w *world) get(host string) (status int, body string) {
	answer := httptest.NewRecorder()
	w.Router.ServeHTTP(answer, httptest.NewRequest("GET", "https://"+host+"/", nil))
	return answer.Code, strings.TrimSpace(answer.Body.String())
}

func (w *world) wantAnswer(host, want string) {
	w.t.Helper()
	if status, body := w.get(host); status != 200 || body != want {
		w.t.Errorf("%s answers %d %.80q, want %q", host, status, body, want)
	}
}

// events lists the actions in the audit trail, with a "!" after those that
// failed.
func (w *world) events(app appliance.AppName) string {
	w.t.Helper()
	list, err := w.Store.Events(context.Background(), app, -1)
	w.must(err)
	var names []string
	for _, e := range list {
		if e.Error != "" {
			e.Action += "!"
		}
		names = append(names, e.Action)
	}
	return strings.Join(names, " ")
}

// failing has a function say from now on which calls the engine refuses.
func (w *world) failing(fail func(call string) error) { w.fail.Store(&fail) }

// refuse has the engine refuse a call from now on; "" takes it back.
func (w *world) refuse(call string) {
	w.failing(func(name string) error {
		if name == call {
			return errors.New("the engine refuses")
		}
		return nil
	})
}

// A gate holds calls of the engine up.
type gate struct {
	reached chan struct{} // gets a value for each call that has come
	open    chan struct{}
}

// hold has every call of one name wait until the gate is opened.
func (w *world) hold(call string) gate {
	g := gate{make(chan struct{}, 100), make(chan struct{})}
	w.failing(func(name string) error {
		if name == call {
			g.reached <- struct{}{}
			select {
			case <-g.open:
			case <-time.After(patience):
			}
		}
		return nil
	})
	return g
}

type buffer = await.Buffer
