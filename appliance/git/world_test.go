package git_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance/git"
)

// TestMain lets the test binary stand in for ssh, which git runs to reach a
// repository: it leads to the door that the test has opened. It also stands in
// for a daemon that packs a repository.
func TestMain(m *testing.M) {
	if socket := os.Getenv("GIT_TEST_DOOR"); socket != "" {
		os.Exit(knock(socket, os.Args[len(os.Args)-1]))
	}
	if dir := os.Getenv("GIT_TEST_COLLECT"); dir != "" { // it is to be killed
		os.Stdout.WriteString(".")
		if err := (git.Repos{Dir: dir}).Collect(context.Background(), "blog", true); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func knock(socket, command string) int {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return 255
	}
	go func() {
		io.WriteString(conn, command+"\n")
		io.Copy(conn, os.Stdin)
		conn.(*net.UnixConn).CloseWrite()
	}()
	if _, err := io.Copy(os.Stdout, conn); err != nil {
		return 255
	}
	return 0
}

// A world has repositories, a door to them, and somebody's working copy.
type world struct {
	git.Repos
	t    *testing.T
	dir  string
	door string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, dir: dir, door: filepath.Join(dir, "s"), Repos: git.Repos{Dir: filepath.Join(dir, "git"), Hooks: filepath.Join(dir, "hooks")}}
	w.must(w.Create(t.Context(), "blog"))
	w.git("init", "-q", "-b", "main", w.path("work"))
	return w
}

// anywhere is what an admin may reach, and limit more than any repository has.
var anywhere = git.Access{Anywhere: true}

const limit = 1 << 30

func (w *world) path(elem ...string) string {
	return filepath.Join(append([]string{w.dir}, elem...)...)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// git runs git as a person does, in the working copy, and returns what it
// printed.
func (w *world) git(args ...string) string {
	w.t.Helper()
	out, err := w.tryGit("work", nil, args...)
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (w *world) tryGit(dir string, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = w.dir
	if _, err := os.Stat(w.path(dir)); err == nil {
		cmd.Dir = w.path(dir)
	}
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C.UTF-8",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@t", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@t",
		"GIT_SSH_COMMAND='" + os.Args[0] + "'", "GIT_SSH_VARIANT=simple", "GIT_TEST_DOOR=" + w.door,
	}
	cmd.Stdin = stdin
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// write writes a file of the working copy.
func (w *world) write(name, content string) {
	w.t.Helper()
	file := w.path("work", name)
	w.must(os.MkdirAll(filepath.Dir(file), 0o755))
	w.must(os.WriteFile(file, []byte(content), 0o644))
}

// commit commits all there is, and returns the commit.
func (w *world) commit() string {
	w.t.Helper()
	w.git("add", "--all")
	w.git("commit", "-q", "--allow-empty", "-m", "t")
	return w.git("rev-parse", "HEAD")
}

// give puts what was committed into the app's repository, beside the door.
func (w *world) give(commit string) string {
	w.t.Helper()
	w.git("push", "-q", "--force", w.Path("blog"), commit+":refs/heads/main")
	return commit
}

// open has somebody answer at the door with serve, until the test ends.
func (w *world) open(serve func(ctx context.Context, conn net.Conn)) {
	w.t.Helper()
	l, err := net.Listen("unix", w.door)
	w.must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			readLine(conn) // what ssh is asked to run: the test knows
			serve(ctx, conn)
			conn.Close()
		}
	}()
	w.t.Cleanup(func() { cancel(); l.Close(); <-ended })
}

// readLine reads no further than to the end of a line.
func readLine(r io.Reader) {
	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := r.Read(b); err != nil {
			return
		}
	}
}

// push pushes through the door and returns what the pusher sees.
func (w *world) push(refs ...string) (string, error) {
	return w.tryGit("work", nil, append([]string{"push", "ssh://berth/blog"}, refs...)...)
}

// archived returns the files of an archive: their contents, and for symbolic
// links where they lead.
func archived(t *testing.T, archive func(io.Writer) error) map[string]string {
	t.Helper()
	var b bytes.Buffer
	if err := archive(&b); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for tr := tar.NewReader(&b); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeSymlink {
			files[h.Name] = string(content) + h.Linkname
		}
	}
}

// A host has repositories that submodules are fetched from.
type host struct {
	*world
	url     string
	asked   *[]string
	handler http.Handler
}

// dumb serves repositories as files, as any web server does.
func (w *world) dumb() host {
	w.t.Helper()
	return w.host(http.FileServer(http.Dir(w.path("host"))))
}

// smart serves repositories as a git host does.
func (w *world) smart() host {
	w.t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	w.must(err)
	return w.host(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + w.path("host"), "GIT_HTTP_EXPORT_ALL=1", "HOME=" + w.dir},
		Root: "/",
	})
}

func (w *world) host(handler http.Handler) host {
	asked := []string{}
	var mu sync.Mutex // git asks for several things at once; it has ended when the test reads
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path)
		mu.Unlock()
		handler.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(s.Close)
	return host{w, s.URL, &asked, handler}
}

// repo makes a repository of files on the host, with submodules, and returns
// its head.
func (h host) repo(name string, files map[string]string, modules ...git.Submodule) string {
	h.t.Helper()
	work := h.path("host-work", name)
	h.git("init", "-q", "-b", "main", work)
	run := func(args ...string) string {
		h.t.Helper()
		return h.git(append([]string{"-C", work}, args...)...)
	}
	for file, content := range files {
		h.must(os.WriteFile(filepath.Join(work, file), []byte(content), 0o644))
	}
	run("add", ".")
	for _, m := range modules {
		h.must(appendTo(filepath.Join(work, ".gitmodules"), module(m)))
		run("update-index", "--add", "--cacheinfo", "160000,"+m.Commit+","+m.Path)
		run("add", ".gitmodules")
	}
	run("commit", "-q", "-m", "t")
	head := run("rev-parse", "HEAD")
	run("clone", "-q", "--bare", ".", h.path("host", name))
	h.git("-C", h.path("host", name), "update-server-info")
	return head
}

// submodule adds a submodule to the working copy, with whatever is said of it.
func (w *world) submodule(m git.Submodule) {
	w.t.Helper()
	w.must(appendTo(w.path("work", ".gitmodules"), module(m)))
	w.git("update-index", "--add", "--cacheinfo", "160000,"+m.Commit+","+m.Path)
	w.git("add", ".gitmodules")
}

func module(m git.Submodule) string {
	return "[submodule \"" + m.Path + "\"]\n\tpath = " + m.Path + "\n\turl = \"" + strings.ReplaceAll(m.URL, `"`, `\"`) + "\"\n"
}

func appendTo(name, content string) error {
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(name, slices.Concat(old, []byte(content)), 0o644)
}
