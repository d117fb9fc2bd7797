package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
)

// listenLocal opens the local door. Whoever can open it is an admin, so it is
// made in a directory that only its owner enters, and moved to its place when
// its mode is right. A socket that is there already is of an appliance that was
// killed, or that is about to end. Whoever ends last removes it.
func listenLocal(path string) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(filepath.Dir(path), ".berth-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	made := filepath.Join(private, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false) // it will be elsewhere
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}
