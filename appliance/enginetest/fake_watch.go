package enginetest

import (
	"context"
	"slices"
	"sync"

	"github.com/berthhq/berth/appliance"
)

// A fakeWatcher is one call of Watch.
type fakeWatcher struct {
	// mu is held while changed is called, so that it is not called any more
	// when Watch has returned.
	mu      sync.Mutex
	changed func(appliance.AppName)
	ended   bool
}

func (w *fakeWatcher) tell(app appliance.AppName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.changed(app)
	}
}

// Watch calls changed with the app of every process that starts or ends.
func (f *Fake) Watch(ctx context.Context, changed func(appliance.AppName)) error {
	if err := f.refused("Watch"); err != nil {
		return err
	}
	w := &fakeWatcher{changed: changed}
	f.mu.Lock()
	f.watchers = append(f.watchers, w)
	f.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.ended = true
		w.mu.Unlock()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.watchers = slices.DeleteFunc(f.watchers, func(x *fakeWatcher) bool { return x == w })
	}()
	w.tell("")
	<-ctx.Done()
	return nil
}

// tell tells those who watch, without holding mu: they may ask something.
func (f *Fake) tell(app appliance.AppName) {
	f.mu.Lock()
	watchers := slices.Clone(f.watchers)
	f.mu.Unlock()
	for _, w := range watchers {
		w.tell(app)
	}
}
