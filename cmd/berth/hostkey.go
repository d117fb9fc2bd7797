package main

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	gossh "golang.org/x/crypto/ssh"
)

// hostKey returns the key in the file at path, making it if need be. It is
// made beside its place and moved there, so that a key that was shown to
// anybody is never lost by half.
func hostKey(path string) (gossh.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = newHostKey(path)
	}
	if err != nil {
		return nil, err
	}
	key, err := gossh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("host key %s: %w", path, err)
	}
	return key, nil
}

func newHostKey(path string) ([]byte, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	block, err := gossh.MarshalPrivateKey(key, "berth")
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(block)
	if err := writeSynced(path+".new", text); err != nil {
		return nil, err
	}
	return text, os.Rename(path+".new", path)
}

// writeSynced writes a private file and has it reach the disk.
func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
