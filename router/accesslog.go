package router

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/router/shelf"
)

// An AccessLog keeps a line of every exchange, in files of its own for each
// service. Requests never wait for it: they leave a record in a batch, and
// Run writes the batch. When it cannot keep up, records are dropped and
// counted. Its exported fields are set before its first use.
type AccessLog struct {
	Dir string // nobody else's
	Log *slog.Logger

	// Bounds, in bytes; 0 for a default. What is over them is removed, the
	// oldest first, so that no flood of requests fills a disk.
	MaxPart    int64 // of one file
	MaxService int64 // of the files of one service
	MaxTotal   int64 // of all

	// Sink, if set, returns who else is told of the exchanges of a service, or
	// nil for nobody. That must return at once, as must what it returns, which
	// keeps what it is given.
	Sink func(service string) func([]Access)

	mu    sync.Mutex // guards batch
	batch *batch

	wake    chan struct{} // has a value when there is something to write
	plenty  chan struct{} // has a value when that is much
	once    sync.Once
	dropped atomic.Uint64

	writing sync.Mutex // guards the fields below
	spare   *batch
	shelf   shelf.Shelf
	failed  error // the last thing that went wrong
	line    []byte
	told    uint64 // how much of dropped has been told
	toldAt  time.Time
}

// The most that a batch holds: about 3 MB, or a tenth of a second of what two
// busy cores can answer.
const (
	maxRecords = 4096
	maxText    = 2 << 20
	much       = maxRecords / 4
)

// gathering is how long records are gathered before they are written.
const gathering = 200 * time.Millisecond

// A batch is records that wait to be written. Their text is copied: a record
// that kept the request's own strings would keep its whole header.
type batch struct {
	records []record
	text    []byte
}

func (l *AccessLog) init() {
	l.once.Do(func() {
		l.wake, l.plenty = make(chan struct{}, 1), make(chan struct{}, 1)
		l.batch, l.spare = new(batch), new(batch)
		maxService, maxTotal := cmp.Or(l.MaxService, 64<<20), cmp.Or(l.MaxTotal, 1<<30)
		l.shelf.Dir, l.shelf.MaxPart = l.Dir, cmp.Or(l.MaxPart, 4<<20)
		l.shelf.Max = func(string) int64 { return maxService }
		l.shelf.MaxTotal = func() int64 { return maxTotal }
		if l.Log == nil {
			l.Log = slog.New(slog.DiscardHandler)
		}
	})
}

// add leaves a record for Run, or drops it.
func (l *AccessLog) add(r *record, text *[texts]string) {
	l.init()
	l.mu.Lock()
	b := l.batch
	if len(b.records) == maxRecords || len(b.text) > maxText {
		l.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	for i, s := range text {
		b.text = append(b.text, s...)
		r.lengths[i] = uint16(len(s))
	}
	b.records = append(b.records, *r)
	n := len(b.records)
	l.mu.Unlock()
	switch n {
	case 1:
		signal(l.wake)
	case much:
		signal(l.plenty)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has been given already
	}
}

// Dropped returns how many records were dropped since the start.
func (l *AccessLog) Dropped() uint64 { return l.dropped.Load() }

// Run writes what happens until ctx is done, and then what is left.
func (l *AccessLog) Run(ctx context.Context) error {
	l.init()
	defer l.close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		}
		select {
		case <-time.After(gathering):
		case <-l.plenty:
		case <-ctx.Done():
		}
		if l.flush() < much/4 {
			l.Compress()
		}
	}
}

// close writes what is left.
func (l *AccessLog) close() {
	l.flush()
	l.writing.Lock()
	defer l.writing.Unlock()
	l.shelf.Close()
}

// flush writes what there is, and returns how many records that were.
func (l *AccessLog) flush() int {
	l.writing.Lock()
	defer l.writing.Unlock()

	l.mu.Lock()
	b := l.batch
	l.batch = l.spare
	l.mu.Unlock()
	n := len(b.records)
	if n > 0 {
		l.write(b)
	}
	l.spare = b.emptied()
	l.tell()
	return n
}

// emptied returns the batch to be used again, without the memory that only a
// busy moment has needed.
func (b *batch) emptied() *batch {
	if len(b.records) < much && cap(b.records) > much {
		return new(batch)
	}
	b.records, b.text = b.records[:0], b.text[:0]
	return b
}

// write sorts the records by service, so that each file is written once.
func (l *AccessLog) write(b *batch) {
	at := 0
	for i := range b.records {
		b.records[i].text = at
		at += b.records[i].length()
	}
	slices.SortStableFunc(b.records, func(a, b record) int { return strings.Compare(a.service, b.service) })
	for rest := b.records; len(rest) > 0; {
		service := rest[0].service
		n := 1
		for n < len(rest) && rest[n].service == service {
			n++
		}
		l.writeOf(rest[:n], b.text)
		rest = rest[n:]
	}
}

// chunk is how many bytes of lines go to a file at once, about.
const chunk = 64 << 10

// writeOf writes records of one service.
func (l *AccessLog) writeOf(records []record, text []byte) {
	l.tellSink(records, text)
	l.line = l.line[:0]
	n := 0 // of the records that line has
	for i := range records {
		l.line = records[i].appendJSON(l.line, text)
		n++
		if len(l.line) < chunk && i < len(records)-1 {
			continue
		}
		if err := l.shelf.Write(records[i].service, l.line); err != nil {
			l.dropped.Add(uint64(n))
			l.failed = err
		}
		l.line, n = l.line[:0], 0
	}
}

// tellSink takes records of one service elsewhere.
func (l *AccessLog) tellSink(records []record, text []byte) {
	if l.Sink == nil {
		return
	}
	take := l.Sink(records[0].service)
	if take == nil {
		return
	}
	list := make([]Access, len(records))
	for i := range records {
		list[i] = records[i].access(text)
	}
	take(list)
}

// tellEvery is how often people hear of records that were dropped.
const tellEvery = time.Minute

func (l *AccessLog) tell() {
	n := l.dropped.Load()
	if n == l.told || time.Since(l.toldAt) < tellEvery {
		return
	}
	why := "more requests than can be written"
	if l.failed != nil {
		why = l.failed.Error()
	}
	l.Log.Warn("access log: records were dropped", "records", n-l.told, "err", why)
	l.told, l.toldAt, l.failed = n, time.Now(), nil
}

// Compress compresses one file that is not written any more, and reports whether
// there was one.
// It is for calm moments: in a flood, the time belongs to requests.
func (l *AccessLog) Compress() bool {
	l.init()
	was, err := l.shelf.Compress()
	if err != nil {
		l.Log.Warn("access log", "err", err)
	}
	return was
}

// Forget removes what is kept of a service.
func (l *AccessLog) Forget(service string) error {
	if l == nil {
		return nil
	}
	l.init()
	l.flush()
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.shelf.Forget(service)
}
