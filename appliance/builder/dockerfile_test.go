package builder_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/progress"
)

// dockerfile builds files that have a Dockerfile, as a push would.
func (w *world) dockerfile(dir string, env map[string]string, s builder.Settings) (builder.Result, string, error) {
	w.Helper()
	var out bytes.Buffer
	p := progress.New(&out)
	w.builds++
	r, err := builder.Dockerfile{}.Build(w.Context(), w.engine, builder.Request{
		App: w.app, Tag: w.tag(), Source: dir, Commit: "c0ffee", Env: env, Settings: s, Out: p, Step: p.Step,
	})
	return r, out.String(), err
}

func TestDockerfileIsBuiltAsTheAppWasTold(t *testing.T) {
	w := newWorld(t)
	base := testInstance(t) + base
	dir := source(t, map[string]string{
		"deploy/web.dockerfile": "FROM " + base + " AS build\nARG GREETING=none\nRUN --mount=type=secret,id=npm sh -c 'echo $GREETING, $(wc -c < /run/secrets/npm) >/made'\n" +
			"FROM " + base + " AS prod\nCOPY --from=build /made /made\nCOPY . /src\nEXPOSE 53/udp\nCMD [\"sh\"]\n" +
			"FROM prod AS tests\nRUN false\n",
		".dockerignore": "deploy\n.git*\n*.log\n!keep.log\n",
		"a.log":         "", "keep.log": "", "sub/file": "",
	})
	settings := builder.Settings{Dockerfile: "deploy/web.dockerfile", Options: []string{"--build-arg GREETING", "--secret id=npm,env=NPM_TOKEN", "--target prod"}}
	env := map[string]string{"GREETING": "hello config", "NPM_TOKEN": "sEcReT-4711"}

	r, out, err := w.dockerfile(dir, env, settings)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, again, err := w.dockerfile(dir, env, settings)
	if err != nil {
		t.Fatal(err)
	}

	if got := w.run(r, "sh", "-c", "cat /made; cd /src; find . -type f | sort"); got != "hello config, 11\n./.dockerignore\n./keep.log\n./sub/file\n" {
		t.Errorf("the image holds %q", got)
	}
	if r.Port != builder.DefaultPort {
		t.Errorf("port = %d, want the default: it exposes UDP only", r.Port)
	}
	if !strings.Contains(again, "CACHED [build 2/2] RUN") {
		t.Errorf("the second build does it all again:\n%s", again)
	}
	var saved bytes.Buffer
	save := exec.Command("docker", "history", "--no-trunc", string(r.Image))
	save.Stdout = &saved
	if err := save.Run(); err != nil {
		t.Fatal(err)
	}
	if text := saved.String() + out; strings.Contains(text, "sEcReT") {
		t.Errorf("the secret is told:\n%s", text)
	}
}

func TestDockerfileThatCannotBeBuiltIsExplained(t *testing.T) {
	w := newWorld(t)
	from := "FROM " + testInstance(t) + base + "\n"
	outside := source(t, map[string]string{"Dockerfile": "FROM scratch\nSECRET\n", "secret": "SECRET"})
	for name, tt := range map[string]struct {
		files        map[string]string
		settings     builder.Settings
		what, advice string
	}{
		"a file that is not there": {
			map[string]string{"Dockerfile": from + "COPY app.js package.json /app/\n", "package.json": "{}"}, builder.Settings{},
			"app.js", "app.js is not in the commit, or .dockerignore leaves it out"},
		"a file that is left out": {
			map[string]string{"Dockerfile": from + "COPY dist/app /app\n", "dist/app": "", ".dockerignore": "dist\n"}, builder.Settings{},
			"dist/app", "or .dockerignore leaves it out"},
		"a file through a link": {
			map[string]string{"Dockerfile": from + "COPY out/secret /\n", "out": "-> " + outside}, builder.Settings{},
			"out/secret", "is not in the commit"},
		"a step that fails": {
			map[string]string{"Dockerfile": from + "RUN echo no disk; exit 3\n"}, builder.Settings{},
			"RUN echo no disk; exit 3: exit status 3", "the lines above say why"},
		"a base that cannot be fetched": {
			map[string]string{"Dockerfile": "FROM registry.invalid/team/base:1\n"}, builder.Settings{},
			"registry.invalid/team/base:1", "the machine cannot fetch that image"},
		"a syntax that cannot be fetched": {
			map[string]string{"Dockerfile": "# syntax=registry.invalid/docker/dockerfile:1\n" + from}, builder.Settings{},
			"registry.invalid/docker/dockerfile:1", "remove the line"},
		"a word that is no instruction": {
			map[string]string{"Dockerfile": "FORM scratch\n"}, builder.Settings{},
			"FORM", "correct Dockerfile"},
		"nothing in it": {
			map[string]string{"Dockerfile": "\n"}, builder.Settings{},
			"no instructions", "correct Dockerfile"},
		"nothing to run": {
			map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\n", "a": ""}, builder.Settings{},
			"the image says nothing of what to run", "end the Dockerfile with CMD"},
		"a stage that is not there": {
			map[string]string{"Dockerfile": from}, builder.Settings{Options: []string{"--target prod"}},
			"prod", "as in FROM node:24 AS production"},
		"a Dockerfile through a link out of the source": {
			map[string]string{"Dockerfile": "-> " + outside + "/Dockerfile"}, builder.Settings{},
			"there is no file Dockerfile in the commit", "commit a Dockerfile"},
		"a Dockerfile that is not where it should be": {
			map[string]string{"Dockerfile": from}, builder.Settings{Dockerfile: "deploy/Dockerfile", Dir: "web"},
			"there is no file deploy/Dockerfile in the commit", "relative to web"},
		"a Dockerfile that is a directory": {
			map[string]string{"Dockerfile/x": ""}, builder.Settings{Selected: "dockerfile"},
			"there is no file Dockerfile in the commit", "builder:set blog selected"},
	} {
		t.Run(name, func(t *testing.T) {
			_, out, err := w.dockerfile(source(t, tt.files), nil, tt.settings)

			if err == nil || !strings.Contains(err.Error(), tt.what) || !strings.Contains(appliance.HintOf(err), tt.advice) {
				t.Errorf("error = %v\nhint = %q\nwant %q, %q", err, appliance.HintOf(err), tt.what, tt.advice)
			}
			if err != nil && (strings.Contains(err.Error(), "SECRET") || strings.Contains(out, "SECRET") || errors.Is(err, appliance.ErrNotFound)) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestDockerfileMayBeALinkAndLeftOutOfTheContext(t *testing.T) {
	w := newWorld(t)
	for name, files := range map[string]map[string]string{
		"a link":   {"Dockerfile": "-> docker/prod", "docker/prod": "FROM scratch\nCMD [\"/a\"]\nEXPOSE 7000\n"},
		"left out": {"Dockerfile": "FROM scratch\nCOPY a /\nCMD [\"/a\"]\nEXPOSE 7000\n", ".dockerignore": "Dockerfile\n.dockerignore\n", "a": ""},
		"CRLF":     {"Dockerfile": "FROM scratch\r\nCOPY a /\r\nCMD /a\r\nEXPOSE 7000\r\n", "a": ""},
	} {
		r, out, err := w.dockerfile(source(t, files), nil, builder.Settings{})

		if err != nil || r.Port != 7000 {
			t.Errorf("%s: port %d, %v\n%s", name, r.Port, err, out)
		}
	}
}

func TestDockerfileGoesBeforeAComposeFileAndSaysSo(t *testing.T) {
	w := newWorld(t)
	dir := source(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY compose.yaml /\nCMD [\"/x\"]\n", "compose.yaml": "services: {}\n"})

	_, out, err := w.dockerfile(dir, nil, builder.Settings{})

	if want := "compose.yaml is not used: the Dockerfile goes first; to run its services: builder:set blog selected compose\n"; err != nil || !strings.Contains(out, want) {
		t.Errorf("%v\n%s\nwant %q", err, out, want)
	}
	if _, out, _ := w.dockerfile(dir, nil, builder.Settings{Selected: "dockerfile"}); strings.Contains(out, "is not used") {
		t.Errorf("who has selected the builder knows:\n%s", out)
	}
}

// What a build does not ask for is not read: a large file beside the app costs
// nothing, and one that it wants is passed through, not held in memory.
func TestLargeFileThatNobodyCopiesIsNotSent(t *testing.T) {
	w := newWorld(t)
	dir := source(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\nCMD [\"/a\"]\n", "a": "small"})
	large, err := os.Create(filepath.Join(dir, "large"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(large.Truncate(1<<40), large.Close()); err != nil {
		t.Fatal(err)
	}

	r, out, err := w.dockerfile(dir, nil, builder.Settings{})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	if info, err := w.engine.Inspect(t.Context(), r.Image); err != nil || info.Size > 1<<20 {
		t.Errorf("image = %+v, %v", info, err)
	}
}

func TestProcfileThatOnlyReleasesLeavesTheImagesOwnCommand(t *testing.T) {
	w := newWorld(t)
	for procfile, want := range map[string]string{
		"release: ./migrate\n": "release web", "worker: ./work\n": "worker", "web: ./serve\nrelease: ./migrate\n": "release web",
	} {
		r, out, err := w.dockerfile(source(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Procfile /\nCMD [\"/x\"]\n", "Procfile": procfile}), nil, builder.Settings{})

		if got := strings.Join(slices.Sorted(maps.Keys(r.Procfile)), " "); got != want || err != nil {
			t.Errorf("%q: process types %q, %v, want %q\n%s", procfile, got, err, want, out)
		}
	}
}
