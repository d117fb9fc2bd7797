package git_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/git"
)

func TestCreateMakesARepositoryOnce(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	commit := w.give(w.commit())

	w.must(w.Create(t.Context(), "blog"))

	if got := w.git("--git-dir", w.Path("blog"), "rev-parse", "main"); got != commit {
		t.Errorf("main = %s, want still %s", got, commit)
	}
	apps, err := w.Apps()
	if err != nil || !slices.Equal(apps, []appliance.AppName{"blog"}) {
		t.Errorf("apps = %v, %v, want only blog, and nothing half made", apps, err)
	}
	if info, err := os.Stat(w.Path("blog")); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v, want a directory that is nobody else's", info.Mode(), err)
	}
}

func TestCreateAtTheSameTimeMakesOneRepository(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := w.Create(t.Context(), "api"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	entries, err := os.ReadDir(w.Dir)
	w.must(err)
	if len(entries) != 2 {
		t.Errorf("entries = %v, want api.git and blog.git", entries)
	}
}

func TestRemoveLeavesTheOthers(t *testing.T) {
	w := newWorld(t)
	w.must(w.Create(t.Context(), "api"))

	w.must(w.Remove("blog"))
	w.must(w.Remove("blog")) // twice is no error

	if apps, err := w.Apps(); err != nil || !slices.Equal(apps, []appliance.AppName{"api"}) {
		t.Errorf("apps = %v, %v, want api", apps, err)
	}
}

func TestArchiveHasTheFilesOfTheCommit(t *testing.T) {
	w := newWorld(t)
	w.write("a b/ü.txt", "1\r\n")
	w.must(os.Symlink("../../../etc/passwd", w.path("work", "link")))
	first := w.give(w.commit())
	w.write("later", "2")
	w.give(w.commit())

	got := archived(t, func(b io.Writer) error { return w.Archive(t.Context(), "blog", first, "", b) })

	want := map[string]string{"a b/ü.txt": "1\r\n", "link": "../../../etc/passwd"}
	if !maps.Equal(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
}

// What export-ignore leaves out of a release tarball is needed to build:
// frameworks mark their tests so, and people their package-lock.json.
func TestArchiveHasWhatIsMarkedExportIgnoreToo(t *testing.T) {
	w := newWorld(t)
	w.write(".gitattributes", "package-lock.json export-ignore\nsub export-ignore\nversion export-subst\n")
	w.write("sub/.gitattributes", "* export-ignore\n")
	w.write("package-lock.json", "{}")
	w.write("version", "$Format:%H$")
	commit := w.give(w.commit())

	got := archived(t, func(b io.Writer) error { return w.Archive(t.Context(), "blog", commit, "", b) })

	if got["package-lock.json"] != "{}" || got["version"] != "$Format:%H$" || got["sub/.gitattributes"] == "" {
		t.Errorf("files = %q, want all of them, as a checkout has them", got)
	}
}

func TestArchiveSaysWhichCommitIsMissing(t *testing.T) {
	w := newWorld(t)
	missing := strings.Repeat("1", 40)

	err := w.Archive(t.Context(), "blog", missing, "", io.Discard)

	if err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error = %v, want git's own words", err)
	}
}

// hook has the shell run a script as the pre-receive hook; $1 is what berth
// would get. Only tests let a shell run.
func (w *world) hook(script string) {
	w.t.Helper()
	w.must(w.InstallHook("/bin/sh", "-c", script))
}

// serve answers pushes at the door.
func (w *world) serve(env ...string) {
	w.t.Helper()
	w.open(func(ctx context.Context, conn net.Conn) {
		w.ReceivePack(ctx, "blog", limit, conn, conn, io.Discard, env...) // the client is told
	})
}

func TestPushRunsTheHookWithItsTokenAndQuarantine(t *testing.T) {
	w := newWorld(t)
	w.hook("cat > " + w.path("stdin") + "; printf '%s\\n' \"$0\" \"$@\" > " + w.path("args") + "; echo building it")
	w.serve("BERTH_PUSH=token'; touch x")
	w.write("a", "1")
	commit := w.commit()

	out, err := w.push("main")

	if err != nil || !strings.Contains(out, "remote: building it") {
		t.Errorf("push: %v\n%s", err, out)
	}
	stdin, err := os.ReadFile(w.path("stdin"))
	w.must(err)
	if want := strings.Repeat("0", 40) + " " + commit + " refs/heads/main\n"; string(stdin) != want {
		t.Errorf("the hook read %q, want %q", stdin, want)
	}
	args, err := os.ReadFile(w.path("args"))
	w.must(err)
	lines := strings.Split(string(args), "\n")
	if lines[0] != "git-hook" || lines[1] != "token'; touch x" || !strings.HasPrefix(filepath.Clean(lines[2]), w.Path("blog")+"/objects/") {
		t.Errorf("the hook was run with %q", lines)
	}
	if got := w.git("--git-dir", w.Path("blog"), "rev-parse", "main"); got != commit {
		t.Errorf("main = %s, want %s", got, commit)
	}
}

func TestPushIsRefusedWhenTheHookFails(t *testing.T) {
	w := newWorld(t)
	w.hook("echo no >&2; exit 1")
	w.serve()
	w.write("a", "1")
	commit := w.commit()

	out, err := w.push("main")

	if err == nil || !strings.Contains(out, "remote: no") || !strings.Contains(out, "pre-receive hook declined") {
		t.Errorf("push: %v\n%s", err, out)
	}
	if branch, err := w.Branch(t.Context(), "blog", "main"); err != nil || branch != "" {
		t.Errorf("branch = %q, %v, want none", branch, err)
	}
	if err := w.Archive(t.Context(), "blog", commit, "", io.Discard); err == nil {
		t.Error("the commit is still there, want its objects gone")
	}
}

func TestArchiveSeesWhatIsStillInQuarantine(t *testing.T) {
	w := newWorld(t)
	w.write("old", "1")
	w.give(w.commit())
	w.write("new", "2")
	commit := w.commit()
	// The hook gives us the quarantine and waits until we have looked.
	w.must(exec.Command("mkfifo", w.path("asked"), w.path("looked")).Run())
	w.hook("echo \"$2\" > " + w.path("asked") + "; cat " + w.path("looked"))
	w.serve()
	pushed := make(chan string)
	go func() {
		out, err := w.push("main")
		pushed <- fmt.Sprint(out, err)
	}()
	quarantine, err := os.ReadFile(w.path("asked"))
	w.must(err)

	without := w.Archive(t.Context(), "blog", commit, "", io.Discard)
	got := archived(t, func(b io.Writer) error {
		return w.Archive(t.Context(), "blog", commit, strings.TrimSpace(string(quarantine)), b)
	})

	w.must(os.WriteFile(w.path("looked"), nil, 0))
	<-pushed
	if without == nil {
		t.Error("the commit is there without the quarantine: this test shows nothing")
	}
	if want := map[string]string{"old": "1", "new": "2"}; !maps.Equal(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
}

func TestCloneGetsTheBranchThatWasMadeHead(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	commit := w.commit()
	w.git("push", "-q", w.Path("blog"), "HEAD:refs/heads/release/2026")
	w.must(w.SetHead(t.Context(), "blog", "release/2026"))
	for _, version := range []string{"0", "2"} {
		t.Run("protocol "+version, func(t *testing.T) {
			w := *w
			w.t, w.door = t, w.path("s"+version)
			var env []string
			if version == "2" {
				env = []string{"GIT_PROTOCOL=version=2"}
			}
			w.open(func(ctx context.Context, conn net.Conn) { w.UploadPack(ctx, "blog", conn, conn, io.Discard, env...) })

			out, err := w.tryGit("", nil, "-c", "protocol.version="+version, "clone", "-q", "ssh://berth/blog", "clone"+version)

			if err != nil {
				t.Fatalf("clone: %v\n%s", err, out)
			}
			if got := w.git("-C", w.path("clone"+version), "rev-parse", "HEAD", "--abbrev-ref", "HEAD"); got != commit+"\nrelease/2026" {
				t.Errorf("cloned %q, want %s on release/2026", got, commit)
			}
		})
	}
}

func TestBranchIsThatBranchOnly(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	commit := w.commit()
	w.git("push", "-q", w.Path("blog"), "HEAD:refs/heads/main", "HEAD:refs/tags/v1", "HEAD:refs/heads/stable/x")

	for branch, want := range map[string]string{"main": commit, "v1": "", "mai": "", "stable": "", "stable/x": commit} {
		got, err := w.Branch(t.Context(), "blog", branch)
		if err != nil || got != want {
			t.Errorf("Branch(%s) = %q, %v, want %q", branch, got, err, want)
		}
	}
}

func TestTipIsTheLastCommitOfABranch(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	commit := w.commit()
	if got, err := w.Tip(t.Context(), "blog", ""); err != nil || got != (git.Tip{}) {
		t.Errorf("Tip of nothing = %+v, %v", got, err)
	}
	w.git("push", "-q", w.Path("blog"), "HEAD:refs/heads/main", "HEAD:refs/tags/v1", "HEAD:refs/heads/stable/x")
	w.must(w.SetHead(t.Context(), "blog", "stable/x"))

	for branch, want := range map[string]string{"main": "main", "": "stable/x", "v1": "", "mai": "", "stable": "", "stable/x": "stable/x"} {
		got, err := w.Tip(t.Context(), "blog", branch)
		if err != nil || got.Branch != want || want != "" && (got.Commit != commit || got.At.IsZero()) {
			t.Errorf("Tip(%q) = %+v, %v, want %q at %s", branch, got, err, want, commit)
		}
	}
}

// Our own environment has secrets in it, and git takes orders from it.
func TestGitSeesNothingOfOurEnvironment(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"BERTH_SECRET", "GIT_SSH_COMMAND", "GIT_PROXY_COMMAND", "GIT_ASKPASS", "SSH_AUTH_SOCK", "GIT_TRACE_CURL", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, w.path("evil"))
	}
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "core.pager")
	t.Setenv("GIT_CONFIG_VALUE_0", "evil")
	w.hook("env > " + w.path("env"))
	w.serve("BERTH_PUSH=token")
	w.write("a", "1")
	w.commit()

	if out, err := w.push("main"); err != nil {
		t.Fatalf("push: %v\n%s", err, out)
	}

	env, err := os.ReadFile(w.path("env"))
	w.must(err)
	known := []string{
		"PATH", "HOME", "LC_ALL", "GIT_CONFIG_NOSYSTEM", "GIT_TERMINAL_PROMPT", "GIT_ALLOW_PROTOCOL", "BERTH_PUSH", // ours
		"GIT_DIR", "GIT_EXEC_PATH", "GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG_PARAMETERS", "GIT_PUSH_OPTION_COUNT", // git's
		"PWD", "OLDPWD", "SHLVL", "_", // the shell's
		"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "GIT_SSL_CAINFO", // the machine's way out
	}
	for line := range strings.Lines(string(env)) {
		if name, _, _ := strings.Cut(line, "="); !slices.Contains(known, name) {
			t.Errorf("git sees %s", line)
		}
	}
	if !strings.Contains(string(env), "HOME=/nonexistent\n") || strings.Contains(string(env), "evil") {
		t.Errorf("environment:\n%s", env)
	}
}

func TestCancelEndsGitAndAllItHasStarted(t *testing.T) {
	w := newWorld(t)
	w.must(exec.Command("mkfifo", w.path("pids")).Run())
	w.hook("sleep 1000 & echo $$ $! > " + w.path("pids") + "; wait")
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	w.open(func(_ context.Context, conn net.Conn) {
		ended <- w.ReceivePack(ctx, "blog", limit, conn, conn, io.Discard)
	})
	w.write("a", "1")
	w.commit()
	pushed := make(chan error, 1)
	go func() {
		_, err := w.push("main")
		pushed <- err
	}()
	pids, err := os.ReadFile(w.path("pids"))
	w.must(err)

	cancel()

	if err := <-ended; err == nil {
		t.Error("ReceivePack ended well, want an error")
	}
	if err := <-pushed; err == nil {
		t.Error("the push went through")
	}
	for _, field := range strings.Fields(string(pids)) {
		pid, err := strconv.Atoi(field)
		w.must(err)
		await.That(t, fmt.Sprintf("process %d of %q has ended", pid, pids), func() bool { return !alive(pid) })
	}
}

// alive reports whether a process runs. One that has ended and that nobody has
// asked about yet does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(state, []byte("Z"))
}

func TestHookPassesQuotesUntouched(t *testing.T) {
	w := newWorld(t)
	odd := filepath.Join(w.dir, "it's $(a) \"dir\"")
	w.must(os.MkdirAll(odd, 0o755))
	program := filepath.Join(odd, "berth")
	w.must(os.WriteFile(program, []byte("#!/bin/sh\nprintf '%s|' \"$@\"\n"), 0o755))

	w.must(w.InstallHook(program, "--socket", "/run/a b/it's"))

	hook := exec.Command(filepath.Join(w.Hooks, "pre-receive"))
	hook.Env = []string{"BERTH_PUSH=a b", "GIT_QUARANTINE_PATH=/q"}
	out, err := hook.CombinedOutput()
	if want := "--socket|/run/a b/it's|git-hook|a b|/q|"; err != nil || string(out) != want {
		t.Errorf("the hook ran %q, %v, want %q", out, err, want)
	}
}

func TestAppsOfNoDirectoryAreNone(t *testing.T) {
	apps, err := git.Repos{Dir: filepath.Join(t.TempDir(), "none")}.Apps()

	if err != nil || len(apps) != 0 {
		t.Errorf("apps = %v, %v, want none", apps, err)
	}
}
