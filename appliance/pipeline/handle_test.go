package pipeline_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What names a service by the app's name loses it when the app is renamed, and
// finds another's if there is a new app of that name.
func TestNobodyCallsAServiceByTheNameOfItsApp(t *testing.T) {
	wrong := regexp.MustCompile(`(Router|Certificates|AccessLog)[.A-Za-z]*\((ctx, )?string\(|router\.Service\{Name: string\(`)
	n := 0
	for _, dir := range []string{".", "../command", "../gateway", "../../cmd/berth"} {
		sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range sources {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			n++
			if line := wrong.Find(text); line != nil && !strings.HasSuffix(path, "_test.go") {
				t.Errorf("%s has %s: write p.Service(app)", path, line)
			}
		}
	}
	if n < 50 {
		t.Errorf("%d sources: this test shows nothing", n)
	}
}
