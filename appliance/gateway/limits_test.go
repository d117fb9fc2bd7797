package gateway_test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance/pipeline"
)

// What is pushed is on the disk before anything can look at it.
func TestPushOfMoreThanMayBePushedIsRefused(t *testing.T) {
	w := newWorld(t)
	w.pushed("blog")
	w.must(w.Store.Set(t.Context(), pipeline.PushMaxSizeSetting, "1048576"))
	big := make([]byte, 3<<20)
	rand.Read(big) // it cannot be packed
	w.commit(map[string]string{"big.bin": string(big)})

	r := w.push("ada", "blog", "main")

	if r.status == 0 || !strings.Contains(r.stderr, "it has more than the 2 MiB that a push may have") || !strings.Contains(r.stderr, "git:set blog push-max-size") {
		t.Errorf("git push: %d\n%s", r.status, r.stderr)
	}
	var left []string
	for _, dir := range []string{"objects", "objects/pack"} {
		entries, err := os.ReadDir(w.Pipeline.Repos.Path("blog") + "/" + dir)
		w.must(err)
		for _, e := range entries {
			if strings.Contains(e.Name(), "tmp_") {
				left = append(left, e.Name())
			}
		}
	}
	if len(left) > 0 {
		t.Errorf("%v is left of it", left)
	}
	w.git("reset", "-q", "--hard", "HEAD~1")
	w.commit(map[string]string{"new": "1"})
	if r := w.push("ada", "blog", "main"); r.status != 0 { // and the next one goes well
		t.Errorf("git push: %d\n%s", r.status, r.stderr)
	}
}
