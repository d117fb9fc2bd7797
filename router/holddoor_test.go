package router_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// held is how many requests wait at the door.
func (d *door) held() (n float64) {
	for _, m := range d.router.Metrics() {
		if m.Name == "berth_router_requests_held" {
			for _, s := range m.Samples {
				n += s.Value
			}
		}
	}
	return n
}

// The queue is for those who still wait, whatever they came by.
func TestAVisitorWhoLeavesTheDoorLeavesTheQueue(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			d.blog(app(t, says("old")))
			d.router.Hold("blog", router.Bounds{Requests: 2, Bytes: 1 << 20, Time: time.Minute})
			ctx, hangUp := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				req, _ := http.NewRequestWithContext(ctx, "GET", "https://blog.test/", nil)
				_, err := d.client(http2).Do(req)
				ended <- err
			}()
			stays := make(chan string, 1)
			go func() {
				_, body := d.get("https://blog.test/")
				stays <- body
			}()
			until(t, "both wait", func() bool { return d.held() == 2 })

			hangUp()

			if err := within(t, ended, "the one who hangs up"); err == nil {
				t.Error("the one who hung up was answered")
			}
			until(t, "one waits", func() bool { return d.held() == 1 })
			d.blog(app(t, says("new")))
			if body := within(t, stays, "the one who stays"); body != "new" {
				t.Errorf("the one who stayed got %q, want new", body)
			}
			if stats := d.router.Stats("blog"); stats.Failed != 0 {
				t.Errorf("stats = %+v, want none failed: one had enough", stats)
			}
		})
	}
}
