package builder_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance/enginetest"
)

// A forge serves buildpacks, as git repositories and as archives, where
// containers reach it.
type forge struct {
	*httptest.Server
	t        *testing.T
	dir      string
	archives map[string][]byte
}

// The account that the repositories below /private want.
const forgeUser, forgePassword = "ada", "hunter2-4711"

func newForge(t *testing.T) *forge {
	t.Helper()
	f := &forge{t: t, dir: t.TempDir(), archives: map[string][]byte{}}
	git, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(git)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + f.dir, "GIT_HTTP_EXPORT_ALL=1"}, Stderr: io.Discard,
	}
	mux := http.NewServeMux()
	mux.Handle("/git/", backend)
	mux.HandleFunc("/private/", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != forgeUser || password != forgePassword {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	})
	mux.HandleFunc("/silent/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/archive/", func(w http.ResponseWriter, r *http.Request) {
		text, ok := f.archives[path.Base(r.URL.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		etag := fmt.Sprintf(`"%x"`, sha256.Sum256(text))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(text) // whoever asks may leave
	})
	f.Server = httptest.NewUnstartedServer(mux)
	f.Listener.Close()
	if f.Listener, err = net.Listen("tcp", net.JoinHostPort(bridge(t), "0")); err != nil {
		t.Fatal(err)
	}
	f.Start()
	t.Cleanup(f.CloseClientConnections)
	t.Cleanup(f.Close)
	return f
}

// bridge returns the address that this machine has in the eyes of containers.
func bridge(t *testing.T) string {
	t.Helper()
	addr, err := enginetest.HostAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// commit makes a repository, or one more commit of it, that has these files
// and no others, and returns the commit.
func (f *forge) commit(name string, files map[string]string) string {
	f.t.Helper()
	dir := filepath.Join(f.dir, filepath.FromSlash(name))
	if _, err := os.Stat(dir); err != nil {
		f.git(".", "init", "-q", "-b", "main", dir)
	}
	f.git(dir, "rm", "-rqf", "--ignore-unmatch", ".")
	if err := os.CopyFS(dir, os.DirFS(source(f.t, files))); err != nil {
		f.t.Fatal(err)
	}
	f.git(dir, "add", "-A")
	f.git(dir, "commit", "-qm", "x")
	return f.git(dir, "rev-parse", "HEAD")
}

func (f *forge) git(dir string, args ...string) string {
	f.t.Helper()
	git := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always"}, args...)...)
	git.Dir = dir
	out, err := git.CombinedOutput()
	if err != nil {
		f.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// pack serves an archive of files, of the kind that its name says. Nothing in
// it may be executed, as in archives that were made without care.
func (f *forge) pack(name string, files map[string]string) string {
	f.t.Helper()
	var b bytes.Buffer
	dir := os.DirFS(source(f.t, files))
	err := error(nil)
	if strings.HasSuffix(name, ".zip") {
		z := zip.NewWriter(&b)
		err = fs.WalkDir(dir, ".", func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			w, err := z.Create(file)
			if err != nil {
				return err
			}
			_, err = w.Write([]byte(files[file]))
			return err
		})
		z.Close()
	} else {
		tw := tar.NewWriter(&b)
		err = fs.WalkDir(dir, ".", func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if err := tw.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(files[file]))}); err != nil {
				return err
			}
			_, err = tw.Write([]byte(files[file]))
			return err
		})
		tw.Close()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.archives[name] = f.compress(path.Ext(name), b.Bytes())
	return f.URL + "/archive/" + name
}

// compress compresses an archive as the end of its name says. The stack has
// the programs that this machine may not have.
func (f *forge) compress(kind string, archive []byte) []byte {
	f.t.Helper()
	var program string
	switch kind {
	case ".gz", ".tgz":
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(archive); err != nil {
			f.t.Fatal(err)
		}
		w.Close()
		return b.Bytes()
	case ".bz2", ".tbz2", ".tbz":
		program = "bzip2"
	case ".xz", ".txz":
		program = "xz"
	default:
		return archive
	}
	s, err := stack()
	if err != nil {
		f.t.Fatal(err)
	}
	pack := exec.Command("docker", "run", "--rm", "--interactive", "--label", "berth.instance=berth-builder-test", string(s), program)
	pack.Stdin = bytes.NewReader(archive)
	out, err := pack.Output()
	if err != nil {
		f.t.Fatalf("%s: %v", program, err)
	}
	return out
}

// with returns the address of a repository with the forge's account.
func (f *forge) with(account, name string) string {
	return strings.Replace(f.URL, "http://", "http://"+account+"@", 1) + "/" + name
}
