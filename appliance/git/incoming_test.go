package git_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/git"
)

func certificate(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// incoming is a place for what comes in, until the test ends.
func (w *world) incoming() *git.Incoming {
	w.t.Helper()
	in, err := w.Incoming(w.t.Context(), "blog")
	w.must(err)
	w.t.Cleanup(func() { w.must(in.Remove()) })
	return in
}

func (w *world) remote(raw string) git.Remote {
	w.t.Helper()
	r, err := git.ParseRemote(raw)
	w.must(err)
	return r
}

// objects lists what the app's repository has.
func (w *world) objects() string {
	w.t.Helper()
	return w.git("--git-dir", w.Path("blog"), "cat-file", "--batch-all-objects", "--batch-check")
}

func TestFetchGetsABranchATagOrACommit(t *testing.T) {
	for kind, serve := range map[string]func(*world) host{"smart": (*world).smart, "dumb": (*world).dumb} {
		w := newWorld(t)
		h := serve(w)
		first := h.repo("app.git", map[string]string{"a": "1"})
		repo := []string{"--git-dir", w.path("host", "app.git")}
		do := func(args ...string) string { return w.git(append(repo, args...)...) }
		second := do("commit-tree", "-m", "2", "-p", first, first+"^{tree}")
		do("update-ref", "refs/heads/release/2", second)
		do("tag", "v1", first)
		do("tag", "-a", "-m", "t", "v2", second)
		do("update-server-info")
		for ref, want := range map[string]git.Fetched{
			"":                     {Commit: first, Branch: "main"},
			"main":                 {Commit: first, Branch: "main"},
			"release/2":            {Commit: second, Branch: "release/2"},
			"refs/heads/release/2": {Commit: second, Branch: "release/2"},
			"v1":                   {Commit: first},
			"v2":                   {Commit: second},
			"refs/tags/v2":         {Commit: second},
			second:                 {Commit: second},
			first[:8]:              {Commit: first},
		} {
			t.Run(kind+" "+ref, func(t *testing.T) {
				w := *w
				w.t = t
				in := w.incoming()

				got, err := in.Fetch(t.Context(), w.remote(h.url+"/app.git"), ref, anywhere, limit)

				if err != nil || got != want {
					t.Fatalf("fetched %+v, %v, want %+v", got, err, want)
				}
				if has := w.objects(); has != "" {
					t.Errorf("the app's repository has %s before anything was accepted", has)
				}
				w.must(in.Accept(t.Context(), "main", got.Commit, strings.Repeat("0", 40)))
				if at := w.git("--git-dir", w.Path("blog"), "rev-parse", "main"); at != want.Commit {
					t.Errorf("main = %s, want %s", at, want.Commit)
				}
				w.must(os.RemoveAll(w.Path("blog")))
				w.must(w.Create(t.Context(), "blog"))
			})
		}
	}
}

func TestFetchThatFailsSaysWhy(t *testing.T) {
	w := newWorld(t)
	h := w.smart()
	h.repo("app.git", map[string]string{"a": strings.Repeat("0123456789", 1000)})
	w.git("init", "-q", "--bare", w.path("host", "empty.git"))
	for name, tt := range map[string]struct{ url, ref, want string }{
		"no such branch":     {"/app.git", "nope", `"nope" of`},
		"no such commit":     {"/app.git", strings.Repeat("1", 40), "not found"},
		"no such repository": {"/gone.git", "", "not found"},
		"nothing committed":  {"/empty.git", "", "nothing committed"},
		"an option":          {"/app.git", "--upload-pack=touch x", "invalid git-ref"},
		"a range":            {"/app.git", "main..x", "invalid git-ref"},
		"a reflog":           {"/app.git", "main@{1}", "invalid git-ref"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.incoming().Fetch(t.Context(), w.remote(h.url+tt.url), tt.ref, anywhere, limit)

			if err == nil || !strings.Contains(err.Error(), tt.want) || appliance.HintOf(err) == "" {
				t.Errorf("fetched %v, %v (%s), want %q and what to do", got, err, appliance.HintOf(err), tt.want)
			}
		})
	}
	t.Run("too much", func(t *testing.T) {
		_, err := w.incoming().Fetch(t.Context(), w.remote(h.url+"/app.git"), "", anywhere, 100)

		if err == nil || !strings.Contains(err.Error(), "more than 100 bytes") || !strings.Contains(appliance.HintOf(err), "push-max-size") {
			t.Errorf("error = %v (%s), want that it is too much", err, appliance.HintOf(err))
		}
	})
}

// Two who deploy at the same time must not undo each other's work.
func TestAcceptLeavesABranchThatHasMoved(t *testing.T) {
	w := newWorld(t)
	w.write("a", "1")
	first := w.give(w.commit())
	w.write("a", "2")
	second := w.give(w.commit())
	in := w.incoming()
	w.must(in.Import(t.Context(), func(tree *git.Tree) error { return tree.File("a", false, 1, strings.NewReader("3")) }))
	third, err := in.Commit(t.Context(), first, "m", git.Author{Name: "n", Email: "e"})
	w.must(err)

	err = in.Accept(t.Context(), "main", third, first)

	if at := w.git("--git-dir", w.Path("blog"), "rev-parse", "main"); err == nil || at != second {
		t.Errorf("main = %s, %v, want still %s", at, err, second)
	}
}

func TestImportMakesACommitUponTheOneBefore(t *testing.T) {
	w := newWorld(t)
	w.write("old", "1")
	first := w.give(w.commit())
	in := w.incoming()
	name := "a b/\"ü\"\\\n\tx"

	w.must(in.Import(t.Context(), func(tree *git.Tree) error {
		return errors.Join(
			tree.File("app/"+name, true, 3, strings.NewReader("run")),
			tree.Link("app/link", "../../etc/passwd"),
			tree.Copy("app/again", "app/"+name),
		)
	}))
	commit, err := in.Commit(t.Context(), first, "message", git.Author{Name: "Ada", Email: "ada@example.org"})
	w.must(err)
	w.must(in.Accept(t.Context(), "main", commit, first))

	if got := w.git("--git-dir", w.Path("blog"), "log", "-1", "--format=%P %an <%ae> %s", "main"); got != first+" Ada <ada@example.org> message" {
		t.Errorf("log = %q", got)
	}
	got := regexp.MustCompile(` blob [0-9a-f]+\t`).ReplaceAllString(w.git("--git-dir", w.Path("blog"), "ls-tree", "-r", "-z", "main"), " ")
	if want := "100755 " + name + "\x00100755 again\x00120000 link\x00"; got != want {
		t.Errorf("tree = %q, want %q: without the directory that all of it was in", got, want)
	}
	in = w.incoming()
	w.must(in.Import(t.Context(), func(tree *git.Tree) error {
		return errors.Join(tree.File(name, true, 3, strings.NewReader("run")), tree.File("again", true, 3, strings.NewReader("run")), tree.Link("link", "../../etc/passwd"))
	}))
	if again, err := in.Commit(t.Context(), commit, "message", git.Author{Name: "Ada"}); again != "" || err != nil {
		t.Errorf("commit = %q, %v, want none: nothing has changed", again, err)
	}
}

// What the login is for is one host: not the one that this redirects to, and
// not whoever lists the processes of the machine.
func TestLoginIsForItsHostOnly(t *testing.T) {
	w := newWorld(t)
	h := w.smart()
	h.repo("app.git", map[string]string{"a": "1"})
	var seen, other string
	private := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		seen += user + ":" + password + " "
		if !ok {
			rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		if lines := commandLines(t); strings.Contains(lines, "hunter2") {
			t.Errorf("a process has the password in its arguments:\n%s", lines)
		}
		h.handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(private.Close)
	thief := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		other += r.Header.Get("Authorization")
		rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		rw.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(thief.Close)
	redirect := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)+r.URL.String(), http.StatusFound)
	}))
	t.Cleanup(redirect.Close)
	access := anywhere
	access.Logins = map[string]git.Login{private.URL: {User: "ada", Password: "hunter2 %/:@"}, redirect.URL: {User: "ada", Password: "hunter2"}}

	_, err := w.incoming().Fetch(t.Context(), w.remote(private.URL+"/app.git"), "", access, limit)
	if err != nil || !strings.Contains(seen, "ada:hunter2 %/:@ ") {
		t.Errorf("error = %v, the host has seen %q", err, seen)
	}
	inURL := strings.Replace(private.URL, "http://", "http://bob:hunter2@", 1) + "/app.git"
	if _, err := w.incoming().Fetch(t.Context(), w.remote(inURL), "", anywhere, limit); err != nil || !strings.Contains(seen, "bob:hunter2 ") {
		t.Errorf("error = %v, the host has seen %q", err, seen)
	}
	_, err = w.incoming().Fetch(t.Context(), w.remote(redirect.URL+"/app.git"), "", access, limit)
	if err == nil || other != "" || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error = %v, another host has seen %q", err, other)
	}
	if left, err := os.ReadDir(w.Dir); err != nil || len(left) != 4 { // the three that are coming in, and blog.git
		t.Errorf("left: %v, %v", left, err)
	}
}

// commandLines is what "ps" shows to everybody.
func commandLines(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may have ended
		all.Write(text)
		all.WriteByte('\n')
	}
	return all.String()
}

func TestTidyRemovesWhatAKilledDaemonHasLeft(t *testing.T) {
	w := newWorld(t)
	in, err := w.Incoming(t.Context(), "blog")
	w.must(err)

	w.must(w.Tidy())

	if _, err := os.Stat(in.Objects()); !os.IsNotExist(err) {
		t.Errorf("%v, want it gone", err)
	}
	if apps, err := w.Apps(); err != nil || len(apps) != 1 {
		t.Errorf("apps = %v, %v, want blog still", apps, err)
	}
}
