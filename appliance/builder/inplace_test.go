package builder_test

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// A buildstep is an image on which scripts work that were written for the
// buildstep image, each of whose steps is a container that is committed.
type buildstep struct {
	*world
	image string
}

func newBuildstep(w *world) *buildstep {
	w.Helper()
	s, err := stack()
	if err != nil {
		w.Fatal(err)
	}
	return &buildstep{world: w, image: string(s)}
}

// step runs a command in a container of the image, which becomes the image.
func (b *buildstep) step(stdin []byte, args ...string) (string, error) {
	b.Helper()
	name := strings.NewReplacer("/", "-", ":", "-").Replace(string(b.tag()))
	cmd := exec.Command("docker", append([]string{"run", "-i", "--name", name}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	defer func() {
		if out, err := exec.Command("docker", "rm", "-f", name).CombinedOutput(); err != nil {
			b.Errorf("%v\n%s", err, out)
		}
	}()
	if err != nil {
		return string(out), err
	}
	b.builds++
	b.image = string(b.tag())
	if out, err := exec.Command("docker", "commit", name, b.image).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	made := b.image
	b.Cleanup(func() { exec.Command("docker", "rmi", "-f", made).Run() })
	return string(out), nil
}

// receive is the first step of every such script.
func (b *buildstep) receive(dir string) {
	b.Helper()
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	if out, err := b.step(files.Bytes(), b.image, "/bin/bash", "-c", "mkdir -p /app && tar -xC /app"); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
}

func TestScriptsWrittenForBuildstepBuildAndStartAnApp(t *testing.T) {
	w := newWorld(t)
	b := newBuildstep(w)
	b.receive(source(t, map[string]string{
		"package.json": `{"name": "old", "version": "1.0.0"}`,
		"server.js":    `require("http").createServer((q, a) => a.end("hello " + process.env.GREETED)).listen(process.env.PORT)`,
		"Procfile":     "web: node server.js",
		".env":         "export SECRET='in a file'\n",
	}))

	out, err := b.step(nil, "-e", "TOKEN=hunter2", b.image, "/build/builder")

	if err != nil || !strings.Contains(out, "Node.js app") || !strings.Contains(out, "Process types: web") {
		t.Fatalf("builder: %v\n%s", err, out)
	}
	p := w.start(builder.Result{Image: appliance.Image(b.image), Port: builder.DefaultPort, Stack: "buildstep"}, "web", "GREETED=world")
	if _, body := w.get(p, "/"); body != "hello world" {
		t.Errorf("answer = %q", body)
	}
	if said := w.run(builder.Result{Image: appliance.Image(b.image)}, "bash", "-c", "ls -A /build/env; grep -rl hunter2 /build /app /tmp /cache || true"); said != "" {
		t.Errorf("the image keeps %q, want none of the config", said)
	}
	if said := w.run(builder.Result{Image: appliance.Image(b.image)}, "/exec", "node", "-p", "1+1"); said != "2\n" {
		t.Errorf("/exec says %q", said)
	}
}

func TestBuilderWithoutArgumentsSaysWhatItLacks(t *testing.T) {
	w := newWorld(t)
	b := newBuildstep(w)

	if out, err := b.step(nil, b.image, "/build/builder"); err == nil || !strings.Contains(out, "/app is empty") {
		t.Errorf("of nothing: %v, %q", err, out)
	}
	b.receive(source(t, map[string]string{"notes.txt": "nothing"}))
	if out, err := b.step(nil, b.image, "/build/builder"); err == nil || !strings.Contains(out, "no buildpack wants") {
		t.Errorf("of notes: %v, %q", err, out)
	}
}

func TestBuilderWithoutArgumentsAsksTheBuildpacksInTheOrderOfAPush(t *testing.T) {
	script, err := os.ReadFile("stack/root/build/inplace.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(script), "built_in=(")
	list, _, _ = strings.Cut(list, ")")

	want := builder.BuiltIn()
	want = slices.DeleteFunc(want, func(name string) bool { return name == "apt" })
	if asked := strings.Fields(list); !slices.Equal(asked, want) {
		t.Errorf("asked = %v, want %v", asked, want)
	}
}
