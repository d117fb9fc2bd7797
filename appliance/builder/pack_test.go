package builder_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/progress"
)

// The builder image of the tests: the machine's stack, the lifecycle as it was
// published, and two buildpacks. "shout" brings a layer that it caches, and
// "never" wants no source.
const cnbBuilder = `
ARG STACK
ARG LIFECYCLE
FROM ${LIFECYCLE} AS lifecycle
FROM ${STACK}
USER root
COPY --from=lifecycle /cnb/lifecycle /cnb/lifecycle
COPY cnb /cnb
ENV CNB_USER_ID=1001 CNB_GROUP_ID=1001 CNB_STACK_ID=test
RUN groupadd --gid 1001 cnb && useradd --uid 1001 --gid 1001 cnb
LABEL io.buildpacks.builder.metadata='{"stack":{"runImage":{"image":"berth-test/cnb-run:1"}}}'
LABEL io.buildpacks.lifecycle.apis='{"platform":{"deprecated":[],"supported":["0.9","0.10","0.11","0.12"]}}'
USER 1001:1001
`

const cnbRun = `
ARG STACK
FROM ${STACK}
USER root
RUN groupadd --gid 1001 cnb && useradd --uid 1001 --gid 1001 cnb
ENV CNB_USER_ID=1001 CNB_GROUP_ID=1001
LABEL io.buildpacks.stack.id=test
USER 1001:1001
`

const shoutBuild = `#!/bin/bash
set -eu
layers=$1 platform=$2
echo "shout: as $(id -u), GREETING is $(cat "$platform/env/GREETING" 2>/dev/null || echo unset)"
if [ -e /trusted ] || [ -e /var/run/docker.sock ]; then echo "shout: too much to see"; exit 1; fi
if [ -f FAIL ]; then echo "shout: cannot"; exit 7; fi
if [ -f "$layers/tools/made" ]; then echo "shout: cached"; else echo "shout: fetching"; mkdir -p "$layers/tools"; date >"$layers/tools/made"; fi
printf '[types]\ncache = true\nlaunch = true\n' >"$layers/tools.toml"
cat >"$layers/launch.toml" <<'END'
[[processes]]
type = "web"
command = ["bash", "-c", "exec python3 -m http.server $PORT"]
default = true
END
`

func cnbFiles() map[string]string {
	files := map[string]string{
		"Dockerfile":     cnbBuilder,
		"cnb/order.toml": "[[order]]\n[[order.group]]\nid = \"never\"\nversion = \"1\"\n[[order]]\n[[order.group]]\nid = \"shout\"\nversion = \"1\"\n",
		"cnb/run.toml":   "[[images]]\nimage = \"berth-test/cnb-run:1\"\n",
	}
	for id, detect := range map[string]string{"never": "exit 100", "shout": "test -f app.txt || exit 100"} {
		dir := "cnb/buildpacks/" + id + "/1/"
		files[dir+"buildpack.toml"] = "api = \"0.10\"\n[buildpack]\nid = \"" + id + "\"\nversion = \"1\"\n[[targets]]\nos = \"linux\"\n"
		files[dir+"bin/detect"] = "#!/bin/bash\n" + detect + "\n"
		files[dir+"bin/build"] = shoutBuild
	}
	return files
}

// lifecycle returns the image of the lifecycle, which is built once for all
// tests and stays for the next run of them.
var lifecycle = sync.OnceValues(func() (appliance.Image, error) {
	s, err := stack()
	if err != nil {
		return "", err
	}
	instance := strings.TrimSuffix(cmp.Or(os.Getenv("BERTH_TEST_BASE"), "berth-test"+base), base)
	e, err := docker.New("", instance)
	if err != nil {
		return "", err
	}
	defer e.Close()
	pack := builder.Pack{Instance: instance, Stack: func(context.Context, io.Writer) (appliance.Image, error) { return s, nil }}
	var out bytes.Buffer
	image, err := pack.Lifecycle(context.Background(), e, &out)
	if err != nil {
		return "", fmt.Errorf("%s\n%w", &out, err)
	}
	return image, nil
})

// A packWorld is a world with a builder image.
type packWorld struct {
	*world
	pack     builder.Pack
	previous appliance.Image
	settings builder.Settings
}

func newPackWorld(t *testing.T) *packWorld {
	t.Helper()
	w := &packWorld{world: newWorld(t)}
	s, err := stack()
	if err != nil {
		t.Fatal(err)
	}
	lifecycle, err := lifecycle()
	if err != nil {
		t.Fatal(err)
	}
	w.pack = builder.Pack{Instance: testInstance(t)} // it has the lifecycle already
	for tag, files := range map[appliance.Image]map[string]string{
		"berth-test/cnb-builder:1": cnbFiles(),
		"berth-test/cnb-run:1":     {"Dockerfile": cnbRun},
	} {
		var out bytes.Buffer
		if _, err := w.engine.Build(t.Context(), appliance.BuildSpec{
			Tag: tag, Dir: source(t, files), Args: map[string]string{"STACK": string(s), "LIFECYCLE": string(lifecycle)}, Out: &out,
		}); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
	}
	w.settings.BuilderImage = "berth-test/cnb-builder:1"
	return w
}

func (w *packWorld) build(files map[string]string, env map[string]string) (builder.Result, string, error) {
	w.Helper()
	dir := source(w.T, files)
	var out bytes.Buffer
	p := progress.New(&out)
	w.builds++
	result, err := w.pack.Build(w.Context(), w.engine, builder.Request{
		App: w.app, Tag: w.tag(), Source: dir, Commit: "c0ffee", Env: env, Out: p, Step: p.Step,
		Previous: w.previous, Settings: w.settings,
	})
	if err == nil {
		w.previous = result.Image
	}
	return result, out.String(), err
}

func TestCloudNativeBuildpacksBuildAnAppThatAnswers(t *testing.T) {
	w := newPackWorld(t)
	app := map[string]string{"app.txt": "hello", "Procfile": "worker: echo \"$GREETING\" from $0; sleep 99\n", "project.toml": "[io.buildpacks]\n[[io.buildpacks.build.env]]\nname = \"GREETING\"\nvalue = \"from project.toml\"\n"}

	first, out, err := w.build(app, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "shout: as 1001, GREETING is from project.toml") || !strings.Contains(out, "shout: fetching") {
		t.Errorf("the build printed\n%s", out)
	}
	web := w.startService(first, "web")
	if status, body := w.get(web, "/app.txt"); status != 200 || body != "hello" {
		t.Errorf("web answered %d %q", status, body)
	}
	if first.Procfile["web"] == "" || first.Procfile["worker"] == "" {
		t.Errorf("Procfile = %v, want web of the buildpack and worker of the repository", first.Procfile)
	}

	second, out, err := w.build(app, map[string]string{"GREETING": "a secret"})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "shout: as 1001, GREETING is a secret") || !strings.Contains(out, "shout: cached") || !strings.Contains(out, "Reusing layer 'shout:tools'") {
		t.Errorf("the second build printed\n%s", out)
	}
	info, err := w.engine.Inspect(t.Context(), second.Image)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range info.Labels {
		if strings.Contains(value, "a secret") {
			t.Errorf("label %s holds the config", key)
		}
	}
	if err := w.engine.Prune(t.Context(), w.app, second.Image); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Inspect(t.Context(), second.Image); err != nil {
		t.Errorf("the image that was kept: %v", err)
	}
}

// startService starts a process type as a deploy would.
func (w *packWorld) startService(r builder.Result, kind string) appliance.Process {
	w.Helper()
	s := r.Services[kind]
	ps, err := w.engine.Start(w.Context(), appliance.ProcessSpec{App: w.app, Type: kind, Image: r.Image, Command: s.Command,
		Release: w.builds, Generation: "g", Port: r.Port, Replicas: 1, Env: []string{"PORT=5000"}})
	if err != nil {
		w.Fatal(err)
	}
	return ps[0]
}

func TestCloudNativeBuildpacksThatFailAreExplained(t *testing.T) {
	w := newPackWorld(t)
	for name, test := range map[string]struct {
		files        map[string]string
		settings     builder.Settings
		what, advice string
	}{
		"no buildpack wants it":      {map[string]string{"README": "x"}, w.settings, "no buildpack of the builder wants this source", "builder:set"},
		"a buildpack fails":          {map[string]string{"app.txt": "x", "FAIL": "x"}, w.settings, "a buildpack could not build this source", "lines above"},
		"an order that does not fit": {map[string]string{"app.txt": "x", "project.toml": "[[io.buildpacks.group]]\nid = \"never\"\nversion = \"1\"\n"}, w.settings, "no buildpack of the builder wants", "builder:set"},
		"a buildpack of elsewhere":   {map[string]string{"app.txt": "x", "project.toml": "[[io.buildpacks.group]]\nuri = \"docker://evil\"\n"}, w.settings, `"docker://evil" is not one of the builder image`, "builder:set"},
		"project.toml is broken":     {map[string]string{"app.txt": "x", "project.toml": "a = \n"}, w.settings, "project.toml, line 1", "correct it"},
		"an image that is no builder": {map[string]string{"app.txt": "x"}, builder.Settings{BuilderImage: "berth-test/cnb-run:1"},
			"berth-test/cnb-run:1 is no builder image", "builder:set"},
		"an image that is none": {map[string]string{"app.txt": "x"}, builder.Settings{BuilderImage: "--privileged"}, "invalid image", "node:24"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &packWorld{world: w.world, pack: w.pack, settings: test.settings}
			_, out, err := w.build(test.files, nil)
			if err == nil || !strings.Contains(err.Error(), test.what) || !strings.Contains(appliance.HintOf(err), test.advice) {
				t.Errorf("error = %v, hint %q; want %q and %q\n%s", err, appliance.HintOf(err), test.what, test.advice, out)
			}
		})
	}
}

func TestPackWantsSourceWithAProjectTOML(t *testing.T) {
	dir := source(t, map[string]string{"project.toml": "", "deploy/project.toml": ""})
	for name, settings := range map[string]builder.Settings{
		"project.toml": {}, "deploy/project.toml": {ProjectTOML: "deploy/project.toml"},
	} {
		if reason, ok := (builder.Pack{}).Detect(os.DirFS(dir), settings); !ok || reason != name+" found" {
			t.Errorf("Detect = %q, %v", reason, ok)
		}
	}
	if _, ok := (builder.Pack{}).Detect(os.DirFS(t.TempDir()), builder.Settings{}); ok {
		t.Error("Pack wants source without a project.toml")
	}
}
