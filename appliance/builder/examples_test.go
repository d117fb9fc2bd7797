package builder_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
)

func TestExamplesOfTheDocsAnswer(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]string{
		"node":       "Hello from Node.js v24",
		"go":         "Hello from go1.26",
		"static":     "<h1>Hello from a static site</h1>",
		"dockerfile": "Hello from a Dockerfile",
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: appliance.AppName("example-" + name)}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("../../docs/examples", name))); err != nil {
				t.Fatal(err)
			}
			onOurBase(t, filepath.Join(dir, "Dockerfile"))

			begun := time.Now()
			r, out := w.mustBuild(dir, nil)
			built := time.Since(begun)
			_, body := w.get(w.start(r, "web"), "/")
			begun = time.Now()
			w.mustBuild(dir, nil)

			t.Logf("built in %s, again in %s\n%s", built, time.Since(begun), out)
			if !strings.Contains(body, want) {
				t.Errorf("answer = %q, want %q", body, want)
			}
		})
	}
}

// onOurBase lets a Dockerfile build where no registry is reached.
func onOurBase(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^FROM .*$`).ReplaceAll(text, []byte("FROM "+testInstance(t)+base))
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
