package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

// BenchmarkDeploy is "make bench-deploy". It prints a table, which
// docs/performance.md explains: what a deploy takes beside what Docker alone
// takes for the same change, in turns, so that both meet the machine in the
// same mood.
func BenchmarkDeploy(b *testing.B) {
	n := number("BERTH_BENCH_N", 9)
	m := prepared(b, "")
	m.binary = compile(b, ".", "-ldflags=-s -w")
	if err := errors.Join(m.start(), m.admit()); err != nil {
		b.Fatal(err)
	}
	fresh := m.memory(b)
	ours := &site{machine: m, dir: m.siteSource(b), app: "site", page: "/file/greeting"}
	port, err := freePort()
	if err != nil {
		b.Fatal(err)
	}
	floor := &floor{site{machine: m, dir: m.siteSource(b), page: "/file/greeting"}, port, m.instance + "-floor", buildKitClient(b), 8080}
	b.Cleanup(floor.remove)

	var floors, pushes, prompts []time.Duration
	for i := range n + 1 {
		f, p, done := floor.deploy(b, i), time.Duration(0), time.Duration(0)
		p, done = ours.deploy(b, i)
		if i > 0 { // the first fills the caches
			floors, pushes, prompts = append(floors, f), append(pushes, p), append(prompts, done)
		}
	}
	fmt.Printf("\n%d processors, %s, %d of each\n\n", runtime.NumCPU(), m.dockerVersion(b), n)
	fmt.Printf("%-52s %9s %9s %9s\n", "", "median", "min", "max")
	row("floor: docker build + docker run + answer", floors)
	row("berth: git push, new version answers", pushes)
	row("berth: git push, prompt is back", prompts)
	fmt.Printf("%-52s %9s\n", "berth above the floor (goal: at most 1 s)", inMilliseconds(median(pushes)-median(floors)))

	var alone, shared []time.Duration
	control := []string{"-o", "ControlPath=" + filepath.Join(m.home, "control"), "-o", "ControlMaster=auto", "-o", "ControlPersist=60"}
	m.must(b, "/", "ssh", append(control, "berth", "apps:list")...)
	for range 3 * n {
		alone = append(alone, m.timed(b, "ssh", "berth", "apps:list"))
		shared = append(shared, m.timed(b, "ssh", append(control, "berth", "apps:list")...))
	}
	m.must(b, "/", "ssh", append(control, "-O", "exit", "berth")...)
	row("ssh berth apps:list (goal: at most 100 ms)", alone)
	row("the same over a connection that is there", shared)

	idle := m.atRest(b)
	info, err := os.Stat(m.binary)
	if err != nil {
		b.Fatal(err)
	}
	fmt.Println()
	fmt.Printf("%-52s %9s\n", "memory after the start (RSS)", inMB(fresh.rss))
	fmt.Printf("%-52s %9s\n", fmt.Sprintf("memory at rest after %d pushes (RSS, goal: 40)", n+1), inMB(idle.rss))
	fmt.Printf("%-52s %9s\n", "of that, nobody else's (anonymous)", inMB(idle.anonymous))
	fmt.Printf("%-52s %9s\n", "the binary", inMB(info.Size()))
}

// A site is a repository in whose history one line of one file changes.
type site struct {
	*machine
	dir  string
	app  string
	page string // where the line is answered
}

func (m *machine) siteSource(b *testing.B) (dir string) {
	b.Helper()
	dir = m.repository(b, "site")
	text := "FROM scratch\nCOPY app /\nCOPY greeting /\nEXPOSE 8080\nCMD [\"/app\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	return dir
}

// edit changes the line and commits it. It returns the line.
func (s *site) edit(b *testing.B, i int) (line string) {
	b.Helper()
	line = fmt.Sprintf("this is version %d\n", i)
	if err := os.WriteFile(filepath.Join(s.dir, "greeting"), []byte(line), 0o644); err != nil {
		b.Fatal(err)
	}
	s.must(b, s.dir, "git", "add", "--all")
	s.must(b, s.dir, "git", "commit", "--quiet", "--message", line)
	return line
}

// deploy pushes the next version. It returns how long it took until a visitor
// was answered by it, and until the pusher had the prompt back.
func (s *site) deploy(b *testing.B, i int) (answers, prompt time.Duration) {
	b.Helper()
	line := s.edit(b, i)
	client, err := s.browser()
	if err != nil {
		b.Fatal(err)
	}
	defer client.CloseIdleConnections()
	done := make(chan time.Duration, 1)
	begun := time.Now()
	go func() {
		out, err := s.run(s.dir, "git", "push", "-q", "berth:"+s.app, "main")
		if err != nil {
			b.Error(out)
		}
		done <- time.Since(begun)
	}()
	until(b, client, "https://"+s.app+".localhost"+s.page, line)
	answers = time.Since(begun)
	return answers, <-done
}

// A floor is what Docker alone takes.
type floor struct {
	site
	port   int
	name   string
	client string
	listen int // the port that the app listens on
}

// buildKitClient returns a docker command line that can build with BuildKit:
// some need a plug-in for it, which is not always there.
func buildKitClient(b *testing.B) string {
	b.Helper()
	var said []string
	for _, client := range []string{"docker", "/usr/bin/docker"} {
		build := exec.Command(client, "build", "--quiet", "-")
		build.Env = append(os.Environ(), "DOCKER_BUILDKIT=1")
		build.Stdin = strings.NewReader("FROM scratch\nLABEL berth.bench=yes\n")
		out, err := build.Output()
		if err == nil {
			exec.Command(client, "image", "rm", strings.TrimSpace(string(out))).Run() // it was only to see
			return client
		}
		said = append(said, fmt.Sprintf("%s: %v", client, err))
	}
	b.Fatalf("no docker command line can build with BuildKit: %q", said)
	return ""
}

func (f *floor) deploy(b *testing.B, i int) time.Duration {
	b.Helper()
	line := f.edit(b, i)
	f.remove()
	begun := time.Now()
	build := f.command(f.dir, f.client, "build", "--quiet", "--tag", f.name, ".")
	build.Env = append(build.Env, "DOCKER_BUILDKIT=1")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("docker build: %v\n%s", err, out)
	}
	f.must(b, f.dir, f.client, "run", "--detach", "--name", f.name, "--publish", fmt.Sprintf("127.0.0.1:%d:%d", f.port, f.listen), "--env", fmt.Sprintf("PORT=%d", f.listen), f.name)
	until(b, &http.Client{}, fmt.Sprintf("http://127.0.0.1:%d%s", f.port, f.page), line)
	return time.Since(begun)
}

func (f *floor) remove() {
	// There may be neither.
	f.command("/", f.client, "rm", "--force", f.name).Run()
	f.command("/", f.client, "image", "rm", f.name).Run()
}

// until asks for a URL every few milliseconds until the answer is want.
func until(b *testing.B, client *http.Client, url, want string) {
	b.Helper()
	await.That(b, fmt.Sprintf("%s says %q", url, want), func() bool {
		r, err := client.Get(url)
		if err != nil {
			return false
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body) // half a text is not what is wanted
		return string(text) == want
	})
}

func (m *machine) timed(b *testing.B, name string, args ...string) time.Duration {
	b.Helper()
	begun := time.Now()
	m.must(b, "/", name, args...)
	return time.Since(begun)
}

func (m *machine) dockerVersion(b *testing.B) string {
	b.Helper()
	out, err := exec.Command("docker", "version", "--format", "Docker {{.Server.Version}}").Output()
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// A memory is what a process holds, in bytes.
type memory struct{ rss, anonymous int64 }

// memory returns what the daemon holds now.
func (m *machine) memory(b testing.TB) (now memory) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.daemon.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kilobytes, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			now.rss = kilobytes << 10
		case "RssAnon:":
			now.anonymous = kilobytes << 10
		}
	}
	return now
}

// atRest returns what the daemon holds when that does not change any
// more, also when it has looked for what it can give back.
func (m *machine) atRest(b *testing.B) memory {
	b.Helper()
	now, since := m.memory(b), time.Now()
	if !await.Until(3*restEvery, func() bool {
		if next := m.memory(b); next.rss != now.rss {
			now, since = next, time.Now()
		}
		return time.Since(since) > restEvery
	}) {
		b.Log("the daemon's memory still changes")
	}
	return now
}

func row(what string, took []time.Duration) {
	fmt.Printf("%-52s %9s %9s %9s\n", what, inMilliseconds(median(took)), inMilliseconds(slices.Min(took)), inMilliseconds(slices.Max(took)))
}

func median(took []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[len(sorted)/2]
}

func inMilliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func inMB(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
