// Package logs keeps what the processes of apps print: it follows each of them
// through the engine, and writes bounded, compressed files that outlive
// deploys, crashes and containers.
package logs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router/shelf"
)

// An Archive has the lines of every app. Its exported fields are set before
// its first use.
type Archive struct {
	Dir string // nobody else's
	Log *slog.Logger

	// Sink, if set, is told of lines that were written. It must return quickly.
	Sink Sink

	once    sync.Once
	shelf   shelf.Shelf // what is printed
	crashes shelf.Shelf // the last lines of crashes, which stay longer

	mu     sync.Mutex // guards the fields below
	bounds Bounds
	books  map[appliance.AppName]*book
	dirty  map[appliance.AppName]*book // have lines to be written
	wake   chan struct{}               // has a value when there are some
	toldAt time.Time                   // when people were told last that lines cannot be written
}

// A Sink takes lines elsewhere.
type Sink interface {
	Wants(app appliance.AppName) bool
	Send(app appliance.AppName, lines []appliance.LogLine)
}

// Bounds say how much is kept. What is over them is removed, the oldest first.
type Bounds struct {
	Size  int64 // bytes of the files of one app
	Total int64 // bytes of the files of all apps
	Age   time.Duration
	Apps  map[appliance.AppName]AppBounds // where an app has bounds of its own
}

// AppBounds are those of one app; 0 for what holds for all.
type AppBounds struct {
	Size int64
	Age  time.Duration
}

// DefaultBounds hold until somebody sets others.
var DefaultBounds = Bounds{Size: 64 << 20, Total: 2 << 30, Age: 90 * 24 * time.Hour}

// Of returns what holds for an app.
func (b Bounds) Of(app appliance.AppName) AppBounds {
	return AppBounds{cmp.Or(b.Apps[app].Size, b.Size), cmp.Or(b.Apps[app].Age, b.Age)}
}

const (
	maxPart    = 4 << 20 // bytes of a file
	maxBatch   = 256 << 10
	maxCrashes = 4 << 20 // bytes that the crashes of one app may take
	gathering  = 100 * time.Millisecond
)

func (a *Archive) init() {
	a.once.Do(func() {
		a.wake = make(chan struct{}, 1)
		a.bounds, a.books, a.dirty = DefaultBounds, map[appliance.AppName]*book{}, map[appliance.AppName]*book{}
		a.shelf.Dir, a.shelf.MaxPart = filepath.Join(a.Dir, "lines"), maxPart
		a.shelf.Max = func(name string) int64 { return a.boundsOf(appliance.AppName(name)).Size }
		a.shelf.MaxTotal = func() int64 { return a.Bounds().Total }
		a.crashes.Dir, a.crashes.MaxPart = filepath.Join(a.Dir, "crashes"), maxCrashes/8
		a.crashes.Max = func(string) int64 { return maxCrashes }
		a.crashes.MaxTotal = func() int64 { return a.Bounds().Total / 4 }
		if a.Log == nil {
			a.Log = slog.New(slog.DiscardHandler)
		}
	})
}

// Bounds returns what holds now.
func (a *Archive) Bounds() Bounds {
	a.init()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bounds
}

func (a *Archive) boundsOf(app appliance.AppName) AppBounds { return a.Bounds().Of(app) }

// SetBounds changes what holds. Tidy applies it to what is there.
func (a *Archive) SetBounds(b Bounds) {
	if a == nil {
		return
	}
	a.init()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bounds = b
}

// Tidy removes of every app what is too much, or too old.
func (a *Archive) Tidy() error {
	a.init()
	var errs []error
	for _, s := range []*shelf.Shelf{&a.shelf, &a.crashes} {
		names, err := s.Names()
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, a.tidy(s, appliance.AppName(name)))
		}
	}
	return errors.Join(errs...)
}

// tidy removes of an app what is too much, or too old.
func (a *Archive) tidy(s *shelf.Shelf, app appliance.AppName) error {
	b := a.book(app)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := a.load(b); err != nil {
		return err
	}
	if err := s.Bound(string(app), time.Now().Add(-a.boundsOf(app).Age)); err != nil {
		return err
	}
	if err := a.flush(b); err != nil {
		return err
	}
	return a.save(b) // what the marks could be read back from may be gone
}

// Size returns how many bytes are kept of an app.
func (a *Archive) Size(app appliance.AppName) (int64, error) {
	a.init()
	lines, err := a.shelf.Size(string(app))
	crashes, err2 := a.crashes.Size(string(app))
	return lines + crashes, errors.Join(err, err2)
}

// A book is what is known of the lines of one app.
type book struct {
	app appliance.AppName

	mu      sync.Mutex // guards the fields below, and what is written
	batch   []byte     // records that wait to be written
	last    string     // the source of the last of them
	mixed   bool       // they are of several sources
	marks   marks
	unsaved int64 // bytes that were written since the marks were saved
	failed  error // why the batch could not be written
}

func (a *Archive) book(app appliance.AppName) *book {
	a.init()
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.books[app]
	if b == nil {
		b = &book{app: app}
		a.books[app] = b
	}
	return b
}

// add has a record written soon. It fails when there is no room for it,
// because those before it cannot be written.
func (a *Archive) add(b *book, at, prefix, text []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.batch) >= maxBatch {
		if err := a.flush(b); err != nil {
			return err
		}
	}
	if err := a.load(b); err != nil {
		return err
	}
	first := len(b.batch) == 0
	b.batch = appendRecord(b.batch, at, prefix, text)
	source := prefix[bytes.LastIndexByte(prefix, ' ')+1:]
	if !first && string(source) != b.last {
		b.mixed = true
	}
	if first || b.mixed {
		b.last = string(source)
	}
	b.marks.move(source, at)
	if first {
		a.soil(b)
	}
	return nil
}

// soil has a book be written soon.
func (a *Archive) soil(b *book) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dirty[b.app] = b
	select {
	case a.wake <- struct{}{}:
	default: // it has been given already
	}
}

// Add keeps lines that no engine has, such as those of a script.
func (a *Archive) Add(app appliance.AppName, lines ...appliance.LogLine) error {
	if a == nil {
		return nil
	}
	b := a.book(app)
	for _, l := range lines {
		prefix := fmt.Sprintf("%s v%d -%c", l.Process, l.Release, l.Stream)
		at := l.At.UTC().AppendFormat(nil, timeForm)
		for text := range strings.SplitSeq(strings.TrimSuffix(l.Text, "\n"), "\n") {
			if err := a.add(b, at, []byte(prefix), []byte(text[:min(len(text), maxText)])); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush writes what waits. The caller holds the book's mu.
func (a *Archive) flush(b *book) error {
	if len(b.batch) == 0 {
		return nil
	}
	if b.mixed {
		b.batch = sorted(b.batch)
		b.mixed = false
	}
	if err := a.shelf.Write(string(b.app), b.batch); err != nil {
		b.failed = err
		a.tell(b.app, err)
		return fmt.Errorf("keep what %s prints: %w", b.app, err)
	}
	b.failed = nil
	if a.Sink != nil && a.Sink.Wants(b.app) {
		var lines []appliance.LogLine
		for line := range bytes.Lines(b.batch) {
			if r, ok := parse(bytes.TrimSuffix(line, []byte("\n"))); ok {
				lines = append(lines, r.logLine())
			}
		}
		a.Sink.Send(b.app, lines)
	}
	b.unsaved += int64(len(b.batch))
	if b.batch = b.batch[:0]; cap(b.batch) > maxBatch/8 && b.unsaved < maxBatch {
		b.batch = nil // only a busy moment has needed so much
	}
	if b.unsaved > savedEvery {
		return a.save(b)
	}
	return nil
}

// sorted returns records in the order of their times.
func sorted(batch []byte) []byte {
	lines := slices.Collect(bytes.Lines(batch))
	slices.SortStableFunc(lines, func(a, b []byte) int { return bytes.Compare(a[:len(timeForm)], b[:len(timeForm)]) })
	return bytes.Join(lines, nil)
}

// tellEvery is how often people hear that lines cannot be written.
const tellEvery = time.Minute

func (a *Archive) tell(app appliance.AppName, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.toldAt) >= tellEvery {
		a.toldAt = time.Now()
		a.Log.Error("what apps print cannot be kept; they go on", "app", app, "err", err)
	}
}

// Failing returns why lines of an app cannot be written now, or nil.
func (a *Archive) Failing(app appliance.AppName) error {
	b := a.book(app)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// flushNow writes what waits of an app.
func (a *Archive) flushNow(app appliance.AppName) error {
	b := a.book(app)
	b.mu.Lock()
	defer b.mu.Unlock()
	return a.flush(b)
}

// tidyEvery is how often what is too old is looked for.
const tidyEvery = time.Hour

// Run writes what comes until ctx is done. What comes later is written when
// somebody reads it, or by Close.
func (a *Archive) Run(ctx context.Context) error {
	a.init()
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tidy.C:
			if err := a.Tidy(); err != nil {
				a.Log.WarnContext(ctx, "remove old logs", "err", err)
			}
			continue
		case <-again:
		case <-a.wake:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(gathering):
		}
		again = nil
		if calm := a.flushAll(); !calm {
			again = time.After(retryEvery)
		}
		for _, s := range []*shelf.Shelf{&a.shelf, &a.crashes} {
			if _, err := s.Compress(); err != nil {
				a.Log.WarnContext(ctx, "compress logs", "err", err)
			}
		}
	}
}

// retryEvery is how soon it is tried again to write what could not be.
const retryEvery = time.Second

// flushAll writes what waits of all apps, and reports whether it could.
func (a *Archive) flushAll() (ok bool) {
	a.mu.Lock()
	dirty := a.dirty
	a.dirty = map[appliance.AppName]*book{}
	a.mu.Unlock()
	ok = true
	for _, b := range dirty {
		b.mu.Lock()
		err := a.flush(b)
		b.mu.Unlock()
		if err != nil {
			ok = false
			a.soil(b)
		}
	}
	return ok
}

// Close writes what waits, and how far everything has been read.
func (a *Archive) Close() error {
	a.init()
	a.mu.Lock()
	books := slices.Collect(func(yield func(*book) bool) {
		for _, b := range a.books {
			if !yield(b) {
				return
			}
		}
	})
	a.mu.Unlock()
	var errs []error
	for _, b := range books {
		b.mu.Lock()
		err := a.flush(b)
		if err == nil && b.marks != nil && b.unsaved > 0 {
			err = a.save(b)
		}
		b.mu.Unlock()
		errs = append(errs, err)
	}
	a.shelf.Close()
	a.crashes.Close()
	return errors.Join(errs...)
}

// Forget removes what is kept of an app.
func (a *Archive) Forget(app appliance.AppName) error {
	if a == nil {
		return nil
	}
	b := a.book(app)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batch, b.mixed, b.marks, b.unsaved, b.failed = nil, false, nil, 0, nil
	return errors.Join(a.shelf.Forget(string(app)), a.crashes.Forget(string(app)))
}
