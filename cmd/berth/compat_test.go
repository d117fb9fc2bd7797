package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A project is a public repository that nobody here wrote, at a commit, and
// what has to be said to deploy it unchanged: commands, with the app's name as
// their second word.
type project struct {
	repo, commit string
	commands     [][]string
	path         string // asked for; "/" if ""
	want         string // part of the answer
}

var viaBuildpacks = []string{"builder:set", "APP", "selected", "buildpacks"}

var projects = []project{
	{repo: "heroku/go-getting-started", commit: "3e3b414", commands: [][]string{viaBuildpacks}, want: "Getting Started"},
	{repo: "socketio/chat-example", commit: "3c7903c", commands: [][]string{{"buildpacks:set", "APP", "nodejs"}}, want: "Socket.IO chat"},
	{repo: "toptal/haste-server", commit: "a567632", commands: [][]string{viaBuildpacks}, want: "hastebin"},
	{repo: "heroku-examples/node-websockets", commit: "4051a23", want: "Server time"},
	{repo: "digitalocean/sample-nodejs", commit: "2bb2580", want: "See Also:"},
	{repo: "digitalocean/sample-golang", commit: "1e05872", want: "Hello"},
	{repo: "render-examples/express-hello-world", commit: "59bb072", want: "Hello from Render"},
	{repo: "StartBootstrap/startbootstrap-clean-blog", commit: "1ebc4f8", commands: [][]string{{"builder:set", "APP", "build-dir", "dist"}}, want: "Clean Blog"},
	{repo: "gabrielecirulli/2048", commit: "478b6ec", want: "2048"},
	{repo: "traefik/whoami", commit: "8951300", commands: [][]string{viaBuildpacks, {"config:set", "APP", "WHOAMI_PORT_NUMBER=5000"}}, want: "X-Forwarded-Proto: https"},
	{repo: "mccutchen/go-httpbin", commit: "697b6e3", commands: [][]string{viaBuildpacks}, path: "/headers", want: "X-Forwarded-For"},
	{repo: "umputun/reproxy", commit: "43daa21", commands: [][]string{viaBuildpacks, {"config:set", "APP", "LISTEN=0.0.0.0:5000", "ASSETS_LOCATION=/app/site"}}, path: "/ping", want: "pong"},
	{repo: "dokku/smoke-test-app", commit: "96f6ba2", commands: [][]string{{"buildpacks:set", "APP", "procfile"}}, want: "python/http.server"},
}

// TestCompatibility is "make compatibility": it pushes each of projects, and
// prints the table of docs/compatibility.md. BERTH_COMPAT names a directory of
// bare repositories, owner+name/repo, to take them from; "https" takes them
// from GitHub.
func TestCompatibility(t *testing.T) {
	from := os.Getenv("BERTH_COMPAT")
	if from == "" {
		t.Skip("BERTH_COMPAT does not say where public repositories are")
	}
	m := prepared(t, "", "BERTH_STACK_BINARY="+stackBinary(t))
	m.must(t, "/", "docker", "tag", baseImage(), m.instance+baseName)
	if err := errors.Join(m.start(), m.admit()); err != nil {
		t.Fatal(err)
	}
	m.must(t, "/", "ssh", "berth", "stack:build")
	fmt.Printf("| repository | commit | said before the push | first build | again | its own size | answer |\n|---|---|---|---|---|---|---|\n")
	for _, p := range projects {
		t.Run(p.repo, func(t *testing.T) { m.compatible(t, p, from) })
	}
}

func (m *machine) compatible(t *testing.T, p project, from string) {
	url := "https://github.com/" + p.repo
	if from != "https" {
		url = filepath.Join(from, strings.ReplaceAll(p.repo, "/", "+"), "repo")
	}
	_, app, _ := strings.Cut(strings.ToLower(p.repo), "/")
	dir := t.TempDir()
	m.must(t, dir, "git", "clone", "--quiet", "--no-checkout", url, ".")
	m.must(t, dir, "git", "checkout", "--quiet", "-B", "main", p.commit)
	m.must(t, "/", "ssh", "berth", "apps:create", app)
	var said []string
	for _, words := range p.commands {
		words = append([]string{words[0], app}, words[2:]...)
		said = append(said, "`"+strings.Join(words, " ")+"`")
		m.must(t, "/", "ssh", append([]string{"berth"}, words...)...)
	}
	push := func() time.Duration {
		begun := time.Now()
		m.must(t, dir, "git", "push", "berth:"+app, "main")
		return time.Since(begun)
	}
	cold := push()
	m.must(t, dir, "git", "commit", "--quiet", "--allow-empty", "--message", "again")
	warm := push()

	client, err := m.browser()
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	path := p.path
	if path == "" {
		path = "/"
	}
	answer, err := client.Get("https://" + app + ".localhost" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if status := answer.StatusCode; err != nil || status >= 400 || !strings.Contains(string(body), p.want) {
		t.Errorf("GET %s answered %d %.300q, %v; want %q", path, status, body, err, p.want)
	}
	fmt.Printf("| %s | %s | %s | %.1f s | %.1f s | %.1f MB | %d |\n", p.repo, p.commit, strings.Join(said, ", "), cold.Seconds(), warm.Seconds(), m.ownSize(t, app), answer.StatusCode)
	m.must(t, "/", "ssh", "berth", "apps:destroy", app, "--force")
}

// ownSize returns what an app's newest image has above the stack, in MB.
func (m *machine) ownSize(t *testing.T, app string) float64 {
	t.Helper()
	size := func(reference string) float64 {
		images := strings.Fields(m.must(t, "/", "docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference="+reference))
		if len(images) == 0 {
			return 0
		}
		bytes, err := strconv.ParseFloat(strings.TrimSpace(m.must(t, "/", "docker", "image", "inspect", "--format", "{{.Size}}", images[0])), 64)
		if err != nil {
			t.Fatal(err)
		}
		return bytes / 1e6
	}
	return size(m.instance+"/"+app) - size(m.instance+"/stack:debian-*")
}
