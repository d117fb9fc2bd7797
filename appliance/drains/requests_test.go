package drains_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/drains"
	"github.com/berthhq/berth/router"
)

// listening returns a receiver, and its address as a drain has it.
func listening(t *testing.T) (r *receiver, at string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r = new(receiver)
	go accept(r, l)
	return r, "syslog://" + l.Addr().String()
}

func request(path string, status int) router.Access {
	return router.Access{
		At: line("").At, Method: "GET", Host: "blog.example.org", Path: path, RequestID: "2Q4S", Client: "203.0.113.7", TLS: "1.3",
		Target: "172.18.0.2:5000", Outcome: "served", Status: status, Out: 7, Connect: 0.6, Duration: 12.4,
	}
}

func TestRequestsGoToTheDrainsThatWantThem(t *testing.T) {
	s := running(t, nil)
	both, bothAt := listening(t)
	app, appAt := listening(t)
	requests, requestsAt := listening(t)
	names := func(_ context.Context, addr string, then time.Time) string {
		if addr != "172.18.0.2:5000" || !then.Equal(line("").At) {
			t.Errorf("asked for %s at %s", addr, then)
		}
		return "web.1"
	}
	s.Set(map[appliance.AppName]drains.App{
		"blog": {Name: "blog", Names: names, Specs: []drains.Spec{
			{ID: "1", URL: bothAt}, {ID: "2", URL: appAt, Only: drains.OnlyApp}, {ID: "3", URL: requestsAt, Only: drains.OnlyRouter},
		}},
		"quiet": {Name: "quiet", Specs: []drains.Spec{{ID: "4", URL: appAt, Only: drains.OnlyApp}}},
		"loud":  {Name: "loud", Specs: []drains.Spec{{ID: "5", URL: requestsAt, Only: drains.OnlyRouter}}},
	})

	failed := request("/\"\n", 503)
	failed.Code, failed.Outcome = "H12", "failed"
	s.Requests("blog")([]router.Access{request("/posts/1", 200), failed})
	const first = `at=info method=GET path="/posts/1" host=blog.example.org request_id=2Q4S fwd="203.0.113.7" dyno=web.1 connect=1ms service=12ms status=200 bytes=7 protocol=https tls_version=tls1.3`
	second := strings.NewReplacer("at=info", `at=error code=H12 desc="`+router.Describe("H12")+`"`, "/posts/1", `/\"\n`, "status=200", "status=503").Replace(first)
	await.That(t, "the requests are there", func() bool {
		return both.texts() == first+","+second && requests.texts() == first+","+second
	})
	s.Send("blog", []appliance.LogLine{line("one")})
	await.That(t, "what was printed is there", func() bool {
		return both.texts() == first+","+second+",one" && app.texts() == "one"
	})

	if got := requests.texts(); strings.Contains(got, "one") {
		t.Errorf("a drain for requests got %q", got)
	}
	for i, priority := range []string{"158", "155"} {
		want := message{priority, "2026-11-27T10:00:00.123456Z", "blog", "berth", "router", []string{first, second}[i]}
		both.mu.Lock()
		if both.messages[i] != want {
			t.Errorf("message = %v, want %v", both.messages[i], want)
		}
		both.mu.Unlock()
	}
	for service, want := range map[string][2]bool{"blog": {true, true}, "quiet": {true, false}, "loud": {false, true}, "none": {}} {
		if got := [2]bool{s.Wants(appliance.AppName(service)), s.Requests(service) != nil}; got != want {
			t.Errorf("%s: lines and requests are wanted: %v, want %v", service, got, want)
		}
	}
}

// Attack: visitors ask as much as they can, while the engine, which knows the
// names, or the service, does not answer: the router would wait.
func TestRequestsWaitForNobodyAndAreBoundedAndCounted(t *testing.T) {
	s := running(t, nil)
	r, at := listening(t)
	open := make(chan struct{})
	s.Set(map[appliance.AppName]drains.App{"blog": {Name: "blog", Specs: []drains.Spec{{ID: "1", URL: at}}, Names: func(context.Context, string, time.Time) string {
		<-open
		return "web.1"
	}}})
	list := make([]router.Access, 1000)
	for i := range list {
		list[i] = request(fmt.Sprintf("/%d", i), 200)
	}
	const n = 100

	for range n { // it would wait here
		s.Requests("blog")(list)
	}
	close(open)

	await.That(t, "each was sent or counted", func() bool {
		now := s.Status("blog")["1"]
		return now.Sent+now.Dropped == n*int64(len(list))
	})
	// One lot of 20,000 is being named, and one waits.
	if now := s.Status("blog")["1"]; now.Dropped < n*int64(len(list))-2*20_000 {
		t.Errorf("%+v, want that few wait", now)
	}
	// Who reads the drain is told, at the next line.
	s.Send("blog", []appliance.LogLine{line("last")})
	await.That(t, "it is told", func() bool {
		return strings.Contains(r.texts(), " lines were left out: the drain could not take them in time") && strings.HasSuffix(r.texts(), "last")
	})
}

// What the router does last, it does after everything else.
func TestWhatIsLeftIsSentAtTheEnd(t *testing.T) {
	r, at := listening(t)
	s := &drains.Set{Log: slog.New(slog.DiscardHandler), Dial: func(bool) drains.Dial { return new(net.Dialer).DialContext }}
	s.Set(map[appliance.AppName]drains.App{"blog": {Name: "blog", Specs: []drains.Spec{{ID: "1", URL: at}}}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Requests("blog")([]router.Access{request("/", 200)})
	s.Send("blog", []appliance.LogLine{line("one")})

	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}

	await.That(t, "both are there", func() bool { return strings.HasPrefix(r.texts(), "one,at=info") })
}
