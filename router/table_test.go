package router_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// full is a router with so many hosts, a few of them for each service, and
// one host for the service blog.
func full(tb testing.TB, hosts, each int) *router.Router {
	tb.Helper()
	r := router.New(nil)
	for n := 0; n < hosts; n += each {
		s := router.Service{Name: fmt.Sprintf("app-%d", n), Targets: []string{fmt.Sprintf("10.0.%d.%d:5000", n>>8&255, n&255)}}
		for i := range each {
			s.Hosts = append(s.Hosts, fmt.Sprintf("www-%d.customer.example", n+i))
		}
		if _, err := r.Swap(s); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := r.Swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}}); err != nil {
		tb.Fatal(err)
	}
	return r
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAHundredThousandHostsTakeLessThanAHundredMegabytes(t *testing.T) {
	for _, each := range []int{1, 10} {
		before := memory()
		r := full(t, 100_000, each)
		took := memory() - before
		t.Logf("100,000 hosts of %d services take %.1f MB", 100_000/each, float64(took)/1e6)
		if took > 100e6 {
			t.Errorf("100,000 hosts of %d services take %.1f MB, want at most 100", 100_000/each, float64(took)/1e6)
		}
		if !r.Serves("www-99999.customer.example") {
			t.Error("the last host is not served: the test shows nothing")
		}
	}
}

// changes are what there is to change, each with one that undoes it.
var changes = map[string][2]func(*router.Router) error{
	"a swap":     {swapTo("blog.test"), swapTo("blog.test")},
	"a new host": {swapTo("blog.test", "www.blog.test"), swapTo("blog.test")},
	"a new app": {
		func(r *router.Router) error {
			_, err := r.Swap(router.Service{Name: "new", Hosts: []string{"new.test"}})
			return err
		},
		func(r *router.Router) error { r.Remove("new"); return nil },
	},
	"a new path": {swapTo("blog.test", "www-1.customer.example/blog"), swapTo("blog.test")},
}

func swapTo(hosts ...string) func(*router.Router) error {
	return func(r *router.Router) error {
		_, err := r.Swap(router.Service{Name: "blog", Hosts: hosts, Targets: []string{"10.0.0.1:5000"}})
		return err
	}
}

func TestAChangeAmongTenThousandHostsTakesLessThanFiveMilliseconds(t *testing.T) {
	for name, r := range map[string]*router.Router{"of many services": full(t, 10_000, 1), "of one service": full(t, 10_000, 10_000)} {
		changes := changes
		if name == "of one service" {
			hosts := make([]string, 10_000)
			for i := range hosts {
				hosts[i] = fmt.Sprintf("www-%d.customer.example", i)
			}
			app := func(hosts []string) func(*router.Router) error {
				return func(r *router.Router) error {
					_, err := r.Swap(router.Service{Name: "app-0", Hosts: hosts})
					return err
				}
			}
			changes = map[string][2]func(*router.Router) error{
				"a swap": {app(hosts), app(hosts)}, "a new host": {app(append(slices.Clone(hosts), "new.test")), app(hosts)},
			}
		}
		for what, change := range changes {
			var took []time.Duration
			for range 51 {
				for _, do := range change {
					began := time.Now()
					if err := do(r); err != nil {
						t.Fatal(err)
					}
					took = append(took, time.Since(began))
				}
			}
			slices.Sort(took)
			// The median: another program may have had the processor.
			median := took[len(took)/2]
			t.Logf("10,000 hosts %s: %s takes %s, at worst %s", name, what, median, took[len(took)-1])
			if median > 5*time.Millisecond {
				t.Errorf("10,000 hosts %s: %s takes %s, want less than 5 ms", name, what, median)
			}
		}
	}
}

// Each lookup is of a host that there is, by a name that needs no tidying.
func TestALookupAllocatesNothing(t *testing.T) {
	r := full(t, 1000, 1)
	for _, hosts := range [][]string{{"*.wild.test"}, {"paths.test"}, {"paths.test/api"}} {
		if _, err := r.Swap(router.Service{Name: hosts[0], Hosts: hosts}); err != nil {
			t.Fatal(err)
		}
	}
	for _, host := range []string{"www-7.customer.example", "a.wild.test", "paths.test", "nobody.test"} {
		if n := testing.AllocsPerRun(1000, func() { r.Serves(host) }); n != 0 {
			t.Errorf("looking up %s allocates %v times, want 0", host, n)
		}
	}
}

// What serves must be found at every moment, by everybody, while other hosts
// come and go and its own generations are swapped.
func TestAHostIsFoundWhileTenThousandOthersChange(t *testing.T) {
	r := full(t, 10_000, 1)
	r.Handle("own.test", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	var stop atomic.Bool
	lost, asked := make(chan string, 4), make(chan int, 4)
	for i := range 4 {
		go func() {
			n := 0
			for ; !stop.Load(); n++ {
				host := []string{"blog.test", "own.test", "www-4242.customer.example", "x.wild.test"}[(i+n)%4]
				if host != "x.wild.test" && !r.Serves(host) {
					lost <- host
					return
				}
				if host == "own.test" {
					w, req := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
					req.Host = host
					if r.ServeHTTP(w, req); w.Code != 200 {
						lost <- host
						return
					}
				}
			}
			asked <- n
		}()
	}

	for n := range 2000 {
		for _, change := range changes {
			if err := change[n%2](r); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Update(router.Service{Name: "app-4242", Hosts: []string{"www-4242.customer.example", fmt.Sprintf("n%d.test", n%2)}}); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	for range 4 {
		select {
		case host := <-lost:
			t.Errorf("%s was not found", host)
		case n := <-asked:
			if n == 0 {
				t.Error("somebody never asked: the test shows nothing")
			}
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, hosts := range []int{10, 1000, 10_000, 100_000} {
		r := full(b, hosts, 1)
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if !r.Serves("www-7.customer.example") {
						b.Error("not found")
					}
				}
			})
		})
	}
}

func BenchmarkChange(b *testing.B) {
	for _, hosts := range []int{10, 1000, 10_000, 100_000} {
		r := full(b, hosts, 1)
		for name, change := range changes {
			b.Run(fmt.Sprintf("%s/hosts=%d", name, hosts), func(b *testing.B) {
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					if err := change[n%2](r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
