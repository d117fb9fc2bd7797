package router_test

import (
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// What was under way before a change that replaced no process is on the
// processes still when they are replaced later.
func TestDrainWaitsForWhatIsOlderThanTheLastChange(t *testing.T) {
	for name, change := range map[string]func(d *door, addr string){
		"of the policy": func(d *door, addr string) {
			d.router.SetPolicy("blog", router.Policy{PlainHTTP: true})
		},
		"of the hosts": func(d *door, addr string) {
			if err := d.router.Update(router.Service{Name: "blog", Hosts: []string{"blog.test", "www.blog.test"}, Targets: []string{addr}}); err != nil {
				t.Fatal(err)
			}
		},
		"of both, often": func(d *door, addr string) {
			for i := range 20 {
				d.router.SetPolicy("blog", router.Policy{MaxBody: int64(i + 1)})
			}
			if err := d.router.Update(router.Service{Name: "blog", Hosts: []string{"blog.test", "www.blog.test"}, Targets: []string{addr}}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			addr, arrived, finish := slow(t)
			d.blog(addr)
			answer := make(chan string, 1)
			go func() {
				_, body := d.get("https://blog.test/")
				answer <- body
			}()
			within(t, arrived, "the request at the old app")

			change(d, addr)
			old := d.blog(app(t, says("new")))
			if n := old.UnderWay(); n != 1 {
				t.Errorf("under way = %d, want 1", n)
			}
			report := make(chan router.Report, 1)
			go func() { report <- old.Drain(t.Context(), time.Minute) }()
			if _, body := d.get("https://blog.test/"); body != "new" {
				t.Errorf("after the switch %q answers, want new", body)
			}
			select {
			case r := <-report:
				t.Fatalf("drain returned %+v with a request under way", r)
			default:
			}
			finish <- struct{}{}

			if body := within(t, answer, "the old app's answer"); body != "done" {
				t.Errorf("the request under way got %q, want done", body)
			}
			if r := within(t, report, "the report"); r.Served != 1 || r.Failed+r.Cut != 0 {
				t.Errorf("report = %+v, want 1 served", r)
			}
		})
	}
}

func TestDrainCutsAtItsLimitWhatIsOlderThanTheLastChange(t *testing.T) {
	d := open(t)
	addr, arrived, _ := slow(t)
	d.blog(addr)
	answer := make(chan string, 1)
	go func() {
		_, body := d.get("https://blog.test/")
		answer <- body
	}()
	within(t, arrived, "the request at the old app")

	d.router.SetPolicy("blog", router.Policy{PlainHTTP: true})
	r := d.blog(app(t, says("new"))).Drain(t.Context(), time.Millisecond)

	within(t, answer, "an end")
	if r.Cut != 1 || r.Served+r.Failed != 0 {
		t.Errorf("report = %+v, want 1 cut", r)
	}
}

func TestAPolicyIsChangedForTheNextRequest(t *testing.T) {
	d := open(t)
	d.router.SetPolicy("blog", router.Policy{}) // there is none yet
	d.blog(app(t, says("blog")))

	d.router.SetPolicy("blog", router.Policy{Maintenance: router.Maintenance{On: true}})
	if status, _ := d.get("https://blog.test/"); status != 503 {
		t.Errorf("status = %d, want 503", status)
	}
	d.router.SetPolicy("blog", router.Policy{})

	if _, body := d.get("https://blog.test/"); body != "blog" {
		t.Errorf("after it %q answers", body)
	}
}
