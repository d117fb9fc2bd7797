package command_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/drains"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/logs"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/db/dbtest"
	"github.com/berthhq/berth/router"
	certs "github.com/berthhq/berth/tls"
)

// Who asks. Mia manages blog, bob deploys it, val views it; carol manages
// another app, and eve was granted nothing.
var (
	ada    = appliance.Actor{Name: "ada", Door: appliance.Local, Admin: true}
	mia    = appliance.Actor{Name: "mia", Door: appliance.SSH}
	val    = appliance.Actor{Name: "val", Door: appliance.SSH}
	bob    = appliance.Actor{Name: "bob", Door: appliance.SSH, From: "192.0.2.1:5"}
	carol  = appliance.Actor{Name: "carol", Door: appliance.SSH}
	eve    = appliance.Actor{Name: "eve", Door: appliance.SSH}
	nobody = appliance.Actor{}
)

// A world has every command there is, on everything real but the engine, and
// the apps blog and api.
type world struct {
	*command.Set
	*pipeline.Pipeline
	t      *testing.T
	dir    string
	engine *enginetest.Fake
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), engine: new(enginetest.Fake)}
	t.Cleanup(w.engine.Close)
	store := dbtest.Open(t, filepath.Join(w.dir, "berth.db"))
	routes := router.New(nil)
	routes.AccessLog = &router.AccessLog{Dir: filepath.Join(w.dir, "log")}
	certificates, err := certs.New(t.Context(), certs.Config{Storage: store.Certificates(), Serves: routes.Serves})
	w.must(err)
	w.Pipeline = &pipeline.Pipeline{
		Store: store, Repos: git.Repos{Dir: filepath.Join(w.dir, "git")}, Builders: []builder.Builder{builder.Dockerfile{}},
		Stack: builder.Stack{Instance: "berth-test"}, Engine: w.engine, Logs: &logs.Archive{Dir: filepath.Join(w.dir, "logs")}, Drains: &drains.Set{Dial: pipeline.DialDrain, Log: slog.New(slog.DiscardHandler)}, Router: routes, Certificates: certificates, Instance: "berth-test", Temp: filepath.Join(w.dir, "tmp"),
		Storage: filepath.Join(w.dir, "storage"),
		Log:     slog.New(slog.DiscardHandler),
	}
	w.collect()
	t.Cleanup(func() {
		w.Wait()
		certificates.Close()
		store.Close()
	})
	w.must(w.Recover(t.Context()))
	w.must(w.Create(t.Context(), "blog", false))
	w.must(w.Create(t.Context(), "api", false))
	for _, name := range []string{"mia", "bob", "val", "carol", "eve"} {
		w.must(store.AddKey(t.Context(), appliance.Key{Name: name, Fingerprint: "SHA256:" + name}))
	}
	w.grant()
	w.Set = command.NewSet(store, command.Apps(w.Pipeline), command.Processes(w.Pipeline), command.Overview(w.Pipeline), command.Config(w.Pipeline),
		command.Domains(w.Pipeline), command.Ports(w.Pipeline), command.Proxy(w.Pipeline), command.Certificates(w.Pipeline), command.Logs(w.Pipeline), command.Settings(w.Pipeline), command.Git(w.Pipeline), command.Repo(w.Pipeline),
		command.OneOffs(w.Pipeline), command.Builder(w.Pipeline), command.DockerOptions(w.Pipeline), command.Storage(w.Pipeline), command.Networks(w.Pipeline),
		command.Registry(w.Pipeline), command.Builds(w.Pipeline), command.Releases(w.Pipeline), command.Resources(w.Pipeline),
		command.Buildpacks(w.Pipeline), command.AppJSON(w.Pipeline), command.Scheduler(w.Pipeline),
		command.Keys(store), command.Access(store), command.Teams(store), command.Tokens(store), command.API(w.Pipeline), command.Stack(w.Pipeline), command.Router(w.Pipeline), command.Metrics{Pipeline: w.Pipeline, Version: "1.2.3"}.Commands(),
		command.Host(w.Pipeline, command.HostInfo{Version: "1.2.3", SSHPort: 2222, Key: publicKey(t)}))
	return w
}

// grant gives everybody the access they are said to have.
func (w *world) grant() {
	w.t.Helper()
	for _, g := range []appliance.Grant{
		{App: "blog", Who: "mia", Access: appliance.AdminAccess}, {App: "blog", Who: "bob", Access: appliance.DeployAccess},
		{App: "blog", Who: "val", Access: appliance.ViewAccess}, {App: "api", Who: "carol", Access: appliance.AdminAccess},
	} {
		w.must(w.Store.Grant(w.t.Context(), g))
	}
}

// collect has what processes print be collected until the test ends.
func (w *world) collect() {
	log := slog.New(slog.DiscardHandler)
	collector := &logs.Collector{Archive: w.Logs, Engine: w.engine, Log: log}
	w.engine.Stopping, w.Logs.Sink, w.Router.AccessLog.Sink = collector.Stopping, w.Drains, w.Drains.Requests
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Logs.Run(ctx) })
	running.Go(func() { _ = w.Drains.Run(ctx) })
	running.Go(func() { _ = collector.Run(ctx) })
	running.Go(func() { _ = w.engine.Watch(ctx, collector.Changed) })
	w.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

func publicKey(t *testing.T) ssh.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// A result is what came of a command.
type result struct {
	stdout, stderr string
	err            error
}

// run runs a command line, in words.
func (w *world) run(actor appliance.Actor, args ...string) result {
	return w.runWith("", actor, args...)
}

func (w *world) runWith(stdin string, actor appliance.Actor, args ...string) result {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	err := w.Execute(w.t.Context(), &command.Session{Actor: actor, Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr}, args)
	return result{stdout.String(), stderr.String(), err}
}

// ok runs what must go well, as an admin.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	r := w.run(ada, args...)
	if r.err != nil {
		w.t.Fatalf("%q: %v\n%s%s", args, r.err, r.stdout, r.stderr)
	}
	return r.stdout
}

// deploy deploys the test program as an app, with a Procfile if there is one,
// and an app.json if that is given.
func (w *world) deploy(app appliance.AppName, procfile string, appJSON ...string) {
	w.t.Helper()
	work := w.t.TempDir()
	w.must(os.WriteFile(filepath.Join(work, "Dockerfile"), []byte("FROM scratch\nCMD [\""+enginetest.Program+"\"]\n"), 0o644))
	if procfile != "" {
		w.must(os.WriteFile(filepath.Join(work, "Procfile"), []byte(procfile), 0o644))
	}
	for _, text := range appJSON {
		w.must(os.WriteFile(filepath.Join(work, "app.json"), []byte(text), 0o644))
	}
	sh := exec.Command("sh", "-ec", "git init -q -b main; git add .; git -c user.name=t -c user.email=t@t commit -qm t; git push -q --force '"+w.Repos.Path(app)+"' main; git rev-parse HEAD")
	sh.Dir = work
	out, err := sh.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	var progress bytes.Buffer
	ctx := appliance.WithActor(w.t.Context(), ada)
	if err := w.Receive(ctx, pipeline.Push{App: app, Commit: strings.TrimSpace(string(out)), Branch: "main"}, &progress); err != nil {
		w.t.Fatalf("%v\n%s", err, &progress)
	}
}

// last returns the newest event.
func (w *world) last() appliance.Event {
	w.t.Helper()
	events, err := w.Store.Events(w.t.Context(), "", 1)
	w.must(err)
	if len(events) == 0 {
		return appliance.Event{}
	}
	return events[0]
}

// args returns arguments for a command that it takes for what it wants.
func args(c command.Command) []string {
	args := []string{c.Name}
	for _, word := range strings.Fields(strings.NewReplacer("[", "", "]", "", "...", "").Replace(c.Args)) {
		args = append(args, map[string]string{
			"<app>": "blog", "<release>": "v1", "<other-release>": "v2", "<new-app>": "api", "<mapping>": "http:80:5000", "<mount>": "data:/data", "<directory>": "files", "<network>": "shared", "<key=value>": "SECRET=hunter2", "<type=count>": "web=1", "<host>": "www.example.test", "<domain>": "apps.example.test",
			"<buildpack>": "nodejs", "<provider>": "hetzner", "<key-id>": "7",
			"<key>": "bob", "<key|@team>": "bob", "<level>": "view", "<team>": "devs", "<new-name>": "zoe", "<word>": "app", "<shell>": "bash", "<name>": "zoe", "<image>": "stack:1", "<stack>": "heroku-24", "<property>": "deploy-branch", "<value>": "main", "<command>": "apps", "<n>": "1",
			"<process>": "web", "<ps-property>": "restart-policy",
			"<archive-url>": "http://127.0.0.1:1/app.tar", "<docker-image>": "node:24", "<git-username>": "Camila", "<git-email>": "camila@example.com",
			"<program>": "env", "<one-off>": "run.1", "<job>": "abc", "<cron-property>": "retention",
			"<server>": "registry.example.test", "<repository>": "https://127.0.0.1:1/app.git", "<git-ref>": "main", "<username>": "camila", "<password>": "hunter2",
			"<door-property>": "hsts", "<header>": "X-Key", "<text>": "hunter2", "<error>": "503", "<ip>": "192.0.2.7",
			"<source>": "/old", "<destination>": "/new", "<status>": "302", "<visitor>": "vera", "<auth-property>": "realm", "<maintenance-property>": "retry-after",
			"<part>": "crt", "<log-property>": "max-size", "<drain-url>": "https://hunter2@127.0.0.1:1/", "<event-property>": "keep", "<phase>": "build", "<option=value>": "--build-arg=SECRET=hunter2",
		}[word])
	}
	if i := slices.Index(args, ""); i >= 0 {
		panic("no example for " + c.Args)
	}
	return args
}

// listings are the commands that list something.
func (w *world) listings() (list []command.Command) {
	for _, c := range w.All() {
		if c.Name == "nginx:access-logs" || c.Name == "nginx:error-logs" || c.Name == "buildpacks:detect" {
			continue // a value in each line; the last asks a builder that this world has not
		}
		if c.Name == "logs" || c.Name == "top" || c.Name == "report" || c.Name == "config:import" || c.Name == "network:info" {
			continue // the first do not end, or have much to say: each line is a value; the next reads the format; the last is of a network that must be there
		}
		if c.Flags != nil && strings.Contains(flagsOf(c), "format") {
			list = append(list, c)
		}
	}
	return list
}

// isList reports whether text is one JSON value that is not null.
func isList(text string) error {
	d := json.NewDecoder(strings.NewReader(text))
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	if v == nil {
		return errors.New("null")
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}
