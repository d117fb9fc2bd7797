package router_test

import (
	"errors"
	"math/rand/v2"
	"strings"
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

func TestTheHostsOfAServiceAreThoseOfItsLastSwapAndNoOthers(t *testing.T) {
	r := router.New(nil)
	all := []string{"a.test", "b.test", "*.b.test", "c.test", "c.test/x", "d.test"}
	names := map[string]string{"a.test": "a.test/", "b.test": "b.test/", "*.b.test": "y.b.test/", "c.test": "c.test/", "c.test/x": "c.test/x", "d.test": "d.test/"}
	addr := app(t, says("it"))
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var hosts []string
		want := map[string]bool{}
		for _, host := range all {
			if random.IntN(2) == 0 {
				want[host] = true
				hosts = append(hosts, host)
			}
			if random.IntN(4) == 0 {
				want[host] = true
				hosts = append(hosts, strings.Replace(strings.ToUpper(host), "/X", "/x", 1))
			}
		}
		random.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		if err := r.Update(router.Service{Name: "it", Hosts: hosts, Targets: []string{addr}}); err != nil {
			t.Fatal(err)
		}
		for _, host := range all {
			is := want[host] || host == "c.test/x" && want["c.test"]
			if got := asked(r, names[host]) == "it"; got != is {
				t.Fatalf("with hosts %q %s is served: %v, want %v", hosts, names[host], got, is)
			}
		}
	}
	r.Remove("it")
	for _, url := range names {
		if got := asked(r, url); got != "404" {
			t.Errorf("%s is answered by %s after Remove, want 404", url, got)
		}
	}
}
