package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/docker"
)

// A builder image of a registry brings its own lifecycle and buildpacks. This
// one brings those of the test; its buildpack does what a repository's bomb
// says, with the program of that repository.
func (m *machine) builderImage(t *testing.T) (name string) {
	t.Helper()
	e, err := docker.New(m.docker, m.instance)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	stack, err := builder.Stack{Instance: m.instance, Binary: stackBinary(t)}.Ensure(t.Context(), e, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	pack := builder.Pack{Instance: m.instance, Stack: func(context.Context, io.Writer) (appliance.Image, error) { return stack, nil }}
	lifecycle, err := pack.Lifecycle(t.Context(), e, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	name = m.instance + "/test-builder:1"
	dir := t.TempDir()
	files := map[string]string{
		"order.toml":                       "[[order]]\n[[order.group]]\nid = \"page\"\nversion = \"1\"\n",
		"run.toml":                         "[[images]]\nimage = \"" + string(stack) + "\"\n",
		"buildpacks/page/1/buildpack.toml": "api = \"0.10\"\n[buildpack]\nid = \"page\"\nversion = \"1\"\n[[targets]]\nos = \"linux\"\n",
		"buildpacks/page/1/bin/detect":     "#!/bin/sh\ntest -f page.txt || exit 100\n",
		"buildpacks/page/1/bin/build": "#!/bin/sh\nset -e\nif [ -S /var/run/docker.sock ]; then echo the socket is here; exit 1; fi\nif [ -f bomb ]; then ./program \"$(cat bomb)\" filled; fi\n" +
			// What a process finds only by the launcher: a program in PATH, and a variable.
			"mkdir -p \"$1/tools/bin\" \"$1/tools/env.launch\"\nprintf '[types]\\nlaunch = true\\n' >\"$1/tools.toml\"\n" +
			"printf '#!/bin/sh\\necho \"$PREPARED; $# words: $1\"; exit 77\\n' >\"$1/tools/bin/tool\"\nchmod +x \"$1/tools/bin/tool\"\nprintf 'by the buildpack' >\"$1/tools/env.launch/PREPARED.override\"\n" +
			"printf '[[processes]]\\ntype = \"web\"\\ncommand = [\"bash\", \"-c\", \"python3 -m http.server $PORT\"]\\n' >\"$1/launch.toml\"\n",
	}
	for path, text := range files {
		path = filepath.Join(dir, "cnb", path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	dockerfile := "FROM " + string(lifecycle) + " AS lifecycle\nFROM " + string(stack) + "\nUSER root\nCOPY --from=lifecycle /cnb/lifecycle /cnb/lifecycle\nCOPY cnb /cnb\n" +
		"ENV CNB_USER_ID=1000 CNB_GROUP_ID=1000\nLABEL io.buildpacks.builder.metadata='{\"stack\":{\"runImage\":{\"image\":\"" + string(stack) + "\"}}}'\nUSER 1000:1000\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Build(t.Context(), appliance.BuildSpec{Tag: appliance.Image(name), Dir: dir}); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAnAppWithAProjectTOMLIsBuiltWithCloudNativeBuildpacks(t *testing.T) {
	t.Parallel()
	m := prepared(t, "", "BERTH_STACK_BINARY="+stackBinary(t))
	m.must(t, "/", "docker", "tag", baseImage(), m.instance+baseName)
	name := m.builderImage(t)
	if err := errors.Join(m.start(), m.admit()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m.must(t, dir, "git", "init", "--quiet")
	write := func(page string) {
		for file, text := range map[string]string{
			"page.txt":     page,
			"project.toml": "[io.buildpacks]\nbuilder = \"" + name + "\"\n",
			"Procfile":     "worker: sleep 1000\n",
			"Dockerfile":   "FROM scratch\n", // is for something else
		} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m.must(t, dir, "git", "add", "--all")
		m.must(t, dir, "git", "commit", "--quiet", "--message", page)
	}
	write("first")

	out := m.must(t, dir, "git", "push", "berth:blog", "main")
	if !strings.Contains(out, "Building blog with pack (project.toml found)") {
		t.Errorf("the push printed\n%s", out)
	}
	m.answers(t, "https://blog.localhost/page.txt", "first")

	write("second")
	m.must(t, dir, "git", "push", "berth:blog", "main")
	m.answers(t, "https://blog.localhost/page.txt", "second")
	m.must(t, "/", "ssh", "berth", "ps:scale", "blog", "worker=1")
	if things := m.must(t, "/", "docker", "ps", "--format", "{{.Names}} {{.Command}}", "--no-trunc", "--filter", "label=berth.instance="+m.instance); !strings.Contains(things, "worker") {
		t.Errorf("no worker runs:\n%s", things)
	}
	m.runsByTheLauncher(t)
}

// runsByTheLauncher checks that what is run finds what the app's processes find,
// and has a terminal that follows the person's.
func (m *machine) runsByTheLauncher(t *testing.T) {
	t.Helper()
	for _, door := range [][]string{{"ssh", "berth", "run", "blog", "tool", "'two  words'", "three"}, {"berth", "run", "blog", "tool", "two  words", "three"}} {
		out, err := m.run("/", door[0], door[1:]...)
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 77 || out != "by the buildpack; 2 words: two  words\n" {
			t.Errorf("%q printed %q: %v", door, out, err)
		}
	}
	if out, err := m.run("/", "ssh", "berth", "run", "blog", `"cat page.txt; echo '|' $PREPARED"`); err != nil || out != "second| by the buildpack\n" {
		t.Errorf("a line for a shell printed %q, %v", out, err)
	}
	if out := m.must(t, "/", "berth", "enter", "blog", "web", "bash", "-c", "echo $PREPARED"); out != "by the buildpack\n" {
		t.Errorf("in a process it printed %q", out)
	}
	s := m.sit(t, 20, 70, "ssh", "-t", "berth", "run", "blog", "bash")
	s.types("until stty size | grep -v ^0; do sleep 0.1; done\r") // Docker tells it once it has started
	s.sees("20 70\r\n")
	s.types("trap 'stty size' WINCH; echo $PREPARED\r")
	s.sees("by the buildpack\r\n")
	s.resize(33, 99)
	s.types("\r") // bash does what a trap says when a command has ended
	s.sees("33 99\r\n")
	s.types("exec sh -c 'trap \"exit 5\" INT; echo rea\"\"dy; while :; do sleep 1; done'\r")
	s.sees("ready\r\n")
	s.types("\x03") // which is for what runs there
	s.ends(5)
	if out := m.must(t, "/", "berth", "run:list", "blog", "--quiet"); out != "" {
		t.Errorf("run:list shows\n%s", out)
	}
}
