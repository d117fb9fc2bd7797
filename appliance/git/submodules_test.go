package git_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
)

// fetch gets a submodule with all that is in it, as the pipeline does.
func (w *world) fetch(m git.Submodule, files map[string]string) {
	w.t.Helper()
	var inner []git.Submodule
	got := archived(w.t, func(b io.Writer) (err error) {
		inner, err = w.ArchiveSubmodule(w.t.Context(), m, anywhere, limit, b)
		return err
	})
	for name, content := range got {
		files[m.Path+"/"+name] = content
	}
	for _, i := range inner {
		i.Path = m.Path + "/" + i.Path
		w.fetch(i, files)
	}
}

func TestSubmodulesAreFetchedWithThoseTheyHave(t *testing.T) {
	for name, serve := range map[string]func(*world) host{"smart": (*world).smart, "dumb": (*world).dumb} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			h := serve(w)
			deep := h.repo("deep.git", map[string]string{"d": "deep"})
			lib := h.repo("lib.git", map[string]string{"l": "lib", ".gitattributes": "l export-ignore"}, git.Submodule{Path: "vendor/deep", URL: h.url + "/deep.git", Commit: deep})
			w.write("a", "1")
			w.submodule(git.Submodule{Path: "a b/lib", URL: h.url + "/lib.git", Commit: lib})
			w.git("add", "a")
			w.git("commit", "-q", "-m", "t")
			commit := w.give("HEAD")

			modules, err := w.Submodules(t.Context(), "blog", commit, "")

			w.must(err)
			want := git.Submodule{Path: "a b/lib", URL: h.url + "/lib.git", Commit: lib}
			if !slices.Equal(modules, []git.Submodule{want}) {
				t.Fatalf("submodules = %v, want %v", modules, want)
			}
			files := map[string]string{}
			w.fetch(modules[0], files)
			delete(files, "a b/lib/.gitmodules")
			delete(files, "a b/lib/.gitattributes")
			if want := map[string]string{"a b/lib/l": "lib", "a b/lib/vendor/deep/d": "deep"}; !maps.Equal(files, want) {
				t.Errorf("files = %q, want %q: also what a checkout has and an archive leaves out", files, want)
			}
			if left, err := os.ReadDir(w.Dir); err != nil || len(left) != 1 {
				t.Errorf("entries = %v, %v, want only blog.git", left, err)
			}
		})
	}
}

func TestCommitWithoutSubmodulesHasNone(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	w.write(".gitmodules", "[submodule \"left over\"]\n\tpath = gone\n\turl = ext::sh -c id\n")
	commit := w.give(w.commit())

	modules, err := w.Submodules(t.Context(), "blog", commit, "")

	if err != nil || len(modules) != 0 {
		t.Errorf("submodules = %v, %v, want none: what no file stands for is not fetched", modules, err)
	}
}

// A .gitmodules is written by whoever has written a dependency. Transports
// that run a command, read the machine's files or use its SSH keys, and
// addresses that git takes for an option, are its ways out of the push.
func TestSubmoduleURLsThatWouldReachThisMachineAreRefused(t *testing.T) {
	w := newWorld(t)
	marker := w.path("pwned")
	for _, url := range []string{
		"ext::sh -c 'touch " + marker + "'",
		"ext::sh -c touch% " + marker,
		"fd::0", "fd::0/x",
		"file:///etc", "file://localhost" + w.Path("blog"), "FILE:///etc",
		"/etc", w.Path("blog"), "~/x", "./x", "../relative", "../../relative.git", "x", "",
		"-u touch " + marker, "--upload-pack=touch " + marker, "--config=core.sshCommand=touch",
		"-oProxyCommand=touch " + marker,
		"ssh://-oProxyCommand=touch/x", "https://-oProxyCommand=x/y", "http://-x",
		"-oProxyCommand=touch@host:x", "git@-oProxyCommand=touch:x", "user@host:-x",
		"ftp://host/x", "ftps://host/x", "rsync://host/x", "data:text/plain,x", "javascript:1",
		"http::https://host/x", "https::file:///etc", "http:///x", "https:", "https:host/x", "http:x",
		"transport::address", "host:path", "git@[::1:x",
		"https://host/\nhttps://other/", "https://ho\tst/x", "https://host/x\x01",
	} {
		t.Run(url, func(t *testing.T) {
			w := *w
			w.t = t
			w.must(os.RemoveAll(w.path("work", ".gitmodules")))
			w.git("read-tree", "--empty")
			w.must(os.WriteFile(w.path("work", ".gitmodules"), nil, 0o644))
			w.git("config", "--file", ".gitmodules", "submodule.lib.path", "lib")
			w.git("config", "--file", ".gitmodules", "submodule.lib.url", url)
			w.git("add", ".gitmodules")
			w.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",lib")
			w.git("commit", "-q", "--allow-empty", "-m", "t")
			commit := w.give(w.git("rev-parse", "HEAD"))

			modules, err := w.Submodules(t.Context(), "blog", commit, "")

			if !errors.Is(err, appliance.ErrInvalid) || !strings.Contains(err.Error(), "lib") || appliance.HintOf(err) == "" {
				t.Errorf("submodules = %v, %v, want ErrInvalid with what to do", modules, err)
			}
			// Even a caller that did not ask first gets nowhere.
			if _, err := w.ArchiveSubmodule(t.Context(), git.Submodule{Path: "lib", URL: url, Commit: strings.Repeat("1", 40)}, anywhere, limit, io.Discard); err == nil {
				t.Error("it was fetched")
			}
			if _, err := os.Stat(marker); err == nil {
				t.Fatal("it ran a command")
			}
		})
	}
}

func TestSubmoduleURLsForSSHAreFetchedOverHTTPS(t *testing.T) {
	for url, want := range map[string]string{
		"git@github.com:a/b.git":            "https://github.com/a/b.git",
		"git@github.com:/a/b.git":           "https://github.com/a/b.git",
		"ssh://git@github.com/a/b.git":      "https://github.com/a/b.git",
		"ssh://git@github.com:2222/a/b.git": "https://github.com/a/b.git",
		"git://github.com/a/b.git":          "https://github.com/a/b.git",
		"https://github.com:8443/a/b.git":   "https://github.com:8443/a/b.git",
		"http://github.com/a%20b.git":       "http://github.com/a%20b.git",
	} {
		if got, err := git.Followed(url, git.Access{}); err != nil || got != want {
			t.Errorf("%s is fetched from %q, %v, want %s", url, got, err, want)
		}
	}
}

// Only to a host that an admin has allowed, and only with a key made for that.
func TestSubmoduleURLsForSSHAreFetchedOverSSHWithADeployKey(t *testing.T) {
	const url = "ssh://git@git.example.org:2222/a/b.git"
	hosts := map[string][]string{"[git.example.org]:2222": {"ssh-ed25519 AAAA"}}
	for want, access := range map[string]git.Access{
		url:                               {Keys: []string{"key"}, Hosts: hosts},
		"https://git.example.org/a/b.git": {Hosts: hosts},
	} {
		if got, err := git.Followed(url, access); err != nil || got != want {
			t.Errorf("it is fetched from %q, %v, want %s", got, err, want)
		}
	}
	if got, err := git.Followed(url, git.Access{Keys: []string{"key"}}); err != nil || !strings.HasPrefix(got, "https://") {
		t.Errorf("it is fetched from %q, %v, want HTTPS: nobody knows the host's key", got, err)
	}
}

// The name of a submodule is a path in a clone's own .git, which was a way
// out of it. We make no such path.
func TestNamesAndPathsOfSubmodulesLeadNowhere(t *testing.T) {
	w := newWorld(t)
	h := w.dumb()
	lib := h.repo("lib.git", map[string]string{"l": "lib"})
	w.write(".gitmodules", "[submodule \"../../../x\"]\n\tpath = lib\n\turl = "+h.url+"/lib.git\n"+
		"\tupdate = !touch "+w.path("pwned")+"\n[include]\n\tpath = "+w.path("evil")+"\n"+
		"[submodule \"other\"]\n\tpath = ../../outside\n\turl = ext::sh -c id\n[core]\n\tsshCommand = touch "+w.path("pwned")+"\n")
	w.must(os.WriteFile(w.path("evil"), []byte("[submodule \"../../../x\"]\n\turl = file:///etc\n"), 0o644))
	w.git("add", ".gitmodules")
	w.git("update-index", "--add", "--cacheinfo", "160000,"+lib+",lib")
	w.git("commit", "-q", "-m", "t")
	commit := w.give(w.git("rev-parse", "HEAD"))

	modules, err := w.Submodules(t.Context(), "blog", commit, "")

	if err != nil || len(modules) != 1 || modules[0].URL != h.url+"/lib.git" {
		t.Fatalf("submodules = %v, %v, want lib from its host", modules, err)
	}
	files := map[string]string{}
	w.fetch(modules[0], files)
	if files["lib/l"] != "lib" {
		t.Errorf("files = %v", files)
	}
	for _, name := range []string{"pwned", "x", "outside"} {
		if _, err := os.Stat(w.path(name)); err == nil {
			t.Errorf("there is a %s", name)
		}
	}
}

func TestSubmoduleThatNothingIsSaidOfIsAnError(t *testing.T) {
	for name, gitmodules := range map[string]string{
		"no .gitmodules":    "",
		"another path":      "[submodule \"x\"]\n\tpath = other\n\turl = https://host/x\n",
		"no address":        "[submodule \"lib\"]\n\tpath = lib\n",
		"not a config file": "[submodule \"lib\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if gitmodules != "" {
				w.write(".gitmodules", gitmodules)
				w.git("add", ".gitmodules")
			}
			w.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",lib")
			w.git("commit", "-q", "-m", "t")
			commit := w.give(w.git("rev-parse", "HEAD"))

			modules, err := w.Submodules(t.Context(), "blog", commit, "")

			if err == nil || appliance.HintOf(err) == "" || !strings.Contains(err.Error()+appliance.HintOf(err), ".gitmodules") {
				t.Errorf("submodules = %v, %v (%s), want an error that says what to do", modules, err, appliance.HintOf(err))
			}
		})
	}
}

func TestGitmodulesThatIsALinkIsNotFollowed(t *testing.T) {
	w := newWorld(t)
	evil := "[submodule \"lib\"]\n\tpath = lib\n\turl = https://host/x\n"
	w.must(os.WriteFile(w.path("evil"), []byte(evil), 0o644))
	blob, err := w.tryGit("work", strings.NewReader(w.path("evil")), "hash-object", "-w", "--stdin")
	w.must(err)
	tree, err := w.tryGit("work", strings.NewReader("120000 blob "+strings.TrimSpace(blob)+"\t.gitmodules\n"+
		"160000 commit "+strings.Repeat("1", 40)+"\tlib\n"), "mktree", "--missing") // git add refuses it
	w.must(err)
	commit := w.give(w.git("commit-tree", "-m", "t", strings.TrimSpace(tree)))

	if modules, err := w.Submodules(t.Context(), "blog", commit, ""); err == nil {
		t.Errorf("submodules = %v, want an error", modules)
	}
}

func TestErrorOfASubmoduleHidesItsPassword(t *testing.T) {
	w := newWorld(t)
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	url := strings.Replace(s.URL, "http://", "http://ada:hunter2@", 1) + "/lib.git"

	_, err := w.ArchiveSubmodule(t.Context(), git.Submodule{Path: "lib", URL: url, Commit: strings.Repeat("1", 40)}, anywhere, limit, io.Discard)

	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "fetch submodule lib") {
		t.Errorf("error = %v, want one without the password", err)
	}
	_, err = w.ArchiveSubmodule(t.Context(), git.Submodule{Path: "lib", URL: "http://ada:hunter2@127.0.0.1:1/lib.git", Commit: strings.Repeat("1", 40)}, anywhere, limit, io.Discard)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error = %v, want one without the password", err)
	}
}

// A host may answer with a redirect to what it likes.
func TestRedirectToAnotherTransportIsNotFollowed(t *testing.T) {
	w := newWorld(t)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Location", "file://"+w.Path("blog")+strings.TrimPrefix(r.URL.Path, "/lib.git"))
		rw.WriteHeader(http.StatusMovedPermanently)
	}))
	t.Cleanup(s.Close)
	w.write("a", "1")
	commit := w.give(w.commit())
	w.git("--git-dir", w.Path("blog"), "update-server-info")

	_, err := w.ArchiveSubmodule(t.Context(), git.Submodule{Path: "lib", URL: s.URL + "/lib.git", Commit: commit}, anywhere, limit, io.Discard)

	if err == nil {
		t.Error("it was fetched from this machine's files")
	}
}

func TestSubmoduleOfAHostThatHangsEndsWithThePush(t *testing.T) {
	w := newWorld(t)
	asked := make(chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := w.ArchiveSubmodule(ctx, git.Submodule{Path: "lib", URL: s.URL + "/x", Commit: strings.Repeat("1", 40)}, anywhere, limit, io.Discard)
		ended <- err
	}()
	<-asked

	cancel()

	if err := <-ended; err == nil {
		t.Error("it was fetched")
	}
}
