package router_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

// accepts is a server that does f with every connection.
func accepts(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f(conn)
		}
	}()
	return l.Addr().String()
}

// silent keeps connections open and says nothing. It holds them: nobody else
// does, and the garbage collector closes what nobody holds.
func silent(t *testing.T) func(net.Conn) {
	var held []net.Conn
	var mu sync.Mutex
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range held {
			c.Close()
		}
	})
	return func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		held = append(held, c)
	}
}

func answers(t *testing.T, status int) string {
	return app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(status)
	})
}

func TestAHealthCheckPasses(t *testing.T) {
	for name, c := range map[string]struct {
		check  router.HealthCheck
		target string
	}{
		"200":                           {router.HealthCheck{}, answers(t, 200)},
		"a redirect, without following": {router.HealthCheck{}, answers(t, 302)},
		"404 when no path is set":       {router.HealthCheck{}, answers(t, 404)},
		"204 at the path":               {router.HealthCheck{Path: "/up"}, answers(t, 204)},
		"a redirect at the path":        {router.HealthCheck{Path: "/up"}, answers(t, 301)},
		"one that closes":               {router.HealthCheck{}, accepts(t, func(c net.Conn) { c.Close() })},
		"one that is no HTTP": {router.HealthCheck{}, accepts(t, func(c net.Conn) {
			io.WriteString(c, "-ERR unknown command\r\n")
			c.Close()
		})},
		"TCP, though it answers 500":    {router.HealthCheck{TCP: true}, answers(t, 500)},
		"TCP, though it says nothing":   {router.HealthCheck{TCP: true}, accepts(t, silent(t))},
		"TCP, whatever the path may be": {router.HealthCheck{TCP: true, Path: "/up"}, answers(t, 404)},
	} {
		c.check.Timeout = 5 * time.Second
		if err := c.check.Wait(t.Context(), c.target); err != nil {
			t.Errorf("%s: Wait = %v, want nil", name, err)
		}
	}
}

func TestAHealthCheckTellsWhatItSawLast(t *testing.T) {
	for want, c := range map[string]struct {
		check  router.HealthCheck
		target string
	}{
		"connection refused":                         {router.HealthCheck{}, nobody(t)},
		"GET / answered 500 Internal Server Error":   {router.HealthCheck{}, answers(t, 500)},
		"GET /up answered 500 Internal Server Error": {router.HealthCheck{Path: "/up"}, answers(t, 500)},
		"GET /up answered 404 Not Found":             {router.HealthCheck{Path: "/up"}, answers(t, 404)},
		"GET /bare answered 503 Service Unavailable": {router.HealthCheck{Path: "bare"}, answers(t, 503)},
		"GET /http: the answer is not HTTP":          {router.HealthCheck{Path: "/http"}, accepts(t, func(c net.Conn) { c.Close() })},
		"GET / got no answer":                        {router.HealthCheck{}, accepts(t, silent(t))},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			// A second is enough for a question, unless the machine is so busy
			// that not even a connection is made.
			var err error
			for _, timeout := range []time.Duration{time.Second, 5 * time.Second, 20 * time.Second} {
				c.check.Timeout = timeout
				if err = c.check.Wait(t.Context(), c.target); !strings.Contains(fmt.Sprint(err), "no connection in time") {
					break
				}
			}
			if !errors.Is(err, router.ErrUnhealthy) || !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("Wait = %v, want ErrUnhealthy with %q", err, want)
			}
		})
	}
}

func TestAHealthCheckWaitsForAnAppThatIsSlowToStart(t *testing.T) {
	var asked atomic.Int32
	target := app(t, func(w http.ResponseWriter, req *http.Request) {
		if asked.Add(1) < 5 || req.Host != "blog.test" || req.URL.RequestURI() != "/up?deep=1" {
			w.WriteHeader(500)
		}
	})

	err := router.HealthCheck{Path: "/up?deep=1", Host: "blog.test", Interval: time.Millisecond}.Wait(t.Context(), target)

	if n := asked.Load(); err != nil || n != 5 {
		t.Errorf("Wait = %v after %d questions, want nil after 5", err, n)
	}
}

// A process that accepts and then dies closes its connection as well, but
// must not get traffic for that.
func TestAProcessThatDiesOnTheFirstRequestIsUnhealthy(t *testing.T) {
	l := listen(t)
	go func() {
		conn, err := l.Accept()
		l.Close()
		if err == nil {
			conn.Close()
		}
	}()

	err := router.HealthCheck{Timeout: 2 * time.Second}.Wait(t.Context(), l.Addr().String())

	if !errors.Is(err, router.ErrUnhealthy) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Wait = %v, want ErrUnhealthy with connection refused", err)
	}
}

func TestAHealthCheckEndsWithItsContext(t *testing.T) {
	gone := errors.New("the process ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	asked := make(chan struct{}, 1)
	target := accepts(t, func(net.Conn) {
		select {
		case asked <- struct{}{}:
		default:
		}
	})
	result := make(chan error, 1)
	go func() { result <- router.HealthCheck{}.Wait(ctx, target) }()
	within(t, asked, "the first question")

	cancel(gone)

	if err := within(t, result, "Wait"); err != gone {
		t.Errorf("Wait = %v, want the cause", err)
	}
}

func TestAHealthCheckLeavesNoConnectionBehind(t *testing.T) {
	var opened, closed atomic.Int32
	s := httptest.NewUnstartedServer(says("hello"))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)

	for range 3 {
		if err := (router.HealthCheck{}).Wait(t.Context(), s.Listener.Addr().String()); err != nil {
			t.Fatal(err)
		}
	}

	until(t, "every connection to be closed", func() bool { return closed.Load() == 3 })
	if n := opened.Load(); n != 3 {
		t.Errorf("%d connections for 3 checks, want a fresh one each", n)
	}
}
