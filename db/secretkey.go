package db

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/berthhq/berth/appliance"
)

// secretKeyName is the file of the key, in the store's directory. It is not in
// the store, so that a copy of that alone gives nothing away.
const secretKeyName = "secret.key"

// keyPrefix begins the key's file, for people who wonder what it is.
const keyPrefix = "berth-secret-key-1:"

// readSecretKey reads the key. It is an fs.ErrNotExist if there is none.
func readSecretKey(path string) (seal, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return seal{}, err
	}
	if err := os.Chmod(path, 0o600); err != nil { // as put back from a backup
		return seal{}, err
	}
	encoded, ok := strings.CutPrefix(strings.TrimSpace(string(text)), keyPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) != chacha20poly1305.KeySize {
		return seal{}, appliance.WithHint(fmt.Errorf("%s is damaged: it is not one line with %s and a key", path, keyPrefix), backHint)
	}
	return newSeal(key)
}

const backHint = "put back secret.key as it was backed up together with berth.db, then start berth again"

// makeSecretKey makes a key. It is on the disk, whole, before anything is
// sealed under it.
func makeSecretKey(path string) (seal, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key) // never fails
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return seal{}, err
	}
	_, err = fmt.Fprintln(f, keyPrefix+base64.StdEncoding.EncodeToString(key))
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return seal{}, err
	}
	return newSeal(key)
}

// syncDir has the names in a directory on the disk.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// secretKey returns the key that goes with a store, which it makes if nothing
// has been sealed yet. Fits is what the store has to know its key by, nil if
// it has had none.
func secretKey(path string, fits []byte) (seal, error) {
	key, err := readSecretKey(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && fits == nil:
		return makeSecretKey(path)
	case errors.Is(err, fs.ErrNotExist):
		return seal{}, appliance.WithHint(fmt.Errorf("%s is missing: without it nobody can read the config and the certificates in the store", path), backHint)
	case err != nil || fits == nil:
		return key, err
	}
	if _, err := key.open(fits, "sealing"); err != nil {
		return seal{}, appliance.WithHint(fmt.Errorf("%s is not the key of this store", path), backHint)
	}
	return key, nil
}
