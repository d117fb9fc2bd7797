package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// An undo is the store as it was when it was given away. A successor that
// migrates it and then does not come to serve would leave us with what we do
// not understand.
type undo struct{ store, copy string }

// newUndo copies a store that is closed.
func newUndo(store string) (*undo, error) {
	u := &undo{store, store + ".undo"}
	if _, err := os.Stat(store + "-wal"); err == nil {
		return nil, fmt.Errorf("%s-wal is there although the store is closed", store)
	}
	from, err := os.Open(store)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	to, err := os.OpenFile(u.copy, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(to, from) // within the kernel, where that can
	if err := errors.Join(err, to.Sync(), to.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(u.copy))
	}
	return u, nil
}

// restore brings the store back. Nobody may have it open.
func (u *undo) restore() error {
	for _, rest := range []string{"-wal", "-shm"} {
		if err := os.Remove(u.store + rest); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(u.copy, u.store)
}

func (u *undo) forget() error { return os.Remove(u.copy) }
