package logs

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/router/shelf"
)

// Marks say how far each stream of each container has been read. They are
// saved now and then, with where the archive was then; what came later is read
// back from its records. So they are as exact as the archive itself, however
// the daemon ends.
type marks map[string]*mark

// A mark is a time, and how many lines with that very time there were.
type mark struct {
	At   string `json:"at"`
	Same int    `json:"same"`
}

// savedEvery bounds how much is read back, in bytes.
const savedEvery = 512 << 10

// saved are the marks as a file has them.
type saved struct {
	Place shelf.Place `json:"place"`
	Marks marks       `json:"marks"`
}

// move notes that a line was taken.
func (m marks) move(source, at []byte) {
	if source[0] == '-' {
		return // of no container
	}
	now := m[string(source)]
	if now == nil {
		now = &mark{}
		m[string(source)] = now
	}
	if now.At == string(at) {
		now.Same++
		return
	}
	now.At, now.Same = string(at), 1
}

func (a *Archive) marksPath(app appliance.AppName) string {
	return filepath.Join(a.shelf.Dir, string(app), "marks.json")
}

// load reads the marks of a book, once. The caller holds its mu.
func (a *Archive) load(b *book) error {
	if b.marks != nil {
		return nil
	}
	var kept saved
	if text, err := os.ReadFile(a.marksPath(b.app)); err == nil {
		if json.Unmarshal(text, &kept) != nil {
			kept = saved{} // a crash of the machine: all is read back
		}
	}
	if kept.Marks == nil {
		kept.Marks = marks{}
	}
	err := a.shelf.Read(context.Background(), string(b.app), kept.Place, false, func(line []byte) error {
		if r, ok := parse(line); ok {
			kept.Marks.move(r.source(), r.at)
		}
		return nil
	}, nil)
	if err != nil {
		return err
	}
	b.marks = kept.Marks
	return nil
}

// save writes the marks of a book, all of whose records have been written. The
// caller holds its mu.
func (a *Archive) save(b *book) error {
	place, err := a.shelf.End(string(b.app))
	if err != nil {
		return err
	}
	text, err := json.Marshal(saved{place, b.marks})
	if err != nil {
		return err
	}
	path := a.marksPath(b.app)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	b.unsaved = 0
	return os.Rename(path+".new", path)
}

// reached returns how far a source has been read.
func (a *Archive) reached(b *book, source string) (mark, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := a.load(b); err != nil {
		return mark{}, err
	}
	if m := b.marks[source]; m != nil {
		return *m, nil
	}
	return mark{}, nil
}

// unmark forgets the marks of containers that are gone.
func (a *Archive) unmark(app appliance.AppName, exists func(id string) bool) {
	b := a.book(app)
	b.mu.Lock()
	defer b.mu.Unlock()
	for source := range b.marks {
		if !exists(source[:len(source)-1]) {
			delete(b.marks, source)
		}
	}
}
