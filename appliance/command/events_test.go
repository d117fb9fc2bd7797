package command_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/db"
)

func TestEventsAreFoundByWhatIsAsked(t *testing.T) {
	w := newWorld(t)
	w.ok("config:set", "api", "A=1", "--no-restart")
	w.run(bob, "config:set", "blog", "B=1", "--no-restart")
	w.run(bob, "checks:set", "blog", "path", "nonsense")

	for line, want := range map[string]string{
		"events":                                "3",
		"events:list":                           "3",
		"events blog":                           "2",
		"events --app blog":                     "2",
		"events --actor ada":                    "1",
		"events --action config":                "2",
		"events --action config:set":            "2",
		"events --action conf":                  "0",
		"events --failed":                       "1",
		"events --since 1h":                     "3",
		"events --since 2100-01-01":             "0",
		"events -n 1 --actor bob --format json": "1",
	} {
		out := w.ok(strings.Fields(line)...)
		n := strings.Count(out, "ada ") + strings.Count(out, "bob ") + strings.Count(out, `"actor":"bob"`)
		if got := string(rune('0' + n)); got != want {
			t.Errorf("%s: %s events, want %s:\n%s", line, got, want, out)
		}
	}
	for _, line := range []string{"events --since soon", "events:set keep 5", "events:set keep many"} {
		if r := w.run(ada, strings.Fields(line)...); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", line, r.err)
		}
	}
}

func TestEventsAreFollowed(t *testing.T) {
	w := newWorld(t)
	w.ok("config:set", "blog", "A=1", "--no-restart")
	ctx, hangUp := context.WithCancel(t.Context())
	out := new(await.Buffer)
	followed := make(chan error, 1)
	go func() {
		followed <- w.Execute(ctx, &command.Session{Actor: bob, Stdin: strings.NewReader(""), Stdout: out, Stderr: io.Discard}, []string{"events", "blog", "-t"})
	}()
	await.That(t, "the first is shown", func() bool { return strings.Count(out.String(), "config:set") == 1 })

	w.ok("config:set", "api", "A=1", "--no-restart")
	w.ok("config:set", "blog", "B=1", "--no-restart")

	await.That(t, "the next is shown", func() bool { return strings.Count(out.String(), "config:set") == 2 })
	hangUp()
	if err := <-followed; !errors.Is(err, context.Canceled) {
		t.Errorf("events -t = %v", err)
	}
	if strings.Contains(out.String(), "api") {
		t.Errorf("events of another app:\n%s", out)
	}
}

// Attack: whoever may do nothing asks for so much that the audit trail fills
// the disk.
func TestTheAuditTrailIsBounded(t *testing.T) {
	w := newWorld(t)
	w.ok("events:set", "keep", "1000")
	w.must(w.Store.Set(t.Context(), db.EventsKeepSetting, "20"))

	for range 250 {
		w.must(w.Store.Record(t.Context(), appliance.Event{Actor: "eve", Action: "apps:destroy", Error: "permission denied"}))
	}

	events, err := w.Store.Events(t.Context(), "", 5000)
	if err != nil || len(events) < 20 || len(events) > 120 {
		t.Errorf("%d events, %v, want twenty, or a hundred more", len(events), err)
	}
}
