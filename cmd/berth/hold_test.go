package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A process of this app starts only if no other has its data, so it fails as
// soon as two of them overlap.
const locked = `services:
  web:
    build: .
    ports: ["8080:8080"]
    environment: {LOCK: /data/lock}
    volumes: ["data:/data"]
volumes: {data: }
`

func TestNoRequestIsLostWhereOnlyOneProcessMayHaveTheData(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	m.must(t, "/", "berth", "apps:create", "blog")
	m.must(t, "/", "berth", "builder:set", "blog", "selected", "compose")
	dir := m.repository(t, "first")
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(locked), 0o644); err != nil {
		t.Fatal(err)
	}
	m.change(t, dir, "locked")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	all := m.visitors(t)
	defer letVisit(t, all)()
	m.everybodyAsks(t, all)
	does := func(says []string, what ...string) {
		t.Helper()
		out, err := m.run(dir, what[0], what[1:]...)
		for _, text := range says {
			if !strings.Contains(out, text) {
				t.Errorf("%q does not say %q: %v\n%s", what, text, err, out)
			}
		}
		m.everybodyAsks(t, all)
	}
	lossless := []string{"web keeps data in a volume", "requests wait until the next one is up", " during the switch, 0 failed"}

	m.change(t, dir, "second")
	does(append(lossless, "v2 live; "), "git", "push", "berth:blog", "main")
	m.answers(t, "https://blog.localhost/", "hello second")
	does(lossless, "berth", "ps:restart", "blog")
	does(append(lossless, "v3 live; "), "berth", "config:set", "blog", "A=b")
	// By the time that this one fails, the one before has ended.
	m.change(t, dir, "broken", "ENV BROKEN=yes")
	does([]string{"web.1 exited with status 1", "v3 serves again after ", "; 0 requests failed meanwhile"}, "git", "push", "berth:blog", "main")
	m.answers(t, "https://blog.localhost/", "hello second")
	// The same with checks:disable, without a volume; and that they would
	// overlap if they could.
	m.change(t, dir, "third")
	does(append(lossless, " live; "), "git", "push", "berth:blog", "main")
	m.must(t, dir, "berth", "checks:set", "blog", "overlap", "on")
	does([]string{"the data is in use"}, "berth", "ps:restart", "blog")
	m.answers(t, "https://blog.localhost/", "hello third")
}
