package main

import (
	"context"
	"errors"
	"io"
	"os"
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
		"buildpacks/page/1/bin/build":      "#!/bin/sh\nset -e\nif [ -S /var/run/docker.sock ]; then echo the socket is here; exit 1; fi\nif [ -f bomb ]; then ./program \"$(cat bomb)\" filled; fi\nprintf '[[processes]]\\ntype = \"web\"\\ncommand = [\"bash\", \"-c\", \"python3 -m http.server $PORT\"]\\n' >\"$1/launch.toml\"\n",
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
}
