package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The points of a deploy at which the daemon is killed: when the pusher has
// read a line. Before the switch the old version must serve afterwards, after
// it the new one; around it either, if it is the one that the store names.
var killPoints = []struct {
	line   string
	serves string // "old", "new" or "either"
}{
	{"Receiving blog", "old"},
	{"Cleaning up", "old"},
	{"Building blog", "old"},
	{"exporting to image", "old"},
	{"Built in", "old"},
	{"Releasing blog", "old"},
	{"Deploying blog", "old"},
	{"web.1 is up", "either"},
	{"blog deployed in", "new"},
	{"https://blog.localhost", "new"},
}

func TestADaemonKilledInADeployComesBackAsOneGoodVersion(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	v := &versions{machine: m, dir: m.repository(t, "v0")}
	m.must(t, v.dir, "git", "push", "-q", "berth:blog", "main")

	for _, point := range killPoints {
		t.Run(point.line, func(t *testing.T) {
			old, new := v.next(t)
			v.killWhen(t, "berth:blog", regexp.MustCompile(point.line))
			live := v.comeBack(t)

			if point.serves == "old" && live != old || point.serves == "new" && live != new {
				t.Errorf("live = %s, want the %s version (%s, then %s)", live, point.serves, old, new)
			}
		})
	}
}

// BERTH_TEST_KILLS is how many times to try, BERTH_TEST_SEED makes it the same
// times again.
func TestADaemonKilledAtAnyTimeComesBackAsOneGoodVersion(t *testing.T) {
	t.Parallel()
	kills, seed := number("BERTH_TEST_KILLS", 4), number("BERTH_TEST_SEED", int(time.Now().UnixNano()))
	t.Logf("BERTH_TEST_KILLS=%d BERTH_TEST_SEED=%d", kills, seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	m := serving(t, "")
	v := &versions{machine: m, dir: m.repository(t, "v0")}
	begun := time.Now()
	m.must(t, v.dir, "git", "push", "-q", "berth:blog", "main")
	whole := time.Since(begun)

	for range kills {
		after := time.Duration(random.Float64() * float64(whole)).Round(time.Millisecond)
		t.Run(after.String(), func(t *testing.T) {
			v.next(t)
			v.killAfter(t, "berth:blog", after)
			v.comeBack(t)
		})
	}
	v.next(t)
	m.must(t, v.dir, "git", "push", "-q", "berth:blog", "main")
	v.comesBack(t)
}

func TestADaemonKilledInAFirstPushLeavesNothing(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	v := &versions{machine: m, dir: m.repository(t, "v0")}
	for _, line := range []string{"Receiving fresh", "exporting to image", "Releasing fresh", "Deploying fresh"} {
		t.Run(line, func(t *testing.T) {
			m.change(t, v.dir, "v"+line[:4], "ENV READY_AFTER=2s")
			v.killWhen(t, "berth:fresh", regexp.MustCompile(line))
			if err := m.start(); err != nil {
				t.Fatal(err)
			}

			m.nothingLeft(t)
			if apps := m.must(t, "/", "berth", "apps:list", "--format", "json"); strings.TrimSpace(apps) != "[]" && !strings.Contains(apps, "!") {
				t.Errorf("apps = %s, want none", apps)
			}
		})
	}
	m.change(t, v.dir, "whole")
	m.must(t, v.dir, "git", "push", "-q", "berth:fresh", "main")
	m.answers(t, "https://fresh.localhost/", "hello whole")
}

// nothingLeft waits until there is nothing of the machine in Docker.
func (m *machine) nothingLeft(t *testing.T) {
	t.Helper()
	err := m.eventually("nothing is left", func() error {
		list, err := m.things()
		if err == nil && list != "" {
			err = errors.New(list)
		}
		return errors.Join(err, m.noTemporaryFiles())
	})
	if err != nil {
		t.Error(err)
	}
}

func (m *machine) noTemporaryFiles() error {
	left, err := filepath.Glob(filepath.Join(m.dir, "sources", "*"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("temporary files: %q", left)
	}
	return err
}

// versions are those of one app, each greeting with its own name.
type versions struct {
	*machine
	dir string
	n   int
}

// next commits the next version, on top of what the app's repository has, as
// somebody would whose push was interrupted. It returns what is live and what
// is to come.
func (v *versions) next(t *testing.T) (old, new string) {
	t.Helper()
	old = v.live(t)
	v.n++
	new = fmt.Sprintf("v%d", v.n)
	v.change(t, v.dir, new)
	return old, new
}

// live returns the greeting of the version that the store says is live.
func (v *versions) live(t *testing.T) string {
	t.Helper()
	var releases []struct {
		Live   bool
		Reason string
	}
	list, err := v.command("/", "berth", "releases", "blog", "--format", "json").Output()
	if err == nil {
		err = json.Unmarshal(list, &releases)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range releases {
		if commit, ok := strings.CutPrefix(r.Reason, "push "); ok && r.Live {
			return strings.TrimSpace(v.must(t, v.dir, "git", "log", "-1", "--format=%s", commit))
		}
	}
	t.Fatalf("no release is live: %s", list)
	return ""
}

// killWhen pushes and kills the daemon as soon as the pusher has read a line.
func (v *versions) killWhen(t *testing.T, remote string, line *regexp.Regexp) {
	t.Helper()
	v.during(t, remote, line, v.kill)
}

// during pushes and does something as soon as the pusher has read a line.
func (v *versions) during(t *testing.T, remote string, line *regexp.Regexp, do func() error) {
	t.Helper()
	push := v.push(t, remote)
	var text strings.Builder
	found := false
	for lines := bufio.NewScanner(push.out); lines.Scan(); {
		fmt.Fprintln(&text, lines.Text())
		if !found && line.MatchString(lines.Text()) {
			found = true
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
	}
	push.Wait() // it was interrupted
	if !found {
		t.Fatalf("the push ended without %q:\n%s", line, text.String())
	}
}

func (v *versions) killAfter(t *testing.T, remote string, after time.Duration) {
	t.Helper()
	push := v.push(t, remote)
	time.Sleep(after) // a moment is what is tried here, not waited for
	if err := v.kill(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(push.out); lines.Scan(); {
		t.Log(strings.TrimSpace(lines.Text()))
	}
	push.Wait()
}

type push struct {
	*exec.Cmd
	out *os.File
}

// push starts a push.
func (v *versions) push(t *testing.T, remote string) push {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	t.Cleanup(func() { r.Close() })
	cmd := v.command(v.dir, "git", "push", remote, "main")
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return push{cmd, r}
}

// comeBack starts the daemon again, and checks that what it makes of what it
// finds is whole: see comesBack.
func (v *versions) comeBack(t *testing.T) (live string) {
	t.Helper()
	if err := v.start(); err != nil {
		t.Fatal(err)
	}
	return v.comesBack(t)
}

var oneContainer = regexp.MustCompile(`(?m)^container \S+\.blog\.web\.1\.v\d+-\S+ Up `)

// comesBack waits until exactly one version of the app runs, the one that is
// live, and it serves; and until there is nothing else.
func (v *versions) comesBack(t *testing.T) (live string) {
	t.Helper()
	live = v.live(t)
	err := v.eventually("one version runs, and serves", func() error {
		list, err := v.things()
		if err != nil {
			return err
		}
		if n := strings.Count(list, "container "); n != 1 || !oneContainer.MatchString(list) {
			return fmt.Errorf("containers:\n%s", list)
		}
		if n := strings.Count(list, "network "); n > 2 || strings.Contains(list, "fresh") {
			return fmt.Errorf("things:\n%s", list)
		}
		answer, err := v.get("https://blog.localhost/")
		if err == nil && !strings.Contains(answer, "\nhello "+live+" from") {
			err = fmt.Errorf("%s serves, %s is live", answer, live)
		}
		return errors.Join(err, v.noTemporaryFiles())
	})
	if err != nil {
		t.Fatal(err)
	}
	return live
}

// number reads a number from the environment.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
