package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/pipeline"
)

// object puts an object into blog's repository.
func (w *world) object(content string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", append([]string{"--git-dir", w.Repos.Path("blog")}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@t", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@t")
	cmd.Stdin = strings.NewReader(content)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// An entry is a line of a tree.
type entry struct{ mode, kind, id, name string }

func (w *world) blob(content string) string { return w.object(content, "hash-object", "-w", "--stdin") }

// tree makes a tree, also one that git itself would not make.
func (w *world) tree(entries ...entry) string {
	w.t.Helper()
	var raw bytes.Buffer
	for _, e := range entries {
		raw.WriteString(e.mode + " " + e.name + "\x00")
		for i := 0; i < len(e.id); i += 2 {
			var b byte
			for _, c := range []byte(e.id[i : i+2]) {
				b = b<<4 | byte(strings.IndexByte("0123456789abcdef", c))
			}
			raw.WriteByte(b)
		}
	}
	return w.object(raw.String(), "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
}

// receiveTree takes a commit of a tree as far as its build, which gets to see
// the files.
func (w *world) receiveTree(tree string, look func(root *os.Root)) error {
	w.t.Helper()
	w.Builders = []builder.Builder{looker(look)}
	commit := w.object("", "commit-tree", "-m", "t", tree)
	return w.Receive(w.as("eve"), pipeline.Push{App: "blog", Commit: commit, Branch: "main"}, new(buffer))
}

// A looker is a builder that looks at the source and builds nothing.
type looker func(root *os.Root)

func (looker) Name() string                                  { return "looker" }
func (looker) Detect(fs.FS, builder.Settings) (string, bool) { return "", true }
func (l looker) Build(_ context.Context, _ appliance.Engine, req builder.Request) (builder.Result, error) {
	root, err := os.OpenRoot(req.Source)
	if err != nil {
		return builder.Result{}, err
	}
	defer root.Close()
	l(root)
	return builder.Result{}, errLooked
}

func (looker) Explain(context.Context, appliance.Engine, builder.Request) ([]string, error) {
	return nil, errLooked
}

var errLooked = errors.New("looked")

func TestSourceHasFilesAsTheyWereCommitted(t *testing.T) {
	w := newWorld(t)
	dir := w.tree(entry{"100755", "blob", w.blob("#!/bin/sh"), "run"})
	tree := w.tree(
		entry{"40000", "tree", dir, "bin"},
		entry{"120000", "blob", w.blob("../../etc/passwd"), "link"},
		entry{"100644", "blob", w.blob(strings.Repeat("x", 1<<20)), strings.Repeat("long", 60)},
	)

	err := w.receiveTree(tree, func(root *os.Root) {
		if info, err := root.Stat("bin/run"); err != nil || info.Mode().Perm()&0o111 == 0 {
			t.Errorf("bin/run: %v, %v, want it executable", info, err)
		}
		if to, err := root.Readlink("link"); err != nil || to != "../../etc/passwd" {
			t.Errorf("link leads to %q, %v", to, err)
		}
		if info, err := root.Stat(strings.Repeat("long", 60)); err != nil || info.Size() != 1<<20 {
			t.Errorf("long name: %v, %v", info, err)
		}
	})

	if !errors.Is(err, errLooked) {
		t.Errorf("error = %v", err)
	}
}

// A tree can be made by hand. It reaches us as a tar stream, and nothing in
// it may be written outside of the directory made for it.
func TestTreeThatReachesOutIsRefused(t *testing.T) {
	for name, build := range map[string]func(w *world, blob, outside string) string{
		"through a link": func(w *world, blob, outside string) string {
			return w.tree(
				entry{"120000", "blob", w.blob(outside), "lib"},
				entry{"40000", "tree", w.tree(entry{"100644", "blob", blob, "pwned"}), "lib"})
		},
		"through a relative link": func(w *world, blob, outside string) string {
			return w.tree(
				entry{"120000", "blob", w.blob("../../outside"), "lib"},
				entry{"40000", "tree", w.tree(entry{"100644", "blob", blob, "pwned"}), "lib"})
		},
		"onto a link": func(w *world, blob, outside string) string {
			return w.tree(
				entry{"120000", "blob", w.blob(outside + "/pwned"), "f"},
				entry{"100644", "blob", blob, "f"})
		},
		"up": func(w *world, blob, outside string) string {
			up := w.tree(entry{"40000", "tree", w.tree(entry{"40000", "tree", w.tree(entry{"100644", "blob", blob, "pwned"}), "outside"}), ".."})
			return w.tree(entry{"40000", "tree", up, ".."})
		},
		"absolute": func(w *world, blob, outside string) string {
			return w.tree(entry{"100644", "blob", blob, outside + "/pwned"})
		},
		"twice": func(w *world, blob, outside string) string {
			return w.tree(entry{"100644", "blob", blob, "f"}, entry{"100644", "blob", w.blob("other"), "f"})
		},
		"a file and a directory": func(w *world, blob, outside string) string {
			return w.tree(entry{"100644", "blob", blob, "f"}, entry{"40000", "tree", w.tree(entry{"100644", "blob", blob, "g"}), "f"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			outside := filepath.Join(w.dir, "outside")
			w.must(os.Mkdir(outside, 0o755))
			looked := false

			err := w.receiveTree(build(w, w.blob("evil"), outside), func(*os.Root) { looked = true })

			stage, ok := errors.AsType[*appliance.StageError](err)
			if looked || !ok || stage.Stage != appliance.StageReceive || strings.Contains(err.Error(), "broken pipe") {
				t.Errorf("error = %v, looked %v, want it refused when it is received, with the reason", err, looked)
			}
			if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
				t.Errorf("outside there is %v, %v, want nothing", left, err)
			}
			if left, err := os.ReadDir(w.Temp); err != nil || len(left) != 0 {
				t.Errorf("left of the source: %v, %v", left, err)
			}
		})
	}
}

// Unpacking may stop long before git has written all: the reason shown is
// that of the one who stopped first.
func TestReasonIsOursWhenUnpackingStops(t *testing.T) {
	w := newWorld(t)
	big := w.blob(strings.Repeat("x", 8<<20))
	tree := w.tree(entry{"100644", "blob", w.blob("a"), "a"}, entry{"100644", "blob", big, "a"}, entry{"100644", "blob", big, "b"})

	err := w.receiveTree(tree, func(*os.Root) {})

	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v, want that a is there twice", err)
	}
}

func TestSubmodulesAreUnpackedAtTheirPaths(t *testing.T) {
	w := newWorld(t)
	host := filepath.Join(w.dir, "host")
	s := httptest.NewServer(http.FileServer(http.Dir(host)))
	t.Cleanup(s.Close)
	lib := w.hosted(host, "lib.git", files{"l": "lib"})
	gitmodules := w.blob("[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = " + s.URL + "/lib.git\n")
	tree := w.tree(
		entry{"100644", "blob", gitmodules, ".gitmodules"},
		entry{"40000", "tree", w.tree(entry{"160000", "commit", lib, "lib"}), "vendor"},
	)

	err := w.receiveTree(tree, func(root *os.Root) {
		if content, err := root.ReadFile("vendor/lib/l"); err != nil || string(content) != "lib" {
			t.Errorf("vendor/lib/l = %q, %v", content, err)
		}
	})

	if !errors.Is(err, errLooked) {
		t.Errorf("error = %v", err)
	}
}

// A link and a submodule of the same path, and a path that leads up: the
// submodule's files must not follow.
func TestSubmoduleDoesNotFollowALink(t *testing.T) {
	for name, tt := range map[string]struct{ path, entry string }{
		"through a link": {"lib/x", "lib"},
		"up":             {"../outside", ".."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			outside, host := filepath.Join(w.dir, "outside"), filepath.Join(w.dir, "host")
			w.must(os.Mkdir(outside, 0o755))
			s := httptest.NewServer(http.FileServer(http.Dir(host)))
			t.Cleanup(s.Close)
			lib := w.hosted(host, "lib.git", files{"pwned": "evil"})
			gitmodules := w.blob("[submodule \"lib\"]\n\tpath = " + tt.path + "\n\turl = " + s.URL + "/lib.git\n")
			_, last, _ := strings.Cut(tt.path, "/")
			entries := []entry{{"100644", "blob", gitmodules, ".gitmodules"}}
			if tt.entry == "lib" {
				entries = append(entries, entry{"120000", "blob", w.blob(outside), "lib"})
			}
			entries = append(entries, entry{"40000", "tree", w.tree(entry{"160000", "commit", lib, last}), tt.entry})

			err := w.receiveTree(w.tree(entries...), func(*os.Root) { t.Error("it was built") })

			if stage, ok := errors.AsType[*appliance.StageError](err); !ok || stage.Stage != appliance.StageReceive {
				t.Errorf("error = %v, want it refused when it is received", err)
			}
			if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
				t.Errorf("outside there is %v, %v, want nothing", left, err)
			}
		})
	}
}

// hosted makes a repository in a directory that is served as files.
func (w *world) hosted(host, name string, f files) string {
	w.t.Helper()
	work := w.t.TempDir()
	for file, content := range f {
		w.must(os.WriteFile(filepath.Join(work, file), []byte(content), 0o644))
	}
	w.git(work, "init", "-q", "-b", "main")
	w.git(work, "add", ".")
	w.git(work, "commit", "-q", "-m", "t")
	w.git(work, "clone", "-q", "--bare", ".", filepath.Join(host, name))
	w.git(filepath.Join(host, name), "update-server-info")
	return w.git(work, "rev-parse", "HEAD")
}
