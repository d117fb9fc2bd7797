package main

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// BenchmarkCommands is "make bench-commands". It prints a table, which
// docs/performance.md explains: what commands take over an SSH connection that
// is there, with one app and with 500, and how soon a change of an app answers,
// beside what Docker takes to start its process.
func BenchmarkCommands(b *testing.B) {
	n := number("BERTH_BENCH_N", 9)
	m := prepared(b, "")
	m.binary = compile(b, ".", "-ldflags=-s -w")
	if err := errors.Join(m.start(), m.admit()); err != nil {
		b.Fatal(err)
	}
	c := m.connected(b)
	dir := m.repository(b, "first")
	for i := range 3 { // so that there is something to show
		m.change(b, dir, fmt.Sprintf("version-%d", i))
		m.must(b, dir, "git", "push", "-q", "berth:blog", "main")
	}
	fmt.Printf("\n%d processors, %s, %d of each\n\n", runtime.NumCPU(), m.dockerVersion(b), n)

	reads := [][]string{
		{"apps:list"}, {"apps:report", "blog"}, {"ps", "blog"}, {"ps:scale", "blog"}, {"releases", "blog"}, {"config:show", "blog"},
		{"domains:report", "blog"}, {"certs:report", "blog"}, {"builds:list", "blog"}, {"logs", "blog", "-n", "100"}, {"urls", "blog"}, {"events", "-n", "50"}, {"help"}, {"status"},
	}
	heading("reads, with 1 app (goal: at most 30 ms)")
	c.read(b, n, reads)
	for i := range 499 {
		c.do(b, "apps:create", fmt.Sprintf("app-%03d", i))
	}
	fmt.Println()
	heading("reads, with 500 apps (goal: at most 50 ms)")
	c.read(b, n, reads)

	fmt.Println()
	heading("changes of an app that runs")
	own := m.ownStart(b, n)
	row("the app's own start: docker run, first answer", own)
	row("config:set until it answers (goal: 1.5 s + own)", times(n, func(i int) time.Duration {
		greeting := fmt.Sprintf("greeting-%d", i)
		return c.until(b, greeting, "config:set", "blog", "GREETING="+greeting)
	}))
	var up, down []time.Duration
	for range n {
		up = append(up, c.timed(b, "ps:scale", "blog", "web=4"))
		down = append(down, c.timed(b, "ps:scale", "blog", "web=1"))
	}
	row("ps:scale web=4, from 1 (goal: 2 s + own)", up)
	row("ps:scale web=1, from 4", down)
	row("ps:restart", times(n, func(int) time.Duration { return c.timed(b, "ps:restart", "blog") }))
	row("rollback until it answers (goal: 2 s + own)", times(n, func(i int) time.Duration {
		greeting := fmt.Sprintf("before-%d", i)
		c.until(b, greeting, "config:set", "blog", "GREETING="+greeting)
		c.until(b, "another", "config:set", "blog", "GREETING=another")
		return c.until(b, greeting, "rollback", "blog")
	}))
}

// A connection is an SSH connection that commands share.
type connection struct {
	*machine
	options []string
}

func (m *machine) connected(b *testing.B) connection {
	b.Helper()
	c := connection{m, []string{"-o", "ControlPath=" + filepath.Join(m.home, "control"), "-o", "ControlMaster=auto", "-o", "ControlPersist=600"}}
	c.do(b, "version")
	b.Cleanup(func() { m.run("/", "ssh", append(c.options, "-O", "exit", "berth")...) }) // it may have ended
	return c
}

func (c connection) do(b *testing.B, args ...string) {
	b.Helper()
	c.must(b, "/", "ssh", append(append(c.options[:len(c.options):len(c.options)], "berth"), args...)...)
}

func (c connection) timed(b *testing.B, args ...string) time.Duration {
	b.Helper()
	begun := time.Now()
	c.do(b, args...)
	return time.Since(begun)
}

// read measures commands that change nothing.
func (c connection) read(b *testing.B, n int, commands [][]string) {
	b.Helper()
	for _, args := range commands {
		c.do(b, args...) // the first fills caches
		row(fmt.Sprint(args), times(n, func(int) time.Duration { return c.timed(b, args...) }))
	}
}

// until runs a command, and returns how long it took until the app said what it
// was to say.
func (c connection) until(b *testing.B, greeting string, args ...string) time.Duration {
	b.Helper()
	client, err := c.browser()
	if err != nil {
		b.Fatal(err)
	}
	defer client.CloseIdleConnections()
	done := make(chan error, 1)
	begun := time.Now()
	go func() {
		_, err := c.run("/", "ssh", append(append(c.options[:len(c.options):len(c.options)], "berth"), args...)...)
		done <- err
	}()
	until(b, client, "https://blog.localhost/", fmt.Sprintf("hello %s from blog.localhost\n", greeting))
	took := time.Since(begun)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return took
}

// ownStart returns what Docker takes to start the app, until it answers.
func (m *machine) ownStart(b *testing.B, n int) []time.Duration {
	b.Helper()
	out, err := exec.Command("docker", "ps", "--format", "{{.Image}}", "--filter", "name="+m.instance+".blog.web").Output()
	if err != nil || len(out) == 0 {
		b.Fatalf("the app's image: %q, %v", out, err)
	}
	port, err := freePort()
	if err != nil {
		b.Fatal(err)
	}
	name, host := m.instance+"-own", fmt.Sprintf("127.0.0.1:%d", port)
	remove := func() { exec.Command("docker", "rm", "--force", name).Run() } // there may be none
	b.Cleanup(remove)
	return times(n, func(int) time.Duration {
		remove()
		begun := time.Now()
		m.must(b, "/", "docker", "run", "--detach", "--name", name, "--publish", host+":8080", "--env", "PORT=8080", "--env", "GREETING=own", firstLine(string(out)))
		until(b, &http.Client{}, "http://"+host+"/", "hello own from "+host+"\n")
		return time.Since(begun)
	})
}

func times(n int, f func(i int) time.Duration) (took []time.Duration) {
	for i := range n {
		took = append(took, f(i))
	}
	return took
}

func heading(text string) { fmt.Printf("%-52s %9s %9s %9s\n", text, "median", "min", "max") }
