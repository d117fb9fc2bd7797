package gateway_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
)

var number = regexp.MustCompile(`\d+(\.\d+)?s|\b[0-9a-f]{7}\b`)

func TestFirstPushMakesTheAppAndShowsTheBuild(t *testing.T) {
	w := newWorld(t)
	commit := w.commit(app)

	r := w.push("ada", "blog", "main")

	if r.status != 0 {
		t.Fatalf("git push:\n%s", r.stderr)
	}
	var said []string
	for line := range strings.Lines(r.stderr) {
		if text, ok := strings.CutPrefix(line, "remote: "); ok {
			said = append(said, number.ReplaceAllString(strings.TrimRight(text, " \n"), "#"))
		}
	}
	want := []string{
		"-----> Receiving blog (# on main)", "-----> Cleaning up ...", "-----> Building blog with dockerfile (Dockerfile found) ...",
		"       FROM scratch", `       CMD ["/program"]`, "       Built in #", "-----> Releasing blog v1", "-----> Deploying blog v1",
		"       web.1 is up after #", "=====> blog deployed in # (receive #, cleanup #, build #, release #, deploy #)", "       https://blog.localhost",
	}
	if got := strings.Join(said, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("git push showed:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	if a, err := w.Store.App(t.Context(), "blog"); err != nil || a.Provisional || a.LiveRelease != 1 {
		t.Errorf("app = %+v, %v, want it live", a, err)
	}
	if branch, err := w.Pipeline.Repos.Branch(t.Context(), "blog", "main"); err != nil || branch != commit {
		t.Errorf("main = %s, %v, want %s", branch, err, commit)
	}
}

func TestRefusedFirstPushLeavesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		args  []string
		want  []string
	}{
		"nothing to build": {map[string]string{"README": "x"}, []string{"main"}, []string{"remote:  !     build: nothing here that can be built", "remote:        commit one of them", "(pre-receive hook declined)"}},
		"failing build":    {map[string]string{"Dockerfile": "FROM scratch\nRUN [\"/program\",\"say\",\"1\",\"npm ERR!\"]\n"}, []string{"main"}, []string{"npm ERR!", " !     build: "}},
		"failing start":    {map[string]string{"Dockerfile": "FROM scratch\nCMD [\"/program\",\"say\",\"1\",\"no PORT\"]\n"}, []string{"main"}, []string{"no PORT", " !     deploy: web.1 exited with status 1"}},
		"another branch":   {app, []string{"main:feature"}, []string{`branch "feature" is not deployed`, "git push berth feature:main"}},
		"nothing at all":   {map[string]string{}, []string{"main"}, []string{"has no files", "git add ."}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(tt.files)

			r := w.push("ada", "blog", tt.args...)

			for _, want := range tt.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("git push lacks %q:\n%s", want, r.stderr)
				}
			}
			if r.status == 0 {
				t.Error("git push went through")
			}
			w.Pipeline.Wait()
			w.nothing("blog")
		})
	}
}

func TestRefusedPushLeavesTheLiveAppAsItIs(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	before, err := w.engine.Processes(t.Context(), "blog")
	w.must(err)
	live := w.git("rev-parse", "HEAD")
	w.commit(map[string]string{"Dockerfile": "FROM nowhere\n"})

	r := w.push("ada", "blog", "main")

	if r.status == 0 || !strings.Contains(r.stderr, "declined") {
		t.Errorf("git push: %d\n%s", r.status, r.stderr)
	}
	after, err := w.engine.Processes(t.Context(), "blog")
	if err != nil || len(after) != 1 || after[0].ID != before[0].ID {
		t.Errorf("processes = %v, %v, want %v", after, err, before)
	}
	if branch, err := w.Pipeline.Repos.Branch(t.Context(), "blog", "main"); err != nil || branch != live {
		t.Errorf("main = %s, %v, want still %s", branch, err, live)
	}
}

func TestPushOfSomethingElseIsRefusedInWords(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	w.git("tag", "-a", "v1", "-m", "v1")
	w.git("branch", "feature")
	w.git("branch", "master")
	w.git("update-ref", "refs/heads/;touch$IFS'pwned'", "HEAD")
	w.git("commit", "-q", "--allow-empty", "-m", "empty")
	w.git("update-ref", "refs/notes/x", "HEAD")
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"another branch":     {[]string{"feature"}, []string{`branch "feature" is not deployed: main or master is, for blog`, "push it as that: git push berth feature:main", "git:set blog deploy-branch feature"}},
		"a hostile name":     {[]string{"refs/heads/;touch$IFS'pwned'"}, []string{`git push berth ';touch$IFS'\''pwned'\'':main'`}},
		"a tag":              {[]string{"v1"}, []string{`tag "v1" was pushed without a branch`, "git push berth 'v1^{}:refs/heads/main'"}},
		"both":               {[]string{"main", "master"}, []string{"main and master at once", "git push berth main"}},
		"all":                {[]string{"--all"}, []string{"is not deployed"}},
		"mirror":             {[]string{"--mirror"}, []string{" !     "}},
		"the branch's end":   {[]string{":main"}, []string{`branch "main" is not deleted`, "apps:destroy blog"}},
		"a branch that isnt": {[]string{"HEAD:refs/notes/x"}, []string{"refs/notes/x is neither a branch nor a tag", "git push berth HEAD:main"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, w.gitCommand("ada", "work", nil, append([]string{"push", w.url("blog")}, tt.args...)...))

			for _, want := range tt.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("git push lacks %q:\n%s", want, r.stderr)
				}
			}
			if r.status == 0 {
				t.Error("git push went through")
			}
		})
	}
	if branch, err := w.Pipeline.Repos.Branch(t.Context(), "blog", "main"); err != nil || branch != w.git("rev-parse", "main~1") {
		t.Errorf("main = %s, %v, want still the first commit", branch, err)
	}

	r := w.push("ada", "blog", "--follow-tags", "main") // an empty commit, and a tag besides

	if r.status != 0 || !strings.Contains(r.stderr, "blog v2") {
		t.Errorf("git push: %d\n%s", r.status, r.stderr)
	}
	r = w.push("ada", "blog", ":refs/tags/v1")
	if r.status == 0 || !strings.Contains(r.stderr, `tag "v1" is not deleted by itself`) {
		t.Errorf("git push of no tag: %d\n%s", r.status, r.stderr)
	}
}

func TestDeployBranchIsTheOneThatIsSet(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	if r := w.ssh("ada", "git:set", "blog", "deploy-branch", "release/next"); r.status != 0 {
		t.Fatalf("git:set: %s", r.stderr)
	}
	w.commit(map[string]string{"new": "1"})

	refused := w.push("ada", "blog", "main")
	taken := w.push("ada", "blog", "main:release/next")

	if refused.status == 0 || !strings.Contains(refused.stderr, `"release/next" is, for blog`) || !strings.Contains(refused.stderr, "git push berth main:release/next") {
		t.Errorf("push of main: %s", refused.stderr)
	}
	if taken.status != 0 {
		t.Errorf("push of release/next: %s", taken.stderr)
	}
	r := run(t, w.gitCommand("ada", "", nil, "clone", "-q", w.url("blog"), "clone"))
	if head := run(t, w.gitCommand("ada", "clone", nil, "rev-parse", "--abbrev-ref", "HEAD")); r.status != 0 || head.stdout != "release/next\n" {
		t.Errorf("clone: %s, on %q, want what is deployed", r.stderr, head.stdout)
	}
}

func TestSecondPushWaitsItsTurnAndSaysSo(t *testing.T) {
	w := newWorld(t)
	w.commit(app)
	reached, release := w.hold("Build")
	first := w.beginPush("ada", "blog")
	<-reached

	second := w.beginPush("ada", "blog")
	second.says("remote: -----> Waiting: another deploy of blog runs, started ")
	release()

	if err := first.cmd.Wait(); err != nil {
		t.Errorf("first push: %v\n%s", err, first.out)
	}
	// The branch has moved while it waited, to the very commit it brings.
	if err := second.cmd.Wait(); err == nil || !strings.Contains(second.out.String(), "main has moved to") {
		t.Errorf("second push: %v\n%s", err, second.out)
	}
	if a, err := w.Store.App(t.Context(), "blog"); err != nil || a.Provisional {
		t.Errorf("app = %+v, %v", a, err)
	}
}

// The first of two pushes of a new app is refused. The second finds the app
// that it came for.
func TestSecondPushOfANewAppSurvivesTheFirst(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"Dockerfile": "FROM nowhere\n"})
	reached, release := w.hold("Build")
	first := w.beginPush("ada", "blog")
	<-reached
	w.commit(app)
	second := w.beginPush("ada", "blog")
	second.says("yours is next")

	release()

	if err := first.cmd.Wait(); err == nil {
		t.Errorf("first push went through:\n%s", first.out)
	}
	if err := second.cmd.Wait(); err != nil {
		t.Errorf("second push: %v\n%s", err, second.out)
	}
	if found, err := w.engine.Processes(t.Context(), "blog"); err != nil || len(found) != 1 {
		t.Errorf("processes = %v, %v, want one", found, err)
	}
}

func TestPushesOfANewAppOneAfterTheOther(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"Dockerfile": "FROM nowhere\n"})
	var all []doing
	for range 5 {
		all = append(all, w.beginPush("ada", "blog"))
	}
	for _, d := range all {
		if err := d.cmd.Wait(); err == nil || !strings.Contains(d.out.String(), "declined") || strings.Contains(d.out.String(), "not a git repository") {
			t.Errorf("push: %v\n%s", err, d.out)
		}
	}
	w.eventually("nothing is left", func() bool {
		_, err := w.Store.App(t.Context(), "blog")
		return errors.Is(err, appliance.ErrNotFound)
	})
	w.Pipeline.Wait()
	w.nothing("blog")
}

func TestClientThatHangsUpCancelsItsBuild(t *testing.T) {
	w := newWorld(t)
	w.commit(hangs)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		push := w.beginPush("ada", "blog")
		push.says("listening on") // the build runs

		// git and its ssh, as a terminal does it: an ssh that is left alone
		// waits for us, and tells nobody that nobody reads any more.
		w.must(syscall.Kill(-push.cmd.Process.Pid, signal))

		push.cmd.Wait() // it was killed
		w.eventually("nothing is left", func() bool {
			_, err := w.Store.App(t.Context(), "blog")
			return errors.Is(err, appliance.ErrNotFound)
		})
		w.Pipeline.Wait()
		w.nothing("blog")
	}
}

// With ControlMaster the connection stays when git is killed, and only its
// session ends.
func TestClientOfASharedConnectionHangsUpToo(t *testing.T) {
	w := newWorld(t)
	w.commit(hangs)
	shared := []string{"-o", "ControlPath=" + w.path("c")}
	master := w.sshCommand("ada", []string{"-M", "-N", "-o", "ControlPath=" + w.path("c")})
	w.must(master.Start())
	t.Cleanup(func() { master.Process.Kill(); master.Wait() })
	w.eventually("the connection is shared", func() bool { _, err := os.Stat(w.path("c")); return err == nil })
	push := w.beginPush("ada", "blog", shared...)
	push.says("listening on")

	w.must(syscall.Kill(-push.cmd.Process.Pid, syscall.SIGKILL))

	push.cmd.Wait()
	w.eventually("nothing is left", func() bool {
		_, err := w.Store.App(t.Context(), "blog")
		return errors.Is(err, appliance.ErrNotFound)
	})
	if r := run(t, w.sshCommand("ada", shared, "apps:list")); r.status != 0 {
		t.Errorf("the connection is gone: %s", r.stderr)
	}
}

func TestClientThatWaitsAndHangsUpGivesItsPlaceUp(t *testing.T) {
	w := newWorld(t)
	w.commit(app)
	reached, release := w.hold("Build")
	first := w.beginPush("ada", "blog")
	<-reached
	second := w.beginPush("ada", "blog")
	second.says("yours is next")

	w.must(syscall.Kill(-second.cmd.Process.Pid, syscall.SIGKILL))
	second.cmd.Wait()

	release()
	if err := first.cmd.Wait(); err != nil {
		t.Errorf("first push: %v\n%s", err, first.out)
	}
}

func TestCloneAndFetchBringBackWhatWasPushed(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	for _, version := range []string{"0", "1", "2"} {
		r := run(t, w.gitCommand("ada", "", nil, "-c", "protocol.version="+version, "clone", "-q", w.url("blog"), "clone"+version))
		if r.status != 0 {
			t.Errorf("clone with protocol %s: %s", version, r.stderr)
		}
		if head := run(t, w.gitCommand("ada", "clone"+version, nil, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")); head.stdout != w.git("rev-parse", "HEAD")+"\nmain\n" {
			t.Errorf("cloned %q", head.stdout)
		}
	}
	commit := w.commit(map[string]string{"new": "1"})
	if r := w.push("ada", "blog", "main"); r.status != 0 {
		t.Fatal(r.stderr)
	}

	r := run(t, w.gitCommand("ada", "clone2", nil, "fetch", "-q"))

	if head := run(t, w.gitCommand("ada", "clone2", nil, "rev-parse", "origin/main")); r.status != 0 || head.stdout != commit+"\n" {
		t.Errorf("fetched %q, %s", head.stdout, r.stderr)
	}
	if r := run(t, w.gitCommand("ada", "", nil, "clone", "-q", w.url("nothing"), "x")); r.status == 0 || !strings.Contains(r.stderr, "App nothing does not exist") {
		t.Errorf("clone of nothing: %s", r.stderr)
	}
}

func TestRepositoryPathsNameAppsAndNothingElse(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	outside := w.path("outside.git")
	w.must(os.MkdirAll(outside, 0o755))
	for path, ok := range map[string]bool{
		"blog": true, "/blog": true, "blog.git": true, "/blog.git": true,
		"~/blog": false, "../x": false, "/../x": false, "../outside": false, "/etc/passwd": false, "a/b": false, "blog/": false, "//blog": false,
		"-oProxyCommand=x": false, "--upload-pack=touch pwned": false, "a b": false, "a\nb": false, "blog.git.git": false, ".git": false, "": false,
		"Blog": false, "$(id)": false, "`id`": false, "blog;id": false, "blog'": false, `blog"`: false, "blog\x00": false, ".": false, "..": false,
		outside: false,
	} {
		for _, verb := range []string{"git-receive-pack", "git-upload-pack"} {
			quoted := "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
			cmd := w.sshCommand("ada", nil, verb+" "+strings.ReplaceAll(quoted, "\x00", "\\0"))
			cmd.Stdin = strings.NewReader("0000")

			r := run(t, cmd)

			if ok != strings.Contains(r.stdout, "refs/heads/main") {
				t.Errorf("%s %q: %d, %q, %q, want %v", verb, path, r.status, r.stdout, r.stderr, ok)
			}
			if !ok && (r.status != 1 || !strings.Contains(r.stderr, " !     invalid app name") || !strings.Contains(r.stderr, "\n       use 1 to 63 lower-case letters")) {
				t.Errorf("%s %q: %d, %q, want a clear refusal", verb, path, r.status, r.stderr)
			}
		}
	}
	if apps, err := w.Store.Apps(t.Context()); err != nil || len(apps) != 1 {
		t.Errorf("apps = %v, %v, want only blog", apps, err)
	}
	if apps, err := os.ReadDir(w.path("git")); err != nil || len(apps) != 1 {
		t.Errorf("repositories = %v, %v, want only blog's", apps, err)
	}
}

func TestMemberPushesOnlyWhereTheyWereLetIn(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	w.pushed("api")
	w.must(w.Store.Grant(t.Context(), appliance.Grant{App: "blog", Who: "bob", Access: appliance.DeployAccess}))
	w.must(w.Store.Grant(t.Context(), appliance.Grant{App: "api", Who: "bob", Access: appliance.ViewAccess})) // not enough
	w.commit(map[string]string{"new": "1"})

	if r := w.push("bob", "blog", "main"); r.status != 0 {
		t.Errorf("push to blog: %s", r.stderr)
	}
	// What is there and what is not looks the same to whom it is no business of.
	for _, repo := range []string{"api", "new"} {
		r := w.push("bob", repo, "main")
		want := " !     push to " + repo + " as bob: permission denied\n       an admin can let you in: access:grant " + repo + " bob deploy\n"
		if r.status == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("push to %s: %s, want %q", repo, r.stderr, want)
		}
		r = run(t, w.gitCommand("bob", "", nil, "clone", "-q", w.url(repo), "clone-"+repo))
		if want := " !     fetch " + repo + " as bob: permission denied\n"; r.status == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("clone of %s: %s, want %q", repo, r.stderr, want)
		}
	}
	w.nothing("new")
}

func TestHookIsOnlyForGitAndOnlyWithItsToken(t *testing.T) {
	w := newWorld(t)
	w.commit(hangs)
	push := w.beginPush("ada", "blog")
	push.says("listening on")
	t.Cleanup(func() {
		syscall.Kill(-push.cmd.Process.Pid, syscall.SIGKILL)
		push.cmd.Wait()
		// What the push was doing must not outlive the directory it does it in.
		if !await.Until(patience, func() bool { _, err := os.Stat(w.Pipeline.Repos.Path("blog")); return err != nil }) {
			t.Error("the push that was killed has left its repository")
		}
	})

	remote := w.ssh("ada", "git-hook", "token", "/tmp")
	if remote.status != 2 || !strings.Contains(remote.stderr, "`git-hook` is not a berth command") {
		t.Errorf("git-hook from the network: %+v", remote)
	}
	for _, token := range []string{"", "token", "../x"} {
		if r := w.local("git-hook", token, "/tmp"); r.status != 3 || !strings.Contains(r.stderr, "push not found") {
			t.Errorf("git-hook with token %q: %+v", token, r)
		}
	}
}
