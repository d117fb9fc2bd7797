package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	dockerengine "github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

// A bomb is a build that takes what it can get, and what its pusher reads.
type bomb struct {
	mode  string // of the engine tests' program
	says  string // why the build was ended
	raise string // the command that lets it go further
}

// The attack: whoever may push takes the machine away from everybody else,
// on purpose or, more often, by a build that has got out of hand.
func TestABuildThatTakesAllItCanGetHurtsNobodyElse(t *testing.T) {
	m := prepared(t, "", "BERTH_STACK_BINARY="+stackBinary(t))
	m.must(t, "/", "docker", "tag", baseImage(), m.instance+baseName)
	image := m.builderImage(t)
	if err := errors.Join(m.start(), m.admit()); err != nil {
		t.Fatal(err)
	}
	m.must(t, "/", "ssh", "berth", "stack:build")
	m.must(t, m.repository(t, "unhurt"), "git", "push", "-q", "berth:blog", "main")
	m.must(t, "/", "berth", "apps:create", "bomb")
	free := m.freeDisk(t)>>20 - 1024 // what others free or fill meanwhile is less than that
	m.must(t, "/", "berth", "resource:limit", "bomb", "--process-type", "build",
		"--memory", "256m", "--pids", "200", "--disk-free", fmt.Sprint(free, "m"))
	all := m.visitors(t)
	defer letVisit(t, all)()
	m.everybodyAsks(t, all)

	for builder, repository := range map[string]func(t testing.TB, mode string) string{
		"Dockerfile": m.dockerfileBomb,
		"buildpack":  m.buildpackBomb,
		"pack":       func(t testing.TB, mode string) string { return m.packBomb(t, image, mode) },
	} {
		for _, b := range []bomb{
			{"fork", "it wanted more processes than the 200", "--pids 400"},
			{"eat", "it wanted more memory than the 256 MB", "--memory 512m"},
			{"fill", "were left free on the disk", "--disk-free "},
		} {
			if builder == "pack" && b.mode != "eat" {
				continue // all of a buildpack's fence is in one place; that it is there one bomb shows
			}
			t.Run(builder+" "+b.mode, func(t *testing.T) {
				dir := repository(t, b.mode)

				out, asked := m.pushBesides(t, dir, "berth:bomb")

				t.Logf("the gateway answered %d times meanwhile; the push said:\n%s", asked, out)
				if !strings.Contains(out, b.says) || !strings.Contains(out, "resource:limit bomb --process-type build "+b.raise) {
					t.Errorf("the push said %q, want %q and the command that raises %s", out, b.says, b.raise)
				}
				if asked == 0 {
					t.Error("the SSH gateway did not answer while it built")
				}
				m.everybodyAsks(t, all)
			})
		}
	}
}

// freeDisk returns how many bytes are free where Docker builds.
func (m *machine) freeDisk(t testing.TB) int64 {
	t.Helper()
	engine, err := dockerengine.New(m.docker, m.instance)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	c, err := engine.Capacity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c.Free
}

// pushBesides pushes what will not build, and asks for something else over SSH
// all the while. It returns what the pusher read, and how often the gateway
// has answered before the push ended.
func (m *machine) pushBesides(t testing.TB, dir, remote string) (out string, asked int) {
	t.Helper()
	pushed := make(chan error, 1)
	go func() {
		var err error
		out, err = m.run(dir, "git", "push", "--force", remote, "main")
		pushed <- err
	}()
	for {
		select {
		case err := <-pushed:
			if err == nil {
				t.Errorf("the push was not refused:\n%s", out)
			}
			return out, asked
		default:
		}
		if list, err := m.run("/", "ssh", "berth", "apps:list"); err != nil || !strings.Contains(list, "blog") {
			t.Errorf("apps:list while it builds: %v\n%s", err, list)
		}
		asked++
	}
}

// dockerfileBomb makes a repository whose Dockerfile does something.
func (m *machine) dockerfileBomb(t testing.TB, mode string) string {
	return m.bomb(t, map[string]string{
		"Dockerfile": "FROM scratch\nCOPY program /\nENV BUILD=" + m.instance + "\nRUN [\"/program\", \"" + mode + "\", \"/filled\"]\n",
	})
}

// buildpackBomb makes one whose build script does.
func (m *machine) buildpackBomb(t testing.TB, mode string) string {
	return m.bomb(t, map[string]string{
		"package.json": `{"name": "bomb", "scripts": {"start": "node .", "heroku-prebuild": "./program ` + mode + ` filled"}}`,
		"index.js":     "",
	})
}

// packBomb makes one whose Cloud Native Buildpack does.
func (m *machine) packBomb(t testing.TB, image, mode string) string {
	return m.bomb(t, map[string]string{
		"project.toml": "[io.buildpacks]\nbuilder = \"" + image + "\"\n",
		"page.txt":     "",
		"bomb":         mode,
	})
}

func (m *machine) bomb(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := enginetest.ProgramDir(t)
	if err := os.Remove(filepath.Join(dir, "Dockerfile")); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m.must(t, dir, "git", "init", "--quiet")
	m.must(t, dir, "git", "add", "--all")
	m.must(t, dir, "git", "commit", "--quiet", "--message", "bomb")
	return dir
}
