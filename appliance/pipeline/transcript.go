package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/db"
)

// How much of what a run prints is kept, in bytes: of a longer one the
// beginning and the end.
const (
	keepHead = 512 << 10
	keepTail = 512 << 10
)

// How long and how much may wait to be written to the store, and what is
// written there at once at most.
const (
	flushEvery = 250 * time.Millisecond
	flushSize  = 16 << 10
	pieceSize  = 32 << 10
)

// A transcript keeps in the store what a run prints, while it does. The run
// never waits for the store: what it prints is written a moment later, by
// write, and whatever was written survives our own sudden end.
type transcript struct {
	store  *db.Store
	app    appliance.AppName
	number int
	log    *slog.Logger

	some  chan struct{} // has a value when something was printed
	much  chan struct{} // has a value when there is more than flushSize
	stop  chan struct{} // closed when nothing more will be printed
	ended chan struct{} // closed when write has ended

	mu    sync.Mutex // guards the fields below
	size  int64      // of all that was printed
	head  []byte     // what was printed of the first keepHead bytes and is not in the store yet
	tail  []byte     // likewise of what came after
	wrote chan struct{}
}

func newTranscript(store *db.Store, b appliance.Build, log *slog.Logger) *transcript {
	return &transcript{
		store: store, app: b.App, number: b.Number, log: log,
		some: make(chan struct{}, 1), much: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
		wrote: make(chan struct{}),
	}
}

// Write never fails, and returns at once.
func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	room := min(max(0, keepHead-t.size), int64(len(b)))
	t.head = append(t.head, b[:room]...)
	t.tail = append(t.tail, b[room:]...)
	if len(t.tail) > 2*keepTail {
		t.tail = append(t.tail[:0], t.tail[len(t.tail)-keepTail:]...)
	}
	t.size += int64(len(b))
	notify(t.some)
	if len(t.head) >= flushSize {
		notify(t.much)
	}
	return len(b), nil
}

// notify puts a value into a channel that has room for one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take returns what is not in the store yet. Of all that is, it has the store
// forget what is neither the beginning nor the end any more.
func (t *transcript) take() db.Output {
	t.mu.Lock()
	defer t.mu.Unlock()
	more := db.Output{DropFrom: keepHead, DropTo: t.size - keepTail}
	if len(t.head) > 0 {
		more.Chunks = append(more.Chunks, appliance.Chunk{At: min(t.size, keepHead) - int64(len(t.head)), Text: t.head})
	}
	// In pieces, as the store forgets a chunk only when nothing of it is kept.
	at := t.size - int64(min(len(t.tail), keepTail))
	for piece := range slices.Chunk(t.tail[max(0, len(t.tail)-keepTail):], pieceSize) {
		more.Chunks = append(more.Chunks, appliance.Chunk{At: at, Text: piece})
		at += int64(len(piece))
	}
	t.head, t.tail = nil, nil
	return more
}

// write writes to the store what is printed, until the transcript is closed.
// What is left then is for whoever closes it.
func (t *transcript) write(ctx context.Context) {
	defer close(t.ended)
	for {
		select {
		case <-t.some:
		case <-t.stop:
			return
		}
		select {
		case <-t.much:
		case <-time.After(flushEvery):
		case <-t.stop:
			return
		}
		if err := t.flush(ctx); err != nil && !errors.Is(err, appliance.ErrNotFound) { // its app was destroyed
			t.log.ErrorContext(ctx, "keep what a build prints", "app", t.app, "build", t.number, "err", err)
		}
	}
}

func (t *transcript) flush(ctx context.Context) error {
	if err := t.store.AddOutput(ctx, t.app, t.number, t.take()); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.wrote)
	t.wrote = make(chan struct{})
	return nil
}

// more returns a channel that is closed when more of it is in the store.
func (t *transcript) more() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrote
}
