package main

import (
	"errors"
	"fmt"
	"testing"
)

// reload has the daemon replaced, and notes the one that serves now.
func (m *machine) reload(t *testing.T) {
	t.Helper()
	before := m.pid(t)
	m.must(t, "/", "berth", "reload")
	if now := m.pid(t); now == before {
		t.Fatalf("process %d serves still", now)
	}
}

func TestNoRequestIsLostWhenTheDaemonIsReplaced(t *testing.T) {
	t.Parallel()
	m := serving(t, "")
	dir := m.repository(t, "first")
	m.must(t, dir, "git", "push", "-q", "berth:blog", "main")
	all := m.visitors(t)
	defer letVisit(t, all)()
	m.everybodyAsks(t, all)

	for range 5 {
		m.reload(t)
		m.everybodyAsks(t, all)
	}
}

// pid returns the process that serves.
func (m *machine) pid(t *testing.T) int {
	t.Helper()
	var pid int
	err := m.eventually("a daemon answers", func() (err error) {
		pid, err = ask(t.Context(), m.dir, request{Do: doKeep}, t.Output())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

var _ = errors.New
var _ = fmt.Sprint
