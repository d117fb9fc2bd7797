package db

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// A seal encrypts what nobody is to read who has the store's file but not its
// key: XChaCha20-Poly1305, with a nonce of its own for each value.
type seal struct{ aead cipher.AEAD }

// The first byte of a sealed value says under which kind of key it is, for the
// day on which there is another.
const sealVersion = 1

// sealOverhead is by how much a sealed value is longer.
const sealOverhead = 1 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

// errSeal is all that is known about a value that does not open.
var errSeal = errors.New("it was not sealed here, or it has been changed since")

func newSeal(key []byte) (seal, error) {
	aead, err := chacha20poly1305.NewX(key)
	return seal{aead}, err
}

// close seals a value for its place: the table, and what leads to the row. It
// opens nowhere else, so that who can write to the file cannot move values
// between apps. Only the last part of a place may have NUL bytes.
func (s seal) close(value []byte, place ...string) []byte {
	sealed := make([]byte, 1+chacha20poly1305.NonceSizeX, len(value)+sealOverhead)
	sealed[0] = sealVersion
	nonce := sealed[1:]
	rand.Read(nonce) // never fails
	return s.aead.Seal(sealed, nonce, value, bound(place))
}

// open returns a value that was sealed for its place.
func (s seal) open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) < sealOverhead || sealed[0] != sealVersion {
		return nil, fmt.Errorf("open %s: %w", strings.Join(place, " "), errSeal)
	}
	nonce, rest := sealed[1:1+chacha20poly1305.NonceSizeX], sealed[1+chacha20poly1305.NonceSizeX:]
	value, err := s.aead.Open([]byte{}, nonce, rest, bound(place)) // not nil for what is empty
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", strings.Join(place, " "), errSeal)
	}
	return value, nil
}

// bound is what a sealed value goes with, but does not have in it.
func bound(place []string) []byte { return []byte(strings.Join(place, "\x00")) }
