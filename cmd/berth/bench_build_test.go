package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkBuild is "make bench-build". It prints a table, which
// docs/performance.md explains: what a warm rebuild takes when only the app's
// own source has changed, beside what the tool takes that does the work, and
// beside the same app built by a careful Dockerfile.
func BenchmarkBuild(b *testing.B) {
	n := number("BERTH_BENCH_N", 5)
	m := prepared(b, "", "BERTH_STACK_BINARY="+stackBinary(b))
	m.must(b, "/", "docker", "tag", baseImage(), m.instance+baseName)
	m.binary = compile(b, ".", "-ldflags=-s -w")
	if err := errors.Join(m.start(), m.admit()); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("\n%d processors, %s, %d of each\n", runtime.NumCPU(), m.dockerVersion(b), n)
	for _, of := range []language{nodeApp, goApp} {
		m.benchLanguage(b, of, n)
	}
}

// A language is one of which an app is built in the benchmark.
type language struct {
	name       string
	files      map[string]string
	prepare    string // in the stack, once: what a developer does before the first commit
	tool       string // in the stack, with warm caches: the work that no builder can spare
	dockerfile string // the same app, built with care
}

var nodeApp = language{
	name: "node",
	files: map[string]string{
		"package.json": `{"name": "app", "private": true, "scripts": {"start": "node server.js"},
  "dependencies": {"express": "4.21.2", "compression": "1.8.0", "helmet": "8.1.0", "pg": "8.14.1"}, "devDependencies": {"prettier": "3.5.3"}}`,
		"server.js": `const app = require("express")();
require("compression"); require("helmet"); require("pg");
app.get("/", (_, answer) => answer.send(require("fs").readFileSync("greeting", "utf8")));
app.listen(process.env.PORT);
`,
	},
	prepare:    "npm install --silent --package-lock-only",
	tool:       "npm ci --silent --include=dev && npm prune --silent --omit=dev",
	dockerfile: "FROM %s\nUSER root\nENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt\nWORKDIR /srv\nCOPY package*.json ./\nRUN npm ci --omit=dev\nCOPY . .\nCMD [\"node\", \"server.js\"]\n",
}

var goApp = language{
	name: "go",
	files: map[string]string{
		"go.mod": "module example.org/app\n\ngo 1.26\n\nrequire (\n\tgithub.com/gorilla/mux v1.8.1\n\tgolang.org/x/text v0.23.0\n)\n",
		"main.go": `package main

import (
	_ "embed"
	"net/http"
	"os"

	"github.com/gorilla/mux"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

//go:embed greeting
var greeting string

func main() {
	_ = cases.Title(language.English)
	r := mux.NewRouter()
	r.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(greeting)) })
	http.ListenAndServe(":"+os.Getenv("PORT"), r)
}
`,
	},
	prepare: "echo >greeting && go mod tidy",
	tool:    "go build -o /tmp/app .",
	dockerfile: "FROM %s\nUSER root\nWORKDIR /srv\nCOPY go.* ./\nRUN --mount=type=cache,target=/root go env -w GOMODCACHE=/root/mod GOCACHE=/root/build && go mod download\n" +
		"COPY . .\nRUN --mount=type=cache,target=/root GOMODCACHE=/root/mod GOCACHE=/root/build go build -o /srv/app .\nCMD [\"/srv/app\"]\n",
}

func (m *machine) benchLanguage(b *testing.B, of language, n int) {
	ours := &site{machine: m, dir: b.TempDir(), app: of.name, page: "/"}
	for name, text := range of.files {
		if err := os.WriteFile(filepath.Join(ours.dir, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	m.must(b, ours.dir, "git", "init", "--quiet", "--initial-branch", "main")
	stack := m.stackImage(b, ours, of)
	cold, _ := ours.deploy(b, 0)

	port, err := freePort()
	if err != nil {
		b.Fatal(err)
	}
	careful := &floor{site{machine: m, dir: b.TempDir(), page: "/"}, port, m.instance + "-floor-" + of.name, buildKitClient(b), 5000}
	b.Cleanup(careful.remove)
	m.must(b, careful.dir, "git", "clone", "--quiet", ours.dir, ".")
	if err := os.WriteFile(filepath.Join(careful.dir, "Dockerfile"), fmt.Appendf(nil, of.dockerfile, stack), 0o644); err != nil {
		b.Fatal(err)
	}
	careful.deploy(b, 0) // fills its caches

	var pushes, dockers, tools []time.Duration
	for i := range n {
		f := careful.deploy(b, i+1)
		p, _ := ours.deploy(b, i+1)
		dockers, pushes = append(dockers, f), append(pushes, p)
		tools = append(tools, m.toolTime(b, stack, ours.dir, of, i))
	}
	fmt.Printf("\n%-52s %9s %9s %9s\n", of.name+", only its own source has changed", "median", "min", "max")
	row("the tool alone: "+of.tool, tools)
	row("docker build with cache + docker run + answer", dockers)
	row("berth: git push, new version answers", pushes)
	fmt.Printf("%-52s %9s\n", "berth above the tool (goal: at most 1.5 s)", inMilliseconds(median(pushes)-median(tools)))
	fmt.Printf("%-52s %9s\n", "berth: the first push", inMilliseconds(cold))
}

// stackImage has the developer's first step done in the stack, and returns the
// stack.
func (m *machine) stackImage(b *testing.B, s *site, of language) string {
	b.Helper()
	m.must(b, "/", "ssh", "berth", "stack:build")
	images := strings.Fields(m.must(b, "/", "docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference="+m.instance+"/stack:debian-*"))
	if len(images) == 0 {
		b.Fatal("there is no stack")
	}
	m.must(b, "/", "docker", "run", "--rm", "--user", "0:0", "--volume", s.dir+":/srv", "--workdir", "/srv", images[0], "/exec", "bash", "-c", "cd /srv && "+trust+of.prepare)
	return images[0]
}

// trust lets Node.js see the certificate authorities of the machine.
const trust = "export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt; "

var elapsed = regexp.MustCompile(`elapsed ([0-9]+)`)

// toolTime returns how long the tool alone takes, in the stack, for the same
// source, with its caches as the builds leave them. The first has to fill them.
func (m *machine) toolTime(b *testing.B, stack, dir string, of language, i int) time.Duration {
	b.Helper()
	cache := filepath.Join(filepath.Dir(m.home), "tool-"+of.name)
	script := trust + "export HOME=/cache GOPATH=/cache/go GOFLAGS=-modcacherw npm_config_prefer_offline=true npm_config_audit=false npm_config_fund=false;" +
		"cp -r /src /work && cd /work && start=$EPOCHREALTIME && { " + of.tool + "; } >/dev/null && end=$EPOCHREALTIME && echo elapsed $(( (${end/./} - ${start/./}) / 1000 ))"
	run := func() time.Duration {
		out := m.must(b, "/", "docker", "run", "--rm", "--user", "0:0", "--volume", dir+":/src:ro", "--volume", cache+":/cache", stack, "bash", "-c", script)
		found := elapsed.FindStringSubmatch(out)
		if found == nil {
			b.Fatalf("the tool printed %q", out)
		}
		n, _ := strconv.Atoi(found[1]) // digits
		return time.Duration(n) * time.Millisecond
	}
	if i == 0 {
		run()
	}
	return run()
}
