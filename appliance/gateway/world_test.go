package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/enginetest"
	"github.com/berthhq/berth/appliance/gateway"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/db/dbtest"
	"github.com/berthhq/berth/router"
	certs "github.com/berthhq/berth/tls"
)

// TestMain lets the test binary stand in for berth when git's hook runs it.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "--socket" && os.Args[3] == "git-hook" {
		status, err := gateway.Call(context.Background(), os.Args[2], os.Args[3:], os.Stdin, os.Stdout, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must come about.
const patience = 30 * time.Second

// A world is a gateway with everything real but the engine. Ada is an admin,
// bob has a key that may work on nothing yet, and eve's is not known.
type world struct {
	*gateway.Gateway
	t      *testing.T
	dir    string
	socket string
	engine *enginetest.Fake
	fail   atomic.Pointer[func(call string) error]
}

func newWorld(t *testing.T, change ...func(*gateway.Gateway)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), engine: new(enginetest.Fake)}
	w.socket = filepath.Join(w.dir, "s")
	w.engine.Refuse(func(call string) error {
		if fail := w.fail.Load(); fail != nil {
			return (*fail)(call)
		}
		return nil
	})
	t.Cleanup(w.engine.Close)
	store := dbtest.Open(t, w.path("berth.db"))
	routes := router.New(nil)
	certificates, err := certs.New(t.Context(), certs.Config{Storage: store.Certificates(), Serves: routes.Serves})
	w.must(err)
	remote, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	local, err := net.Listen("unix", w.socket)
	w.must(err)
	hostKey, err := gossh.ParsePrivateKey(w.key("host"))
	w.must(err)
	log := slog.New(slog.DiscardHandler)
	pipe := &pipeline.Pipeline{
		Store: store, Repos: git.Repos{Dir: w.path("git"), Hooks: w.path("hooks")}, Builders: []builder.Builder{builder.Dockerfile{}},
		Engine: w.engine, Router: routes, Certificates: certificates, Instance: "berth-test", Temp: w.path("tmp"), Log: log,
	}
	w.must(pipe.Recover(t.Context()))
	self, err := os.Executable()
	w.must(err)
	w.must(pipe.Repos.InstallHook(self, "--socket", w.socket))
	noise := command.Command{Name: "test:noise", Args: "<lines>", For: command.Anyone, Reads: true, Run: noise}
	bug := command.Command{Name: "test:bug", For: command.Anyone, Reads: true, Run: func(context.Context, *command.Call) error { panic("a bug") }}
	w.Gateway = &gateway.Gateway{
		Remote: remote, Local: local, HostKey: hostKey, Store: store, Pipeline: pipe, Grace: time.Second, Log: log,
		Commands: command.NewSet(store, command.Apps(pipe), command.Processes(pipe), command.OneOffs(pipe), command.Config(pipe), command.Settings(pipe), command.Git(pipe),
			command.Keys(store), command.Logs(pipe), command.Domains(pipe), command.Releases(pipe), []command.Command{noise, bug}),
	}
	for _, c := range change {
		c(w.Gateway)
	}
	w.know("ada", true)
	w.know("bob", false)
	w.key("eve")

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- w.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		pipe.Wait()
		certificates.Close()
		store.Close()
	})
	return w
}

// noise prints many lines.
func noise(_ context.Context, c *command.Call) error {
	var n int
	fmt.Sscan(c.Args[0], &n)
	for i := range n {
		if _, err := fmt.Fprintf(c.Stdout, "%d %s\n", i, strings.Repeat("x", 1000)); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) path(elem ...string) string {
	return filepath.Join(append([]string{w.dir}, elem...)...)
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

// key makes a key with ssh-keygen and returns the private one.
func (w *world) key(name string, args ...string) []byte {
	w.t.Helper()
	args = append([]string{"-q", "-N", "", "-C", name, "-f", w.path(name)}, args...)
	if !slices.Contains(args, "-t") {
		args = append(args, "-t", "ed25519")
	}
	if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		w.t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	private, err := os.ReadFile(w.path(name))
	w.must(err)
	return private
}

// know makes a key and lets it in.
func (w *world) know(name string, admin bool, args ...string) {
	w.t.Helper()
	w.key(name, args...)
	text, err := os.ReadFile(w.path(name + ".pub"))
	w.must(err)
	public, _, _, _, err := gossh.ParseAuthorizedKey(text)
	w.must(err)
	w.must(w.Store.AddKey(w.t.Context(), appliance.Key{Name: name, Fingerprint: gossh.FingerprintSHA256(public), Admin: admin}))
}

// options are what makes ssh use one key, and nothing of whoever runs the test.
func (w *world) options(key string) []string {
	return []string{
		"-F", "none", "-i", w.path(key), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes",
	}
}

func (w *world) host() (ip, port string) {
	ip, port, err := net.SplitHostPort(w.Remote.Addr().String())
	w.must(err)
	return ip, port
}

// sshCommand returns a call of the real ssh client; args are options and a
// command.
func (w *world) sshCommand(key string, options []string, args ...string) *exec.Cmd {
	ip, port := w.host()
	all := slices.Concat(w.options(key), []string{"-p", port}, options, []string{"berth@" + ip}, args)
	return exec.CommandContext(w.t.Context(), "ssh", all...)
}

// A result is what came of a command.
type result struct {
	stdout, stderr string
	status         int
}

func run(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || !exit.Exited()) {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, &stderr)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// ssh runs a command over ssh.
func (w *world) ssh(key string, args ...string) result {
	w.t.Helper()
	return run(w.t, w.sshCommand(key, nil, args...))
}

// local runs a command through the unix socket.
func (w *world) local(args ...string) result {
	w.t.Helper()
	return w.localWith("", args...)
}

func (w *world) localWith(stdin string, args ...string) result {
	w.t.Helper()
	var stdout, stderr bytes.Buffer // two: SSH copies them at the same time
	status, err := gateway.Call(w.t.Context(), w.socket, args, strings.NewReader(stdin), &stdout, &stderr)
	w.must(err)
	return result{stdout.String(), stderr.String(), status}
}

// git returns a call of git, as somebody with a key makes it in a working copy.
func (w *world) gitCommand(key, dir string, options []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = w.path(dir)
	quoted := []string{"ssh"}
	for _, o := range slices.Concat(w.options(key), options) {
		quoted = append(quoted, "'"+o+"'")
	}
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@t", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@t",
		"GIT_SSH_COMMAND=" + strings.Join(quoted, " "),
	}
	return cmd
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	r := run(w.t, w.gitCommand("ada", "work", nil, args...))
	if r.status != 0 {
		w.t.Fatalf("git %v: %s", args, r.stderr)
	}
	return strings.TrimSpace(r.stdout)
}

// commit makes a working copy, if there is none, and commits files to it.
func (w *world) commit(files map[string]string) string {
	w.t.Helper()
	if _, err := os.Stat(w.path("work")); err != nil {
		w.must(os.Mkdir(w.path("work"), 0o755))
		w.git("init", "-q", "-b", "main")
	}
	for name, content := range files {
		w.must(os.WriteFile(w.path("work", name), []byte(content), 0o644))
	}
	w.git("add", "--all")
	w.git("commit", "-q", "--allow-empty", "-m", "t")
	return w.git("rev-parse", "HEAD")
}

// app is an app that the engine runs, hangs one whose build never ends.
var (
	app   = map[string]string{"Dockerfile": "FROM scratch\nCMD [\"" + enginetest.Program + "\"]\n"}
	hangs = map[string]string{"Dockerfile": "FROM scratch\nRUN [\"" + enginetest.Program + "\", \"serve\"]\n"}
)

// url returns the address of a repository.
func (w *world) url(repo string) string {
	return "ssh://anybody@" + w.Remote.Addr().String() + "/" + repo
}

// push pushes from the working copy.
func (w *world) push(key, repo string, args ...string) result {
	w.t.Helper()
	return run(w.t, w.gitCommand(key, "work", nil, append([]string{"push", w.url(repo)}, args...)...))
}

// pushed pushes what must succeed.
func (w *world) pushed(repo string) {
	w.t.Helper()
	w.commit(app)
	if r := w.push("ada", repo, "main"); r.status != 0 {
		w.t.Fatalf("push of %s:\n%s", repo, r.stderr)
	}
}

// A doing is a command that goes on while the test does something else.
type doing struct {
	w   *world
	cmd *exec.Cmd
	out *buffer
}

func (w *world) begin(cmd *exec.Cmd) doing {
	w.t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d := doing{w, cmd, new(buffer)}
	cmd.Stdout, cmd.Stderr = d.out, d.out
	w.must(cmd.Start())
	return d
}

func (w *world) beginPush(key, repo string, options ...string) doing {
	w.t.Helper()
	return w.begin(w.gitCommand(key, "work", options, "push", w.url(repo), "main"))
}

// says waits until its output has a text.
func (d doing) says(text string) {
	d.w.t.Helper()
	if !await.Until(patience, func() bool { return strings.Contains(d.out.String(), text) }) {
		d.w.t.Fatalf("%q was never said:\n%s", text, d.out)
	}
}

// nothing checks that there is nothing of an app.
func (w *world) nothing(name appliance.AppName) {
	w.t.Helper()
	if _, err := w.Store.App(w.t.Context(), name); !errors.Is(err, appliance.ErrNotFound) {
		w.t.Errorf("App = %v, want none", err)
	}
	if _, err := os.Stat(w.Pipeline.Repos.Path(name)); err == nil {
		w.t.Error("its repository is there")
	}
	if found, err := w.engine.Processes(w.t.Context(), name); err != nil || len(found) != 0 {
		w.t.Errorf("processes = %v, %v, want none", found, err)
	}
	for _, spec := range w.engine.Built() {
		if _, err := w.engine.Inspect(w.t.Context(), spec.Tag); spec.App == name && err == nil {
			w.t.Errorf("its image %s is there", spec.Tag)
		}
	}
	if w.Pipeline.Router.Serves(string(name) + ".localhost") {
		w.t.Error("its host is served")
	}
	if left, err := os.ReadDir(w.path("tmp")); err != nil || len(left) != 0 {
		w.t.Errorf("left of its source: %v, %v", left, err)
	}
}

// hold has every call of one name to the engine wait until release is called.
func (w *world) hold(call string) (reached <-chan struct{}, release func()) {
	came, open := make(chan struct{}, 100), make(chan struct{})
	fail := func(name string) error {
		if name == call {
			came <- struct{}{}
			select {
			case <-open:
			case <-time.After(patience):
			}
		}
		return nil
	}
	w.fail.Store(&fail)
	return came, sync.OnceFunc(func() { close(open) })
}

type buffer = await.Buffer

var _ io.Writer = (*buffer)(nil)
