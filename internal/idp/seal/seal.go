/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package seal encrypts secrets at rest: AES-256-GCM with a random nonce, a
// byte that tells which key was used, and associated data that binds a sealed
// value to its place, so that rows cannot be swapped.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

const nonceSize = 12

// Errors of Open, to be told with errors.Is.
var (
	// ErrOtherKey: the value was sealed with another key.
	ErrOtherKey = errors.New("sealed with another key")
	// ErrBroken: the value was changed, cut short, or moved from another place.
	ErrBroken = errors.New("sealed value does not open: it was changed or belongs elsewhere")
)

// Sealer seals and opens with one key. It is safe for concurrent use as far as
// its source of randomness is.
type Sealer struct {
	aead   cipher.AEAD
	keyID  byte
	random io.Reader
}

// New makes a sealer of a key of KeySize bytes; random gives the nonces.
func New(key []byte, random io.Reader) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the sealing key has %d bytes; it must have %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("tegata seal key id"))
	return &Sealer{aead: aead, keyID: mac.Sum(nil)[0], random: random}, nil
}

// Seal encrypts plain for the place that the parts name, for example a column
// and its row's key. The result is key ID, nonce, ciphertext and tag.
func (s *Sealer) Seal(plain []byte, place ...string) ([]byte, error) {
	sealed := make([]byte, 1+nonceSize, 1+nonceSize+len(plain)+s.aead.Overhead())
	sealed[0] = s.keyID
	if _, err := io.ReadFull(s.random, sealed[1:]); err != nil {
		return nil, fmt.Errorf("nonce: %w", err)
	}
	return s.aead.Seal(sealed, sealed[1:1+nonceSize], plain, associated(s.keyID, place)), nil
}

// Open decrypts what Seal made for the same place. It returns ErrOtherKey or ErrBroken.
func (s *Sealer) Open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) < 1+nonceSize+s.aead.Overhead() {
		return nil, ErrBroken
	}
	if sealed[0] != s.keyID {
		return nil, ErrOtherKey
	}
	plain, err := s.aead.Open(nil, sealed[1:1+nonceSize], sealed[1+nonceSize:], associated(s.keyID, place))
	if err != nil {
		return nil, ErrBroken
	}
	return plain, nil
}

// associated joins the parts with their lengths, so that no two places look alike.
func associated(keyID byte, place []string) []byte {
	data := []byte{keyID}
	for _, part := range place {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part))) // #nosec G115 -- a key is never 4 GiB long
		data = append(data, part...)
	}
	return data
}
