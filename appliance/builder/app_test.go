package builder_test

import (
	"bytes"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
)

var goApp = map[string]string{
	"go.mod": "module example.com/blog\n\ngo 1.24\n\nrequire rsc.io/quote v1.5.2\n\nrequire (\n\tgolang.org/x/text v0.0.0-20170915032832-14c0d48ead0c // indirect\n\trsc.io/sampler v1.3.0 // indirect\n)\n",
	"go.sum": `golang.org/x/text v0.0.0-20170915032832-14c0d48ead0c h1:qgOY6WgZOaTkIIMiVjBQcw93ERBE4m30iBm00nkL0i8=
golang.org/x/text v0.0.0-20170915032832-14c0d48ead0c/go.mod h1:NqM8EUOU14njkJ3fqMW+pc6Ldnwhi/IjpwHt7yyuwOQ=
rsc.io/quote v1.5.2 h1:w5fcysjrx7yqtD/aO+QwRjYZOKnaM9Uh2b40tElTs3Y=
rsc.io/quote v1.5.2/go.mod h1:LzX7hefJvL54yjefDEDHNONDjII0t9xZLPXsUe+TKr0=
rsc.io/sampler v1.3.0 h1:7uVkIFmeBqHfdjD+gZwtXXI+RODJ2Wc4O7MPEh/QiW4=
rsc.io/sampler v1.3.0/go.mod h1:T1hPZKmBbMNahiBKFy5HrXp6adAjACjK9JXDnKaTXpA=
`,
	"greeting.txt": "from a file of the source",
	"main.go": `package main

import (
	"net/http"
	"os"

	"rsc.io/quote"
)

func main() {
	text, _ := os.ReadFile("greeting.txt")
	http.ListenAndServe(":"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(quote.Opt() + " " + string(text)))
	}))
}
`,
}

func TestGoModuleWithADependencyAnswers(t *testing.T) {
	w := newWorld(t)
	dir := source(t, goApp)

	r, first := w.mustBuild(dir, nil)
	_, body := w.get(w.start(r, "web"), "/")
	_, second := w.mustBuild(dir, offline)

	if want := "If a program is too slow, it must have a loop. from a file of the source"; body != want {
		t.Errorf("answer = %q, want %q", body, want)
	}
	if !strings.Contains(first, "go: downloading rsc.io/quote v1.5.2") {
		t.Errorf("the first build says nothing of a download:\n%s", first)
	}
	if strings.Contains(second, "downloading") {
		t.Errorf("the second build downloads again:\n%s", second)
	}
}

func TestStaticSiteAnswers(t *testing.T) {
	w := newWorld(t)
	for name, files := range map[string]map[string]string{
		"root":        {"index.html": "hello"},
		"public":      {"public/index.html": "hello"},
		"static.json": {"static.json": `{"root": "my site", "routes": {"/**": "index.html"}}`, "my site/index.html": "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: appliance.AppName("site" + strings.ReplaceAll(name, ".", ""))}
			r, out := w.mustBuild(source(t, files), nil)
			p := w.start(r, "web")
			status, body := w.get(p, "/")

			if status != 200 || body != "hello" {
				t.Errorf("answer = %d %q\n%s", status, body, out)
			}
			if status, _ := w.get(p, "/.release"); name != "static.json" && status != 404 {
				t.Errorf("/.release = %d, want 404", status)
			}
		})
	}
}

func TestProcfileAloneRunsEveryTypeItNames(t *testing.T) {
	w := newWorld(t)
	r, out := w.mustBuild(source(t, map[string]string{
		"Procfile": "# two of them\r\nweb: echo it\\'s \"$WORD\" > said && exec python3 -m http.server $PORT\r\n\r\nworker: ./work.sh 'a b'\n",
		"work.sh":  "#!/bin/sh\necho \"works on $1\"\n",
	}), nil)

	_, body := w.get(w.start(r, "web", "WORD=it's \"quoted\"\nand long"), "/said")
	said := w.run(r, "/start", "worker")

	if want := "it's it's \"quoted\"\nand long\n"; body != want {
		t.Errorf("answer = %q, want %q\n%s", body, want, out)
	}
	if said != "works on a b\n" {
		t.Errorf("worker says %q", said)
	}
	if len(r.Procfile) != 2 || r.Procfile["worker"] != "./work.sh 'a b'" {
		t.Errorf("process types = %q", r.Procfile)
	}
}

func TestDockerfileAnswersOnThePortItExposes(t *testing.T) {
	w := newWorld(t)
	dir := source(t, map[string]string{
		"Dockerfile": "FROM " + testInstance(t) + base + "\nEXPOSE 9000/udp 8081 8080\nCOPY run /run.sh\nCMD [\"/run.sh\"]\n",
		"run":        "#!/bin/sh\nwhile :; do perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>5,LocalPort=>8080,ReuseAddr=>1);while($c=$s->accept){<$c>;print $c \"HTTP/1.0 200 OK\\r\\n\\r\\nhello\";close $c}'; done\n",
	})

	r, out := w.mustBuild(dir, map[string]string{"SECRET": "x"})
	_, body := w.get(w.start(r, "web"), "/")

	if r.Port != 8080 || r.Stack != "" || r.Procfile["web"] != "" || len(r.Procfile) != 1 {
		t.Errorf("result = %+v", r)
	}
	if body != "hello" {
		t.Errorf("answer = %q\n%s", body, out)
	}
}

func TestStopReachesTheAppItself(t *testing.T) {
	w := newWorld(t)
	for kind, command := range map[string]string{"node": "node stop.js", "npm": "npm start"} {
		t.Run(kind, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: appliance.AppName(kind)}
			r, _ := w.mustBuild(source(t, map[string]string{
				"Procfile":     "web: " + command,
				"package.json": `{"scripts": {"start": "node stop.js"}}`,
				"stop.js":      `process.on("SIGTERM", () => { console.log("told to stop"); process.exit(0) }); require("http").createServer((q, r) => r.end("up")).listen(process.env.PORT)`,
			}), nil)
			p := w.start(r, "web")
			w.get(p, "/")
			logs := make(chan string, 1)
			go func() {
				var out bytes.Buffer
				_ = w.engine.Logs(t.Context(), p.ID, appliance.LogOptions{Follow: true}, &out) // what it has is what counts
				logs <- out.String()
			}()

			begun := time.Now()
			if err := w.engine.Stop(t.Context(), 20*time.Second, p.ID); err != nil {
				t.Fatal(err)
			}

			if said := <-logs; !strings.Contains(said, "told to stop") {
				t.Errorf("the app was not told to stop:\n%s", said)
			}
			if took := time.Since(begun); took > 15*time.Second {
				t.Errorf("stopping took %s", took)
			}
		})
	}
}

// A config value in a layer would stay readable to everyone who has the image.
func TestConfigIsInNoLayerOfTheImage(t *testing.T) {
	w := newWorld(t)
	const secret = "sEcReT-4711\n'quoted\" $(touch /app/run) `x`"

	r, out := w.mustBuild(source(t, map[string]string{
		"package.json": `{"scripts": {"start": "node x", "build": "node build.js"}}`,
		"build.js":     `const s = process.env.TOKEN; console.log(s.length, s.endsWith("\x60x\x60"), s.includes("\n"), process.env.PATH.includes("evil"))`,
	}), map[string]string{"TOKEN": secret, "PATH": "/evil", "build": "/evil", "key": "/evil"})

	if !strings.Contains(out, "42 true true false") {
		t.Errorf("the build did not get the config as it is:\n%s", out)
	}
	save := exec.CommandContext(t.Context(), "docker", "save", string(r.Image))
	stream, err := save.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := save.Start(); err != nil {
		t.Fatal(err)
	}
	// The app's own source shows that the search finds what is there.
	secrets, sources := count(t, stream, "sEcReT-4711", "process.env.TOKEN")
	if err := save.Wait(); err != nil {
		t.Fatal(err)
	}
	if secrets != 0 || sources == 0 {
		t.Errorf("the secret is in the image %d times, the source %d times", secrets, sources)
	}
}

// count counts two strings in a stream.
func count(t *testing.T, r io.Reader, a, b string) (int, int) {
	t.Helper()
	var as, bs int
	buffer, kept := make([]byte, 1<<20), 0
	for {
		n, err := r.Read(buffer[kept:])
		window := buffer[:kept+n]
		as += bytes.Count(window, []byte(a))
		bs += bytes.Count(window, []byte(b))
		if err == io.EOF {
			return as, bs
		}
		if err != nil {
			t.Fatal(err)
		}
		// The end is kept, so that nothing is lost between two reads.
		kept = copy(buffer, window[max(0, len(window)-len(a)-len(b)):])
	}
}

func TestImageHoldsNothingButTheApp(t *testing.T) {
	w := newWorld(t)
	r, _ := w.mustBuild(source(t, map[string]string{
		"package.json": `{"scripts": {"start": "node x", "build": "echo x > $HOME/in-home; echo x > /tmp/in-tmp; mktemp"}}`,
		".profile":     "export FROM_PROFILE=yes",
		"Procfile":     "web: node x",
		"link":         "-> package.json",
	}), map[string]string{"A": "b"})

	found := w.run(r, "/exec", "bash", "-c", "cd / && find app cache tmp var/tmp build/env | sort; id -u; echo $FROM_PROFILE $HOME $PWD; readlink /app/link")

	for _, bad := range []string{"in-home", "in-tmp", "tmp/tmp", "cache/", "build/env/"} {
		if strings.Contains(found, bad) {
			t.Errorf("the image holds %s:\n%s", bad, found)
		}
	}
	for _, good := range []string{"app/.release\n", "app/.profile.d/nodejs.sh\n", "\n1000\nyes /app /\npackage.json\n"} {
		if !strings.Contains(found, good) {
			t.Errorf("want %q in:\n%s", good, found)
		}
	}
}

// An image has the stack's layers, and what its app adds to them is about as
// large as the app. So ten apps cost one stack and ten times their own files.
func TestImagesShareTheLayersOfTheStack(t *testing.T) {
	w := newWorld(t)
	s, err := stack()
	if err != nil {
		t.Fatal(err)
	}
	layers := func(image appliance.Image) ([]string, int) {
		t.Helper()
		out, err := exec.Command("docker", "image", "inspect", "--format", "{{.Size}} {{join .RootFS.Layers \" \"}}", string(image)).Output()
		if err != nil {
			t.Fatal(err)
		}
		size, all, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		bytes, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(all), bytes
	}
	shared, below := layers(s)
	const own = 1 << 20
	page := strings.Repeat("berth\n", own/6+1)
	for name, files := range map[string]map[string]string{
		"a Node.js app": {"package.json": `{"scripts": {"start": "node x"}}`, "page": page},
		"a static site": {"index.html": page},
		"another":       {"index.html": page + "another"},
		"a Procfile":    {"Procfile": "web: cat page", "page": page},
	} {
		r, _ := w.mustBuild(source(t, files), nil)

		all, size := layers(r.Image)
		if len(all) <= len(shared) || !slices.Equal(all[:len(shared)], shared) {
			t.Errorf("%s has the layers %q, want those of the stack first: %q", name, all, shared)
			continue
		}
		if size -= below; size < own || size > own*5/4 {
			t.Errorf("%s of %d bytes adds %d to the stack", name, own, size)
		}
	}
}
