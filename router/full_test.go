package router_test

import (
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

func TestAnAppThatStallsCostsOnlyItself(t *testing.T) {
	d := open(t)
	addr, arrived, finish := slow(t)
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{addr}, Policy: router.Policy{MaxRequests: 3}})
	d.swap(router.Service{Name: "wiki", Hosts: []string{"wiki.test"}, Targets: []string{app(t, says("wiki"))}, Policy: router.Policy{MaxRequests: 3}})
	answers := make(chan string, 3)
	for range 3 {
		go func() {
			_, body := d.get("https://blog.test/")
			answers <- body
		}()
		within(t, arrived, "the request")
	}

	for range 5 {
		if status, body := d.get("https://blog.test/"); status != 503 || !strings.Contains(body, "H11") {
			t.Errorf("one more got %d %q, want 503 H11", status, body)
		}
		if _, body := d.get("https://wiki.test/"); body != "wiki" {
			t.Errorf("the other app says %q, want wiki", body)
		}
	}
	for range 3 {
		finish <- struct{}{}
		if body := within(t, answers, "the answer"); body != "done" {
			t.Errorf("one that was let in got %q, want done", body)
		}
	}

	until(t, "there is room again", func() bool {
		go func() {
			_, body := d.get("https://blog.test/")
			answers <- body
		}()
		select {
		case <-arrived:
			finish <- struct{}{}
			return <-answers == "done"
		case body := <-answers:
			return !strings.Contains(body, "H11")
		}
	})
	if stats := d.router.Stats("blog"); stats.Failed < 5 {
		t.Errorf("stats = %+v, want those that were refused counted as failed", stats)
	}
}
