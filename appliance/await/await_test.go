package await_test

import (
	"testing"
	"time"

	"github.com/berthhq/berth/appliance/await"
)

func TestUntilLooksAgainAndAgain(t *testing.T) {
	looks := 0

	so := await.Until(time.Minute, func() bool { looks++; return looks == 3 })

	if !so || looks != 3 {
		t.Errorf("Until = %v after %d looks, want true after 3", so, looks)
	}
}

func TestUntilGivesUp(t *testing.T) {
	if await.Until(time.Millisecond, func() bool { return false }) {
		t.Error("Until = true for what never holds")
	}
}
