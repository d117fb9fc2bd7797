package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands that make room, and the deploy of an image out of an archive:
// the daemon is killed when the person has read a line. What was live serves
// afterwards, and the next cleanup leaves nothing of what was begun.
func TestADaemonKilledWhileItMakesRoomComesBackWhole(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	v := &versions{machine: m, dir: m.repository(t, "v0")}
	m.must(t, v.dir, "git", "push", "-q", "berth:blog", "main")
	archive := filepath.Join(t.TempDir(), "image.tar")
	other := m.instance + "-other:1" // or what is loaded would be what is live
	m.must(t, "/", "sh", "-ec", `printf 'FROM %s\nENV GREETING=other\n' "$1" | docker build -q -t "$2" -; docker save -o "$3" "$2"; docker rmi "$2"`, "sh", v.images(t)[0], other, archive)
	load := []string{"git:load-image", "blog"}

	for _, point := range []struct {
		line    string
		command []string
	}{
		{"Cleaning up blog", []string{"cleanup", "blog"}},
		{"Packing the repository of blog", []string{"repo:gc", "blog"}},
		{"Removing the build cache of blog", []string{"repo:purge-cache", "blog"}},
		{"Fetching image from stdin", load},
		{"Generating build context", load},
		{"Updating git repository", load},
		{"Cleaning up ...", load},
		{"Building blog", load},
		{"Releasing blog", load},
	} {
		t.Run(point.line, func(t *testing.T) {
			before := v.live(t)

			v.killIn(t, archive, point.line, point.command...)

			if live := v.comeBack(t); live != before {
				t.Errorf("live = %s, want still %s", live, before)
			}
			m.must(t, "/", "berth", "cleanup", "blog")
			if images := v.images(t); len(images) != 1 {
				t.Errorf("images = %q, want that of what is live", images)
			}
			m.must(t, "/", "git", "--git-dir", filepath.Join(m.dir, "git", "blog.git"), "fsck", "--connectivity-only", "--no-dangling")
		})
	}
	v.next(t)
	m.must(t, v.dir, "git", "push", "-q", "berth:blog", "main")
	v.comesBack(t)
	cmd := m.command("/", "berth", load...)
	cmd.Stdin = sent(t, archive)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.answers(t, "https://blog.localhost/", "hello other")
}

// images lists the images of the app.
func (v *versions) images(t *testing.T) []string {
	t.Helper()
	return strings.Fields(v.must(t, "/", "docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "label=berth.instance="+v.instance, "--filter", "label=berth.app=blog"))
}

// killIn runs a command, with a file as its input, and kills the daemon as soon
// as it has printed a line.
func (v *versions) killIn(t *testing.T, input, line string, args ...string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := v.command("/", "berth", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = sent(t, input), w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	found := false
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fmt.Fprintln(&text, lines.Text())
		if !found && strings.Contains(lines.Text(), line) {
			found = true
			if err := v.kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd.Wait() // it was interrupted
	if !found {
		t.Fatalf("it ended without %q:\n%s", line, text.String())
	}
}

func sent(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
