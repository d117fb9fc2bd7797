package router_test

import (
	"testing"
	"time"
)

func TestTargetsThatLeaveAnswerWhatTheyWereAsked(t *testing.T) {
	d := open(t)
	leaves, arrived, finish := slow(t)
	stays := app(t, says("stays"))
	d.blog(leaves)
	answer := make(chan string, 1)
	go func() {
		_, body := d.get("https://blog.test/")
		answer <- body
	}()
	within(t, arrived, "the request at the one that leaves")
	d.router.SetTargets("blog", []string{leaves, stays})
	left := make(chan int, 1)

	leaving := d.router.Vacate("blog", []string{stays})
	go func() { left <- leaving.Drain(t.Context(), time.Minute) }()

	if _, body := d.get("https://blog.test/"); body != "stays" {
		t.Errorf("%q answers, want the one that stays", body)
	}
	select {
	case n := <-left:
		t.Fatalf("Drain returned %d with a request under way", n)
	default:
	}
	finish <- struct{}{}
	if body := within(t, answer, "the answer of the one that leaves"); body != "done" {
		t.Errorf("what was under way got %q, want done", body)
	}
	if n := within(t, left, "the drain"); n != 0 {
		t.Errorf("Drain = %d, want nothing left", n)
	}
}

func TestTargetsThatLeaveAreWaitedForUntilTheLimit(t *testing.T) {
	d := open(t)
	leaves, arrived, _ := slow(t)
	d.blog(leaves)
	client := d.client(false)
	go func() { _, _ = client.Get("https://blog.test/") }() // nobody answers it
	within(t, arrived, "the request")

	if n := d.router.Vacate("blog", nil).Drain(t.Context(), 50*time.Millisecond); n != 1 {
		t.Errorf("Drain = %d, want the one that is under way", n)
	}
	if n := d.router.Vacate("nobody", nil).Drain(t.Context(), time.Minute); n != 0 {
		t.Errorf("Drain of no service = %d", n)
	}
}
