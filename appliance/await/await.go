// Package await is for tests: it waits for what must come about, and for no
// longer than that takes.
package await

import (
	"testing"
	"time"
)

// Patience is how long That waits: long, because only a test that fails
// waits so long, and machines that test are busy.
const Patience = 90 * time.Second

// interval is how often a condition is looked at.
const interval = 5 * time.Millisecond

// That returns when so holds, and fails the test if it never does. What
// completes the sentence "it never came about that …".
func That(t testing.TB, what string, so func() bool) {
	t.Helper()
	if !Until(Patience, so) {
		t.Fatalf("it never came about that %s", what)
	}
}

// Until returns true when so holds, or false if it still does not after limit.
func Until(limit time.Duration, so func() bool) bool {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for end := time.After(limit); !so(); {
		select {
		case <-tick.C:
		case <-end:
			return so()
		}
	}
	return true
}
