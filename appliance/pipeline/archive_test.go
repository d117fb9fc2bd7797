package pipeline_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/git"
	"github.com/berthhq/berth/appliance/pipeline"
)

// packed is an archive of files of mode 0644, and of what more adds.
func packed(t *testing.T, f files, more ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var all []*tar.Header
	for name, content := range f {
		all = append(all, &tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg})
	}
	for _, h := range append(all, more...) {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		content, ok := f[h.Name]
		if !ok {
			content = strings.Repeat("x", int(h.Size))
		}
		if _, err := io.WriteString(w, content[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content) // into memory
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t *testing.T, f files, more ...func(*zip.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range f {
		e, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(e, content) // into memory
	}
	for _, add := range more {
		add(w)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var camila = git.Author{Name: "Camila", Email: "camila@example.com"}

// unpack deploys an archive from stdin.
func (w *world) unpack(content []byte, kind pipeline.ArchiveType) (string, error) {
	var out buffer
	err := w.FromArchive(w.as("ada"), "blog", pipeline.Archive{Content: bytes.NewReader(content), Type: kind}, camila, &out)
	return out.String(), err
}

// clean fails the test if anything was left of what came in.
func (w *world) wantNothingLeft() {
	w.t.Helper()
	for _, dir := range []string{w.Temp, w.Repos.Dir} {
		left, err := os.ReadDir(dir)
		for _, e := range left {
			if e.Name() != "blog.git" {
				w.t.Errorf("in %s is left %v, %v", dir, e, err)
			}
		}
	}
}

func TestArchiveIsDeployedAsAPush(t *testing.T) {
	app := serves()
	for name, tt := range map[string]struct {
		content []byte
		kind    pipeline.ArchiveType
	}{
		"tar":                      {packed(t, app), pipeline.Tar},
		"tar.gz":                   {gzipped(t, packed(t, app)), pipeline.TarGz},
		"zip":                      {zipped(t, app), pipeline.Zipped},
		"of no type":               {gzipped(t, packed(t, app)), ""},
		"in a directory of it all": {packed(t, files{"./blog-1.0/Dockerfile": app["Dockerfile"]}), ""},
		"zip in a directory":       {zipped(t, files{"blog-1.0/Dockerfile": app["Dockerfile"], "__MACOSX/._Dockerfile": "x"}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)

			out, err := w.unpack(tt.content, tt.kind)

			if err != nil || !strings.Contains(out, "-----> Updating git repository with specified build context\n-----> Receiving blog (") {
				t.Fatalf("error = %v\n%s", err, out)
			}
			w.wantAnswer("blog.localhost", "hello")
			log := w.git(w.Repos.Path("blog"), "log", "--format=%an <%ae> %s", "main")
			if log != "Camila <camila@example.com> git:from-archive stdin" {
				t.Errorf("log = %q", log)
			}
			live, err := w.Store.Release(t.Context(), "blog", 1)
			if head := w.git(w.Repos.Path("blog"), "rev-parse", "main"); err != nil || live.Commit != head {
				t.Errorf("release of %s, %v, want of %s", live.Commit, err, head)
			}
			w.wantNothingLeft()

			out, err = w.unpack(tt.content, tt.kind)
			if err != nil || !strings.Contains(out, "No changes detected") {
				t.Errorf("the same again: %v\n%s", err, out)
			}
			w.wantProcesses("blog", "web.1 v1")
		})
	}
}

func TestArchiveThatDoesNotBuildLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.deployed("blog", serves())
	before := w.git(w.Repos.Path("blog"), "cat-file", "--batch-all-objects", "--batch-check")

	out, err := w.unpack(packed(t, files{"README": "hi"}), "")

	if stage, ok := errors.AsType[*appliance.StageError](err); !ok || stage.Stage != appliance.StageBuild {
		t.Errorf("error = %v, want one of the build\n%s", err, out)
	}
	if after := w.git(w.Repos.Path("blog"), "cat-file", "--batch-all-objects", "--batch-check"); after != before {
		t.Errorf("the repository has\n%s\nwant what it had before:\n%s", after, before)
	}
	w.wantAnswer("blog.localhost", "hello")
	w.wantNothingLeft()
	if out, err := w.unpack(packed(t, serves("serve")), ""); err != nil { // and the next one goes well
		t.Errorf("%v\n%s", err, out)
	}
}

// What an archive holds is written by nobody knows whom, and the machine it
// comes to has more than one app.
func TestArchiveThatReachesOutIsRefused(t *testing.T) {
	link := func(name, target string) *tar.Header {
		return &tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeSymlink, Mode: 0o777}
	}
	hard := func(name, target string) *tar.Header {
		return &tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeLink, Mode: 0o777}
	}
	for name, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"up":                         {packed(t, files{"../pwned": "x"}), "leads out of it"},
		"up from within":             {packed(t, files{"a/../../pwned": "x"}), "leads out of it"},
		"absolute":                   {packed(t, files{"/etc/pwned": "x"}), "absolute path"},
		"zip, up":                    {zipped(t, files{"a/../../pwned": "x"}), "leads out of it"},
		"zip, absolute":              {zipped(t, files{"/etc/pwned": "x"}), "absolute path"},
		"a hard link out":            {packed(t, files{}, hard("passwd", "/etc/passwd")), "absolute path"},
		"a hard link up":             {packed(t, files{}, hard("passwd", "../../etc/passwd")), "leads out of it"},
		"a hard link to what is not": {packed(t, files{}, hard("passwd", "etc/passwd")), "has no file"},
		"a hard link through a link": {packed(t, files{}, link("etc", "/etc"), hard("passwd", "etc/passwd")), "has no file"},
		"a hard link to a directory": {packed(t, files{}, &tar.Header{Name: "a", Typeflag: tar.TypeReg}, &tar.Header{Name: "a/b", Typeflag: tar.TypeReg}, hard("c", "a")), "has no file"},
		"a hard link to itself":      {packed(t, files{}, &tar.Header{Name: "a", Typeflag: tar.TypeReg}, hard("a", "a")), "has no file"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)

			out, err := w.unpack(tt.content, "")

			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q\n%s", err, tt.want, out)
			}
			w.wantProcesses("blog")
			w.wantNothingLeft()
			if head, err := w.Repos.Branch(t.Context(), "blog", "main"); head != "" || err != nil {
				t.Errorf("main = %q, %v, want no branch", head, err)
			}
		})
	}
}

// contents of the source of blog, as a build sees it.
func (w *world) built(content []byte) (map[string]string, string, error) {
	w.t.Helper()
	seen := map[string]string{}
	w.Builders = []builder.Builder{looker(func(root *os.Root) { seen = list(w.t, root) })}
	out, err := w.unpack(content, "")
	if errors.Is(err, errLooked) {
		err = nil
	}
	return seen, out, err
}

// list has the mode and the content, or the target, of each file.
func list(t *testing.T, root *os.Root) map[string]string {
	t.Helper()
	seen := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		d, err := root.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		entries, err := d.ReadDir(-1)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := strings.TrimPrefix(dir+"/"+e.Name(), "./")
			info, err := root.Lstat(name)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case info.IsDir():
				walk(name)
			case info.Mode()&os.ModeSymlink != 0:
				to, _ := root.Readlink(name)
				seen[name] = "-> " + to
			default:
				content, err := root.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				seen[name] = fmt.Sprintf("%v %.20s", info.Mode(), content)
			}
		}
	}
	walk(".")
	return seen
}

func TestArchiveHasOnlyFilesAndLinks(t *testing.T) {
	w := newWorld(t)
	h := func(name string, kind byte, mode int64) *tar.Header {
		return &tar.Header{Name: name, Typeflag: kind, Mode: mode}
	}
	linked := h("again", tar.TypeLink, 0o644)
	linked.Linkname = "./run"
	out := h("out", tar.TypeSymlink, 0o777)
	out.Linkname = "../../../etc/passwd"
	evil := h("lib", tar.TypeSymlink, 0o777)
	evil.Linkname = w.dir
	content := packed(t, files{"a": "old"},
		h("run", tar.TypeReg, 0o6755), h("null", tar.TypeChar, 0o666), h("sda", tar.TypeBlock, 0o666), h("pipe", tar.TypeFifo, 0o666),
		linked, out, evil, h("lib/pwned", tar.TypeReg, 0o644),
		h(".git/config", tar.TypeReg, 0o644), h("sub/.GIT/hooks/post-checkout", tar.TypeReg, 0o755), h("empty/", tar.TypeDir, 0o755))

	seen, said, err := w.built(content)

	want := map[string]string{
		"a": "-rw-r--r-- old", "run": "-rwxr-xr-x ", "again": "-rwxr-xr-x ", "out": "-> ../../../etc/passwd", "lib/pwned": "-rw-r--r-- ",
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) || err != nil {
		t.Errorf("the build sees %v, %v, want %v", seen, err, want)
	}
	if !strings.Contains(said, `left out "null"`) || !strings.Contains(said, `left out "pipe"`) {
		t.Errorf("it does not say what was left out:\n%s", said)
	}
	if _, err := os.Stat(w.dir + "/pwned"); err == nil {
		t.Error("it wrote through a link")
	}
}

func TestArchiveThatIsTooMuchIsRefused(t *testing.T) {
	zeros := strings.Repeat("\x00", 3<<20)
	many := files{}
	for i := range 30 {
		many[fmt.Sprint(i)] = ""
	}
	big := packed(t, files{"big.bin": zeros})
	for name, tt := range map[string]struct {
		content    []byte
		want, hint string
	}{
		"a big file":                 {big, `"big.bin" (3 MiB) is too much: the files of an archive may have 2 MiB`, "archive-max-size"},
		"a bomb":                     {gzipped(t, big), `"big.bin" (3 MiB)`, "archive-max-size"},
		"a zip bomb":                 {zipped(t, files{"big.bin": zeros}), `"big.bin" (3 MiB)`, "archive-max-size"},
		"a zip that lies":            {lying(t, zeros), "another size", ""},
		"many links to one":          {packed(t, files{"f": zeros[:1<<20]}, again("f", "a"), again("f", "b"), again("f", "c")), "too much", "archive-max-size"},
		"many files":                 {packed(t, many), "more than 20 files", "archive-max-files"},
		"many files in a zip":        {zipped(t, many), "more than 20 files", "archive-max-files"},
		"a long list in a zip":       {zipped(t, longList()), "more than 20 files", "archive-max-files"},
		"endless padding":            {gzipped(t, append(packed(t, serves()), make([]byte, 8<<20)...)), "more than the 2 MiB", "archive-max-size"},
		"what is packed is too much": {append(packed(t, serves()), make([]byte, 8<<20)...), "more than the 2 MiB", "archive-max-size"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.Store.Set(t.Context(), pipeline.ArchiveMaxSizeSetting, fmt.Sprint(2<<20)))
			w.must(w.Store.SetApp(t.Context(), "blog", pipeline.ArchiveMaxFilesSetting, "20"))

			_, err := w.unpack(tt.content, "")

			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(appliance.HintOf(err), tt.hint) {
				t.Errorf("error = %v (%s), want %q", err, appliance.HintOf(err), tt.want)
			}
			w.wantProcesses("blog")
			w.wantNothingLeft()
		})
	}
}

func again(of, name string) *tar.Header {
	return &tar.Header{Name: name, Linkname: of, Typeflag: tar.TypeLink}
}

// lying is a zip with a file that says it has one byte.
func lying(t *testing.T, content string) []byte {
	return zipped(t, files{}, func(w *zip.Writer) {
		var b bytes.Buffer
		inner := zip.NewWriter(&b)
		e, _ := inner.Create("big.bin")
		io.WriteString(e, content)
		inner.Close()
		r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		h := r.File[0].FileHeader
		raw, err := r.File[0].OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		h.UncompressedSize64 = 1
		h.Flags &^= 8
		to, err := w.CreateRaw(&h)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(to, raw)
	})
}

// longList has few enough files, with names so long that reading them alone
// would take much memory.
func longList() files {
	f := files{}
	for i := range 10 {
		f[fmt.Sprintf("%d%s", i, strings.Repeat("x", 60_000))] = ""
	}
	return f
}

func TestArchiveThatCannotBeReadSaysSo(t *testing.T) {
	whole := packed(t, serves())
	for name, tt := range map[string]struct {
		content []byte
		kind    pipeline.ArchiveType
		want    string
	}{
		"nothing":           {nil, "", "is empty"},
		"something else":    {[]byte("<html>" + strings.Repeat("not found ", 200)), "", "read the tar archive"},
		"cut off":           {whole[:530], "", "read the tar archive"},
		"without its end":   {whole[:1024], "", "read the tar archive"},
		"a cut off zip":     {zipped(t, serves())[:60], "", "read the zip archive"},
		"a cut off tar.gz":  {gzipped(t, whole)[:60], "", "read the tar.gz archive"},
		"of another type":   {zipped(t, serves()), pipeline.TarGz, "it is a zip, not a tar.gz"},
		"with nothing init": {packed(t, files{}), "", "has no files"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)

			_, err := w.unpack(tt.content, tt.kind)

			if err == nil || !strings.Contains(err.Error(), tt.want) || appliance.HintOf(err) == "" {
				t.Errorf("error = %v (%s), want %q and what to do", err, appliance.HintOf(err), tt.want)
			}
			w.wantNothingLeft()
		})
	}
}

func (w *world) download(ctx context.Context, raw string) (string, error) {
	w.t.Helper()
	u, err := url.Parse(raw)
	w.must(err)
	var out buffer
	err = w.FromArchive(ctx, "blog", pipeline.Archive{URL: u}, camila, &out)
	return out.String(), err
}

func TestArchiveIsDownloaded(t *testing.T) {
	w := newWorld(t)
	content := gzipped(t, packed(t, serves()))
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/latest":
			http.Redirect(rw, r, "/app.tar.gz", http.StatusFound)
		case "/app.tar.gz":
			rw.Write(content)
		case "/loop":
			http.Redirect(rw, r, "/loop", http.StatusFound)
		case "/file":
			rw.Header().Set("Location", "file:///etc/passwd")
			rw.WriteHeader(http.StatusFound)
		default:
			http.NotFound(rw, r)
		}
	}))
	t.Cleanup(s.Close)

	out, err := w.download(w.as("ada"), s.URL+"/latest?signature=hunter2")

	if err != nil || strings.Contains(out, "hunter2") || !strings.Contains(out, "-----> Downloading archive from "+s.URL+"/latest\n") {
		t.Errorf("error = %v\n%s", err, out)
	}
	w.wantAnswer("blog.localhost", "hello")
	if log := w.git(w.Repos.Path("blog"), "log", "--format=%s", "main"); log != "git:from-archive "+s.URL+"/latest" {
		t.Errorf("log = %q", log)
	}
	for path, want := range map[string]string{"/gone": "404", "/loop": "not followed", "/file": "not followed"} {
		if _, err := w.download(w.as("ada"), s.URL+path+"?signature=hunter2"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	w.wantNothingLeft()
}

// Who may work on one app could read with it what only the machine can reach.
func TestArchiveOfThisMachineIsForAdminsOnly(t *testing.T) {
	w := newWorld(t)
	asked := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(s.Close)
	bob := appliance.WithActor(t.Context(), appliance.Actor{Name: "bob", Door: appliance.SSH})

	for _, address := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), "http://169.254.169.254/latest/meta-data"} {
		_, err := w.download(bob, address)

		if _, refused := errors.AsType[*git.ReachError](err); !refused || asked || errors.Is(err, appliance.ErrDenied) {
			t.Errorf("%s: %v, asked %v, want it refused", address, err, asked)
		}
	}
}
