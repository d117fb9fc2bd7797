package router_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// This is the promise of the package. Each backend dies as soon as its drain
// is over, as a container does, so one request that the drain did not count
// would fail.
func TestNoRequestIsLostWhileGenerationsAreSwapped(t *testing.T) {
	for _, others := range []int{0, 10_000} {
		t.Run(fmt.Sprintf("beside %d other hosts", others), func(t *testing.T) { swapUnderLoad(t, others) })
	}
}

// swapUnderLoad swaps the blog's generations while it is visited, and changes
// the others meanwhile.
func swapUnderLoad(t *testing.T, others int) {
	d := open(t)
	const clients, swaps = 50, 200
	other := func(n int) router.Service {
		return router.Service{Name: fmt.Sprint("other-", n), Hosts: []string{fmt.Sprintf("other-%d.test", n), fmt.Sprintf("*.other-%d.test", n)}}
	}
	for n := range others {
		d.swap(other(n))
	}
	live := httptest.NewServer(says("hello"))
	defer func() { live.Close() }()
	d.blog(live.Listener.Addr().String())

	var stop atomic.Bool
	var asked atomic.Uint64
	var hammering sync.WaitGroup
	defer hammering.Wait()
	defer stop.Store(true)
	for i := range clients {
		client := d.client(i%2 == 0)
		hammering.Go(func() {
			for n := 0; !stop.Load(); n++ {
				method := []string{"GET", "POST"}[n%2]
				req, _ := http.NewRequest(method, "https://blog.test/", io.LimitReader(zeros{}, int64(n%2*5000)))
				res, err := client.Do(req)
				if err != nil {
					t.Errorf("%s: %v", method, err)
					return
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if res.StatusCode != 200 || string(body) != "hello" || err != nil {
					t.Errorf("%s got %s %q, %v, want 200 hello", method, res.Status, body, err)
					return
				}
				asked.Add(1)
			}
		})
	}

	drained := 0
	for n := range swaps {
		if others > 0 {
			d.swap(other(n))
			d.router.Remove(fmt.Sprint("other-", n+swaps))
			d.swap(router.Service{Name: "new", Hosts: []string{fmt.Sprintf("new-%d.test", n)}})
		}
		before := asked.Load()
		until(t, "the clients to be at it", func() bool { return t.Failed() || asked.Load() >= before+10 })
		next := httptest.NewServer(says("hello"))
		report := d.blog(next.Listener.Addr().String()).Drain(t.Context(), time.Minute)
		// Not Close alone: it would wait for a request that we did not count.
		live.CloseClientConnections()
		live.Close()
		live = next
		drained += report.Served
		if report.Failed+report.Cut > 0 {
			t.Fatalf("drain = %+v, want none failed or cut", report)
		}
	}
	stop.Store(true)
	hammering.Wait()

	until(t, "every request is counted", func() bool { return d.router.Stats("blog").Requests >= asked.Load() })
	stats := d.router.Stats("blog")
	if stats.Failed != 0 || stats.Requests != asked.Load() {
		t.Errorf("stats = %+v, want %d requests and none failed", stats, asked.Load())
	}
	if drained == 0 {
		t.Error("no drain had anything to wait for: the test shows nothing")
	}
	t.Logf("%d requests over %d swaps, %d of them under way at a switch", stats.Requests, swaps, drained)
}
