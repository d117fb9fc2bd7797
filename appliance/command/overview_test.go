package command_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance/await"
)

func TestStatusShowsWhatIsWrongFirst(t *testing.T) {
	w := newWorld(t)
	w.ok("ps:set", "blog", "restart-policy", "no")
	w.ok("ps:scale", "blog", "web=2")
	w.deploy("blog", "")

	well := w.ok("status")

	if !regexp.MustCompile(`(?m)^blog +running +2/2 +v1 +[0-9.]+% +32 MB +[0-9.]+ +0  https://blog.localhost$`).MatchString(well) || strings.Contains(well, " !     blog") {
		t.Errorf("status shows:\n%s", well)
	}
	all, err := w.Engine.Processes(t.Context(), "blog")
	w.must(err)
	w.engine.Exit(all[0].ID, 3)
	await.That(t, "it has ended", func() bool {
		all, err = w.Engine.Processes(t.Context(), "blog")
		return err == nil && (!all[0].Running || !all[1].Running)
	})
	w.must(w.Restore(t.Context(), "blog"))
	ill := w.ok("status")
	if !regexp.MustCompile(`^ !     blog: web\.[12] crashed: exited with status 3 \(ps:restart blog starts it\)\n`).MatchString(ill) || !regexp.MustCompile(`(?m)^blog +crashed +1/2 `).MatchString(ill) {
		t.Errorf("status shows:\n%s", ill)
	}
	w.ok("ps:stop", "blog")
	if got := w.ok("top"); !regexp.MustCompile(`(?m)^blog +stopped +0/0 `).MatchString(got) || strings.Contains(got, "\x1b") {
		t.Errorf("top shows:\n%s", got)
	}
	lines := strings.Split(strings.TrimSpace(w.ok("top", "--format", "json", "-n", "2", "--interval", "1")), "\n")
	if len(lines) != 2 || !json.Valid([]byte(lines[0])) || !strings.Contains(lines[1], `"state":"stopped"`) {
		t.Errorf("top --format json printed %q", lines)
	}
}

// Who may see one app learns nothing of the others, and nothing of the machine.
func TestStatusShowsOnlyWhatOneMaySee(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")

	own, other := w.run(bob, "status"), w.run(eve, "status")

	if own.err != nil || !strings.Contains(own.stdout, "blog") || strings.Contains(own.stdout, "api") || strings.Contains(own.stdout, "memory 1") {
		t.Errorf("status for bob: %v\n%s", own.err, own.stdout)
	}
	if other.err != nil || strings.Contains(other.stdout, "blog") || strings.Contains(other.stdout, "disk") {
		t.Errorf("status for a stranger: %v\n%s", other.err, other.stdout)
	}
}
