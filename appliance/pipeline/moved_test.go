package pipeline_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/berthhq/berth/appliance/pipeline"
)

// A process that ends takes the requests with it that it has at that moment,
// and no others: those that come wait until it is back, and go where it is
// then.
func TestOnlyWhatADeadProcessWasAnsweringIsLost(t *testing.T) {
	w := newWorld(t)
	w.watch()
	w.must(w.Store.SetApp(t.Context(), "blog", pipeline.CheckPathSetting, "tcp"))
	var lives, answeredByLast atomic.Int64
	born := func() *httptest.Server {
		me := lives.Add(1)
		return httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			if me == lives.Load() {
				answeredByLast.Add(1)
			}
			io.WriteString(rw, "hello")
		}))
	}
	now := born()
	defer func() { now.Close() }()
	w.engine.Addr = now.Listener.Addr().String()
	w.deployed("blog", serves())
	id := w.only("blog").ID
	end := w.visits("blog.localhost")
	const deaths = 20

	for range deaths {
		now.Listener.Close()
		now.CloseClientConnections()
		now.Close()
		answeredByLast.Store(0)
		now = born()
		w.engine.Move(id, now.Listener.Addr().String())
		w.eventually("it gets requests at its new address", func() bool { return answeredByLast.Load() > 10 })
	}

	answered, failed := end()
	t.Logf("%d requests, %d failed over %d deaths", answered, len(failed), deaths)
	// Each visitor has one request at a time.
	if len(failed) > visitors*deaths {
		t.Errorf("%d of %d requests failed over %d deaths with %d visitors: %.2q", len(failed), answered, deaths, visitors, failed)
	}
	w.wantAnswer("blog.localhost", "hello")
}
