package router_test

import (
	"errors"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

func TestAnUpdateLeavesWhatIsUnderWayAlone(t *testing.T) {
	d := open(t)
	addr, arrived, finish := slow(t)
	d.blog(addr)
	d.swap(router.Service{Name: "wiki", Hosts: []string{"wiki.test"}})
	answer := make(chan string, 1)
	go func() {
		_, body := d.get("https://blog.test/")
		answer <- body
	}()
	within(t, arrived, "the request")
	moved := app(t, says("moved"))

	for _, hosts := range [][]string{{"BLOG.test"}, {"blog.test", "www.test"}, {"www.test"}} {
		if err := d.router.Update(router.Service{Name: "blog", Hosts: hosts, Targets: []string{moved}}); err != nil {
			t.Fatal(err)
		}
		if _, body := d.get("https://" + hosts[len(hosts)-1] + "/"); body != "moved" {
			t.Errorf("with hosts %v %q answers, want moved", hosts, body)
		}
	}
	err := d.router.Update(router.Service{Name: "blog", Hosts: []string{"wiki.test"}, Targets: []string{moved}})
	finish <- struct{}{}

	if !errors.Is(err, router.ErrHostTaken) || !d.router.Serves("www.test") {
		t.Errorf("Update with a host of another = %v, want ErrHostTaken and nothing changed", err)
	}
	if d.router.Serves("blog.test") {
		t.Error("blog.test is served, want it gone with the update")
	}
	if body := within(t, answer, "the answer"); body != "done" {
		t.Errorf("the request under way got %q, want done", body)
	}
	if r := d.router.Remove("blog").Drain(t.Context(), time.Minute); r.Cut > 0 || r.Failed > 0 {
		t.Errorf("report = %+v, want none cut or failed", r)
	}
}
