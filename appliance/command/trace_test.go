package command_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// A safeBuffer is written by many.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// listen has the world keep what it logs.
func (w *world) listen() *safeBuffer {
	log := new(safeBuffer)
	w.Level = new(slog.LevelVar)
	w.Pipeline.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: w.Level}))
	w.Set.Log = w.Pipeline.Log
	return log
}

func TestTraceTellsEveryStep(t *testing.T) {
	w := newWorld(t)
	log := w.listen()

	w.run(bob, "ps", "blog")
	if log.String() != "" || !strings.Contains(w.ok("trace:report"), "Trace enabled:                 false\n") {
		t.Errorf("before it is on, the log has\n%s", log)
	}
	if out := w.ok("trace:on"); out != "-----> Enabling trace mode\n" {
		t.Errorf("trace:on = %q", out)
	}
	w.run(bob, "ps", "blog")
	w.run(eve, "ps", "blog")
	w.ok("config:set", "blog", "SECRET=hunter2")
	w.deploy("blog", "")
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log has a secret:\n%s", log)
	}
	for _, want := range []string{
		`level=DEBUG msg=command command=ps app=blog actor=bob door=ssh from=192.0.2.1:5 took=`, ` status=0`,
		`msg=command command=ps app=blog actor=eve door=ssh from="" took=`, ` status=4`,
		`level=DEBUG msg=turn app=blog what=deploy actor=ada waited=`, `level=DEBUG msg="stage begins" app=blog stage=build`,
		`level=DEBUG msg="process is ready" app=blog process=web.1`, `level=DEBUG msg="traffic moves" app=blog generation=`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	// A daemon that starts asks what was said last.
	w.Level.Set(slog.LevelInfo)
	w.must(w.ApplyTrace(t.Context()))
	if w.Level.Level() != slog.LevelDebug || !strings.Contains(w.ok("trace:report", "--format", "json"), `"trace-enabled":"true"}`) {
		t.Errorf("after a restart the level is %s, and the report %s", w.Level, w.ok("trace:report", "--format", "json"))
	}
	if out := w.ok("trace:off"); out != "-----> Disabling trace mode\n" {
		t.Errorf("trace:off = %q", out)
	}
	before := strings.Count(log.String(), "DEBUG")
	w.ok("ps", "blog")
	if n := strings.Count(log.String(), "DEBUG"); n != before {
		t.Errorf("after trace:off the log has %d lines more", n-before)
	}
}

// Every command there is, with a secret wherever it takes one.
func TestTraceHasNoSecrets(t *testing.T) {
	w := newWorld(t)
	log := w.listen()
	w.ok("trace:on")

	all := w.All()
	for _, c := range all {
		if c.Name == "trace:off" {
			continue
		}
		line := args(c)
		w.run(ada, line...)
		w.run(bob, append(line, "hunter2", "--hunter2")...) // more than it takes
		if !strings.Contains(log.String(), " command="+c.Name+" ") {
			t.Errorf("the log has nothing of %q", line)
		}
	}
	w.runWith("hunter2", ada, "config:set", "blog", "TYPED")

	if strings.Contains(log.String(), "hunter2") {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "hunter2") {
				t.Errorf("the log has a secret: %s", line)
			}
		}
	}
}
