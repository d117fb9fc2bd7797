package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance/await"
)

// A record is a build as builds:info shows it.
type record struct {
	ID     int    `json:"id"`
	Status string `json:"status"`
	Error  string `json:"error"`
	Actor  string `json:"actor"`
}

// lastBuild returns the record of blog's last build.
func (m *machine) lastBuild(t *testing.T) (r record) {
	t.Helper()
	if err := json.Unmarshal([]byte(m.must(t, "/", "berth", "builds:info", "blog", "--format", "json")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// pause is a step of a build that takes a while. It is this machine's own: what
// several builds have in common, BuildKit does once, and shows it to the first.
func (m *machine) pause() string { return fmt.Sprintf(`RUN ["/app", "pause", "60s", %q]`, m.instance) }

func TestDaemonKilledInABuildHasItsOutputAfterwards(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	v := &versions{machine: m, dir: m.repository(t, "v0")}
	m.must(t, v.dir, "git", "push", "-q", "berth:blog", "main")
	m.change(t, v.dir, "v1", m.pause())

	v.during(t, "berth:blog", regexp.MustCompile("pausing"), func() error {
		err := m.eventually("the output is kept", func() error {
			if out, err := m.run("/", "berth", "builds:output", "blog"); err != nil || !strings.Contains(out, "pausing") {
				return fmt.Errorf("%w\n%s", err, out)
			}
			return nil
		})
		return errors.Join(err, m.kill())
	})
	if err := m.start(); err != nil {
		t.Fatal(err)
	}

	if b := m.lastBuild(t); b.ID != 2 || b.Status != "abandoned" || b.Error == "" || b.Actor != "ada" {
		t.Errorf("record = %+v", b)
	}
	if out := m.must(t, "/", "berth", "builds:output", "blog", "2"); !strings.Contains(out, "-----> Receiving blog") || !strings.Contains(out, "pausing") {
		t.Errorf("its output:\n%s", out)
	}
	if live := v.comesBack(t); live != "v0" {
		t.Errorf("live = %s, want the old version", live)
	}
}

func TestBuildIsFollowedAndCanceledFromAnotherSession(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	v := &versions{machine: m, dir: m.repository(t, "v0")}
	m.must(t, v.dir, "git", "push", "-q", "berth:blog", "main")
	m.change(t, v.dir, "v1", m.pause())
	push := v.push(t, "berth:blog")
	said := new(await.Buffer)
	go io.Copy(said, push.out) // ends with the push
	await.That(t, "it builds", func() bool { return strings.Contains(said.String(), "pausing") })
	follow := m.command("/", "ssh", "berth", "builds:output", "blog", "-t")
	followed := new(await.Buffer)
	follow.Stdout = followed
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	await.That(t, "it is followed", func() bool { return strings.Contains(followed.String(), "pausing") })

	if out := m.must(t, "/", "ssh", "berth", "builds:list", "blog", "--status", "running", "--quiet"); !strings.Contains(out, "running") {
		t.Errorf("builds:list:\n%s", out)
	}
	if out := m.must(t, "/", "berth", "builds:cancel", "blog"); out != "-----> Killing build 2 of blog\n" {
		t.Errorf("builds:cancel said:\n%s", out)
	}

	if err := push.Wait(); err == nil {
		t.Error("the push succeeded")
	}
	if err := follow.Wait(); err != nil {
		t.Errorf("who followed: %v", err)
	}
	const why = " !     build: canceled by root"
	await.That(t, "the pusher is told", func() bool { return strings.Contains(said.String(), why) })
	if !strings.HasSuffix(followed.String(), why+"\n") {
		t.Errorf("who followed was shown:\n%s", followed)
	}
	// Git puts its own word before each line, and spaces after it.
	var lines []string
	for text := bufio.NewScanner(strings.NewReader(said.String())); text.Scan(); {
		if line, ok := strings.CutPrefix(strings.TrimRight(text.Text(), " \x1b[K"), "remote: "); ok {
			lines = append(lines, line)
		}
	}
	if got := strings.Join(lines, "\n"); !strings.Contains(got, strings.TrimRight(m.must(t, "/", "berth", "builds:output", "blog"), "\n")) {
		t.Errorf("kept is something else than what was shown:\n%s", got)
	}
	if b := m.lastBuild(t); b.Status != "canceled" || b.Error != "build: canceled by root" {
		t.Errorf("record = %+v", b)
	}
	if live := v.comesBack(t); live != "v0" {
		t.Errorf("live = %s, want the old version", live)
	}
}
