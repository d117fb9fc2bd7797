package enginetest

import (
	"context"
	"time"

	"github.com/berthhq/berth/appliance"
)

var watchPromises = []promise{
	{"Watch tells of each start and end", func(w *world) {
		told := w.watch()
		told.of("") // it has reached the engine

		p := w.start(appliance.ProcessSpec{})[0]
		told.of(w.app)
		told.drain()
		if err := w.e.Stop(w.Context(), time.Second, p.ID); err != nil {
			w.Fatal(err)
		}
		told.of(w.app)
	}},

	{"Watch tells of a process that ends by itself", func(w *world) {
		p := w.start(appliance.ProcessSpec{Port: 8080})[0]
		w.eventually("it answers", func() bool { return get(p.Addr, "/") != "" })
		told := w.watch()
		told.of("")

		get(p.Addr, "/exit/1")

		told.of(w.app)
	}},

	{"Watch ends without an error", func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		reached := make(chan struct{}, 100)
		ended := make(chan error, 1)
		go func() { ended <- w.e.Watch(ctx, func(appliance.AppName) { reached <- struct{}{} }) }()
		<-reached

		cancel()

		if err := <-ended; err != nil {
			w.Errorf("Watch = %v, want nil", err)
		}
	}},
}

// news is what Watch tells.
type news struct {
	w    *world
	told chan appliance.AppName
}

// watch watches until the test has ended.
func (w *world) watch() news {
	w.Helper()
	n := news{w, make(chan appliance.AppName, 1000)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := w.e.Watch(ctx, func(app appliance.AppName) { n.told <- app }); err != nil {
			w.Errorf("Watch: %v", err)
		}
	}()
	w.Cleanup(func() { cancel(); <-ended })
	return n
}

// of waits for news of an app. Those of others, which run besides, are passed
// over.
func (n news) of(app appliance.AppName) {
	n.w.Helper()
	for deadline := time.After(patience); ; {
		select {
		case told := <-n.told:
			if told == app {
				return
			}
		case <-deadline:
			n.w.Fatalf("Watch never told of %q", app)
		}
	}
}

// drain forgets what has been told so far.
func (n news) drain() {
	for len(n.told) > 0 {
		<-n.told
	}
}
