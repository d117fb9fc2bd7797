package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
)

// A far host has the repository app.git, with one branch and one commit.
type far struct {
	w    *world
	work string
	url  string
}

func (w *world) far(branch string, f files) *far {
	w.t.Helper()
	h := &far{w: w, work: w.t.TempDir()}
	host := w.t.TempDir()
	w.git(h.work, "init", "-q", "-b", branch)
	w.git(h.work, "clone", "-q", "--bare", ".", filepath.Join(host, "app.git"))
	w.git(filepath.Join(host, "app.git"), "symbolic-ref", "HEAD", "refs/heads/"+branch)
	w.git(h.work, "remote", "add", "host", filepath.Join(host, "app.git"))
	s := httptest.NewServer(http.FileServer(http.Dir(host)))
	w.t.Cleanup(s.Close)
	h.url = s.URL + "/app.git"
	h.commit(branch, f)
	return h
}

// commit puts a commit on a branch there, and returns it.
func (h *far) commit(branch string, f files) string {
	h.w.t.Helper()
	for name, content := range f {
		h.w.must(os.WriteFile(filepath.Join(h.work, name), []byte(content), 0o644))
	}
	h.w.git(h.work, "add", "--all")
	h.w.git(h.work, "commit", "-q", "--allow-empty", "-m", "t")
	h.w.git(h.work, "push", "-q", "host", "HEAD:refs/heads/"+branch)
	h.w.git(h.w.git(h.work, "remote", "get-url", "host"), "update-server-info")
	return h.w.git(h.work, "rev-parse", "HEAD")
}

func (h *far) sync(s pipeline.Sync) (string, error) {
	h.w.t.Helper()
	remote, err := git.ParseRemote(h.url)
	h.w.must(err)
	s.Remote = remote
	var out buffer
	err = h.w.Sync(h.w.as("ada"), "blog", s, &out)
	return out.String(), err
}

func (w *world) head(branch string) string {
	w.t.Helper()
	at, err := w.Repos.Branch(w.t.Context(), "blog", branch)
	w.must(err)
	return at
}

func TestSyncDeploysWhenItIsAskedTo(t *testing.T) {
	w := newWorld(t)
	h := w.far("main", serves())
	first := w.git(h.work, "rev-parse", "HEAD")

	out, err := h.sync(pipeline.Sync{})
	if err != nil || !strings.Contains(out, "-----> Cloning blog from "+h.url+"\n") || w.head("main") != first {
		t.Fatalf("%v, main is at %q, want %s\n%s", err, w.head("main"), first, out)
	}
	w.wantProcesses("blog")

	out, err = h.sync(pipeline.Sync{Changed: true})
	if err != nil || !strings.Contains(out, "no changes were detected") {
		t.Errorf("%v\n%s", err, out)
	}
	w.wantProcesses("blog")

	out, err = h.sync(pipeline.Sync{Build: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.wantProcesses("blog", "web.1 v1")
	second := h.commit("main", serves("serve"))

	out, err = h.sync(pipeline.Sync{Changed: true})

	if err != nil || w.head("main") != second || !strings.Contains(out, "Fetching remote code for blog from "+h.url+"\n") {
		t.Fatalf("%v, main is at %s, want %s\n%s", err, w.head("main"), second, out)
	}
	w.Wait()
	w.wantProcesses("blog", "web.1 v2")
	live, err := w.Store.Release(t.Context(), "blog", 2)
	if err != nil || live.Commit != second || live.Reason != "git:sync "+h.url {
		t.Errorf("release = %+v, %v", live, err)
	}
	w.wantNothingLeft()
}

func TestSyncThatDoesNotBuildLeavesTheBranch(t *testing.T) {
	w := newWorld(t)
	h := w.far("main", serves())
	if out, err := h.sync(pipeline.Sync{Build: true}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before := w.head("main")
	h.commit("main", files{"Dockerfile": "NONSENSE\n"})

	_, err := h.sync(pipeline.Sync{Build: true})

	if err == nil || w.head("main") != before {
		t.Errorf("error = %v, main is at %s, want still %s", err, w.head("main"), before)
	}
	w.wantAnswer("blog.localhost", "hello")
	w.wantNothingLeft()
}

// Zeros stand for no commit, and a commit may begin or end with some.
func TestBranchMovesOnFromACommitThatBeginsWithZero(t *testing.T) {
	w := newWorld(t)
	h := w.far("main", serves())
	for first := ""; !strings.HasPrefix(first, "0"); {
		w.git(h.work, "commit", "-q", "--amend", "--allow-empty", "-m", fmt.Sprint(first, "."))
		first = w.git(h.work, "rev-parse", "HEAD")
	}
	w.git(h.work, "push", "-q", "--force", "host", "HEAD:refs/heads/main")
	h.commit("main", nil)
	w.git(h.work, "push", "-q", "--force", "host", "HEAD~1:refs/heads/main")
	w.git(w.git(h.work, "remote", "get-url", "host"), "update-server-info")
	if out, err := h.sync(pipeline.Sync{}); err != nil || !strings.HasPrefix(w.head("main"), "0") {
		t.Fatalf("main is at %s, %v\n%s", w.head("main"), err, out)
	}
	second := h.commit("main", nil)

	out, err := h.sync(pipeline.Sync{Build: true})

	if err != nil || w.head("main") != second {
		t.Errorf("main is at %s, %v, want %s\n%s", w.head("main"), err, second, out)
	}
}

func TestFirstBranchThatIsFetchedIsTheOneThatIsDeployed(t *testing.T) {
	for name, tt := range map[string]struct {
		sync            pipeline.Sync
		branch, setting string
	}{
		"the remote's own":       {pipeline.Sync{Build: true}, "trunk", "trunk"},
		"one that was named":     {pipeline.Sync{Build: true, Ref: "release/2"}, "release/2", "release/2"},
		"not if told so":         {pipeline.Sync{Build: true, Ref: "release/2", KeepBranch: true}, "main", ""},
		"a commit has no branch": {pipeline.Sync{Build: true, Ref: "HEAD~0"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			h := w.far("trunk", serves())
			commit := h.commit("release/2", serves("serve"))
			if tt.sync.Ref == "HEAD~0" {
				tt.sync.Ref, tt.branch = commit, "main"
			}

			out, err := h.sync(tt.sync)

			setting, serr := w.Store.AppSetting(t.Context(), "blog", pipeline.DeployBranchSetting)
			if err != nil || serr != nil || setting != tt.setting || w.head(tt.branch) == "" {
				t.Errorf("%v, %v: deploy-branch = %q, want %q; %s is at %q\n%s", err, serr, setting, tt.setting, tt.branch, w.head(tt.branch), out)
			}
			if branch, at, err := w.Head(t.Context(), "blog"); branch != tt.branch || at == "" || err != nil {
				t.Errorf("head = %s at %s, %v", branch, at, err)
			}
		})
	}
}

// As a push that came second is: it would be deployed and then not stand.
func TestSyncWhoseBranchMovedMeanwhileIsRefused(t *testing.T) {
	w := newWorld(t)
	h := w.far("main", serves())
	if out, err := h.sync(pipeline.Sync{Build: true}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h.commit("main", serves("serve"))
	held := w.hold("Build")
	first := w.begin("bob", func(ctx context.Context, out io.Writer) error {
		return w.Receive(ctx, pipeline.Push{App: "blog", Commit: w.head("main"), Branch: "main"}, out)
	})
	<-held.reached
	second := w.begin("ada", func(ctx context.Context, out io.Writer) error {
		remote, err := git.ParseRemote(h.url)
		if err != nil {
			return err
		}
		return w.Sync(ctx, "blog", pipeline.Sync{Remote: remote, Build: true}, out)
	})
	second.says("Waiting")
	moved := w.commit("blog", serves("other")) // git moves the branch when it is done with a push
	close(held.open)
	w.must(first.end())

	err := second.end()

	if err == nil || !strings.Contains(err.Error(), "main has moved to "+moved[:7]) || w.head("main") != moved {
		t.Errorf("error = %v, main is at %s, want still %s", err, w.head("main"), moved)
	}
}

func TestImageIsDeployed(t *testing.T) {
	w := newWorld(t)
	w.engine.AddImage("ghcr.io/acme/hello:1", appliance.ImageInfo{Cmd: []string{"/program"}})
	var out buffer

	err := w.FromImage(w.as("ada"), "blog", "ghcr.io/acme/hello:1", camila, &out)

	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	w.wantProcesses("blog", "web.1 v1")
	if content := w.git(w.Repos.Path("blog"), "show", "main:Dockerfile"); content != "FROM ghcr.io/acme/hello:1" {
		t.Errorf("Dockerfile = %q", content)
	}
	live, err := w.Store.Release(t.Context(), "blog", 1)
	if err != nil || live.Reason != "git:from-image ghcr.io/acme/hello:1" || live.Commit != w.head("main") {
		t.Errorf("release = %+v, %v", live, err)
	}
}

// What an app was built from is in its image, and so may be its secrets.
func TestImageOfAnotherAppIsForAdminsOnly(t *testing.T) {
	w := newWorld(t)
	bob := appliance.WithActor(t.Context(), appliance.Actor{Name: "bob", Door: appliance.SSH})
	for _, image := range []appliance.Image{"berth-test/api:123", "docker.io/berth-test/api:123", "berth-test/blogger:1", "berth-test/blog/x:1"} {
		if err := w.FromImage(bob, "blog", image, camila, io.Discard); !errors.Is(err, appliance.ErrDenied) {
			t.Errorf("%s: %v, want ErrDenied", image, err)
		}
	}
	if err := w.FromImage(bob, "blog", "berth-test/blog:1", camila, io.Discard); errors.Is(err, appliance.ErrDenied) {
		t.Errorf("its own: %v", err)
	}
}

// The logins and the key of the machine may open what belongs to others.
func TestAccessOfTheMachineIsForAdminsOnly(t *testing.T) {
	w := newWorld(t)
	bob := appliance.WithActor(t.Context(), appliance.Actor{Name: "bob", Door: appliance.SSH})
	w.must(w.Create(t.Context(), "api", false))
	for owner, name := range map[appliance.AppName]string{"": "machine", "blog": "blog", "api": "api"} {
		w.must(w.Keep(t.Context(), owner, pipeline.DeployKeySetting, git.DeployKey{Private: name}))
		w.must(w.Keep(t.Context(), owner, pipeline.LoginsSetting, map[string]git.Login{"https://" + name: {User: name}, "https://shared": {User: name}}))
	}
	w.must(w.Keep(t.Context(), "", pipeline.AllowedHostsSetting, map[string][]string{"host": {"key"}}))

	for who, tt := range map[string]struct {
		ctx  context.Context
		want string
	}{
		"a member": {bob, "{false map[host:[key]] [blog] map[https://blog:{blog } https://shared:{blog }]}"},
		"an admin": {w.as("ada"), "{true map[host:[key]] [blog machine] map[https://blog:{blog } https://machine:{machine } https://shared:{blog }]}"},
	} {
		access, err := w.Access(tt.ctx, "blog")
		if got := fmt.Sprint(access); err != nil || got != tt.want {
			t.Errorf("%s has %s, %v, want %s", who, got, err, tt.want)
		}
	}
}

func TestPushThatIsTooMuchIsRefused(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	many := serves()
	for i := range 10 {
		many[fmt.Sprintf("d/%d", i)] = "x"
	}
	for name, tt := range map[string]struct {
		setting, value string
		files          files
		want           string
	}{
		"a big file": {pipeline.PushMaxSizeSetting, "1048576", serves().and("big.bin", strings.Repeat("\x00", 2<<20)), `"big.bin" (2 MiB) is too much: the files of what is built may have 1 MiB`},
		"many files": {pipeline.PushMaxFilesSetting, "10", many, "more than 10 files"},
	} {
		t.Run(name, func(t *testing.T) {
			w.must(w.Store.SetApp(t.Context(), "blog", tt.setting, tt.value))

			_, err := w.push("blog", tt.files)

			stage, ok := errors.AsType[*appliance.StageError](err)
			if !ok || stage.Stage != appliance.StageReceive || !strings.Contains(err.Error(), tt.want) || !strings.Contains(appliance.HintOf(err), "git:set blog "+tt.setting) {
				t.Errorf("error = %v (%s), want %q and how to raise it", err, appliance.HintOf(err), tt.want)
			}
			w.wantAnswer("blog.localhost", "hello")
			w.wantNothingLeft()
			w.must(w.Store.SetApp(t.Context(), "blog", tt.setting, ""))
		})
	}
}

func TestHistoryIsKeptIfAskedFor(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.KeepGitDirSetting, "true"))
	commit := w.commit("blog", serves())
	w.Builders = []builder.Builder{looker(func(root *os.Root) {
		for _, line := range [][]string{{"status", "--porcelain"}, {"diff", "HEAD"}} {
			if out := w.git(root.Name(), line...); out != "" {
				t.Errorf("git %v: %s, want it as it was committed", line, out)
			}
		}
		if got := w.git(root.Name(), "log", "--format=%H %D"); got != commit+" HEAD -> main" {
			t.Errorf("log = %q, want %s on main", got, commit)
		}
	})}

	err := w.Receive(w.as("ada"), pipeline.Push{App: "blog", Commit: commit, Branch: "main"}, io.Discard)

	if !errors.Is(err, errLooked) {
		t.Errorf("error = %v", err)
	}
}

// Its configuration would have git run what it likes, on the machine.
func TestCommitWithAGitDirOfItsOwnIsRefusedWhereHistoryIsKept(t *testing.T) {
	w := newWorld(t)
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.KeepGitDirSetting, "true"))
	pwned := filepath.Join(w.dir, "pwned")
	config := w.blob("[core]\n\tfsmonitor = touch " + pwned + "\n")
	for name, e := range map[string]entry{
		"a directory": {"40000", "tree", w.tree(entry{"100644", "blob", config, "config"}), ".git"},
		"a link":      {"120000", "blob", w.blob(w.dir), ".git"},
	} {
		err := w.receiveTree(w.tree(e), func(*os.Root) { t.Error("it was built") })

		if _, statErr := os.Stat(pwned); err == nil || statErr == nil {
			t.Errorf("%s: %v, want it refused before git sees it", name, err)
		}
	}
}

func TestProcessesKnowTheirCommit(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	live := func(version int) map[string]string {
		t.Helper()
		release, err := w.Store.Release(t.Context(), "blog", version)
		w.must(err)
		return release.Env
	}
	if got := live(1)["GIT_REV"]; got != w.head("main") {
		t.Errorf("GIT_REV = %q, want %s", got, w.head("main"))
	}

	w.must(w.Restart(w.as("ada"), "blog", io.Discard)) // nothing has changed
	if _, err := w.Store.Release(t.Context(), "blog", 2); !errors.Is(err, appliance.ErrNotFound) {
		t.Errorf("a restart made a release: %v", err)
	}
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RevEnvVarSetting, "COMMIT"))
	w.must(w.Restart(w.as("ada"), "blog", io.Discard))
	if env := live(2); env["COMMIT"] != w.head("main") || env["GIT_REV"] != "" {
		t.Errorf("env = %v, want the commit in COMMIT", env)
	}
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RevEnvVarSetting, pipeline.NoRevEnvVar))
	w.must(w.Restart(w.as("ada"), "blog", io.Discard))
	if env := live(3); len(env) != 0 {
		t.Errorf("env = %v, want nothing", env)
	}
	w.must(w.Store.ChangeConfig(t.Context(), "blog", map[string]string{"GIT_REV": "mine"}, nil))
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.RevEnvVarSetting, ""))
	w.must(w.Restart(w.as("ada"), "blog", io.Discard))
	if env := live(4); env["GIT_REV"] != "mine" {
		t.Errorf("env = %v, want what was set", env)
	}
}
