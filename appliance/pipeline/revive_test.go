package pipeline

import (
	"slices"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
)

// fails has a process fail what it is asked, so long after it was started anew
// last, and returns how long it is left alone then.
func (s *state) fails(q appliance.Process, after time.Duration) time.Duration {
	if o := s.crashes[q.ID]; o != nil && !o.revived.IsZero() {
		o.At, o.revived = o.At.Add(-after), o.revived.Add(-after)
	}
	o := s.noteFailed(q, "failed")
	return o.patience()
}

func TestAProcessThatFailsAgainAndAgainIsStartedAnewMoreAndMoreRarely(t *testing.T) {
	s := new(state)
	q := appliance.Process{ID: "p", Running: true, Started: time.Now()}
	if !s.mayRevive(q.ID) {
		t.Error("it is left alone before it was started anew")
	}

	var waits []time.Duration
	for range 7 {
		waits = append(waits, s.fails(q, time.Minute).Round(time.Second))
	}

	want := []time.Duration{
		10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute,
	}
	if !slices.Equal(waits, want) {
		t.Errorf("it is left alone for %v, want %v", waits, want)
	}
	if s.mayRevive(q.ID) {
		t.Error("it may be started anew at once")
	}
	o := s.crashes[q.ID]
	if o.revived = o.revived.Add(-lastRevival); !s.mayRevive(q.ID) {
		t.Error("it may not be started anew when it was left alone for long enough")
	}
	if wait := s.fails(q, forgiven); wait != firstRevival || o.Row != 1 {
		t.Errorf("after a long time, it is left alone for %s as the %d. in a row, want a new row", wait, o.Row)
	}
}

// What is started anew again and again is not given up for its first crash.
func TestACrashIsInNoRowWithFailuresOfLiveness(t *testing.T) {
	s := new(state)
	q := appliance.Process{ID: "p", Running: true, Started: time.Now()}
	for range 20 {
		s.fails(q, time.Minute)
	}

	q.Running, q.Ended, q.ExitStatus = false, q.Started.Add(time.Second), 3
	o, fresh := s.noteEnd(q)

	if !fresh || o.Row != 1 || o.Ending != "exited with status 3" {
		t.Errorf("obituary = %+v, want the first of a row", o)
	}
}
