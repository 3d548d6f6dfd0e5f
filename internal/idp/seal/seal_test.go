/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package seal

import (
	"bytes"
	"crypto/rand"
	"testing"

	. "github.com/onsi/gomega"
)

func sealer(t testing.TB, fill byte) *Sealer {
	t.Helper()
	s, err := New(bytes.Repeat([]byte{fill}, KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealOpensOnlyWhereItBelongs(t *testing.T) {
	g := NewWithT(t)
	s := sealer(t, 1)
	secret := []byte("a private key")
	sealed, err := s.Seal(secret, "tenants.private_key", "acme")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Contains(sealed, secret)).To(BeFalse())
	g.Expect(s.Open(sealed, "tenants.private_key", "acme")).To(Equal(secret))

	again, err := s.Seal(secret, "tenants.private_key", "acme")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).NotTo(Equal(sealed))

	for name, open := range map[string]func() ([]byte, error){
		"another row":    func() ([]byte, error) { return s.Open(sealed, "tenants.private_key", "other") },
		"another column": func() ([]byte, error) { return s.Open(sealed, "outbox.payload", "acme") },
		"parts moved":    func() ([]byte, error) { return s.Open(sealed, "tenants.private_keya", "cme") },
		"cut short":      func() ([]byte, error) { return s.Open(sealed[:len(sealed)-1], "tenants.private_key", "acme") },
		"empty":          func() ([]byte, error) { return s.Open(nil, "tenants.private_key", "acme") },
	} {
		_, err := open()
		g.Expect(err).To(MatchError(ErrBroken), name)
	}
}

func TestOpenTellsAnotherKey(t *testing.T) {
	g := NewWithT(t)
	sealed, err := sealer(t, 1).Seal([]byte("secret"), "place")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = sealer(t, 2).Open(sealed, "place")
	g.Expect(err).To(MatchError(ErrOtherKey))
}

func TestNewRefusesAShortKey(t *testing.T) {
	_, err := New(make([]byte, 16), rand.Reader)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("must have 32")))
}

func FuzzOpen(f *testing.F) {
	// One nonce, so that every fuzzing process knows the same good value.
	s, err := New(bytes.Repeat([]byte{1}, KeySize), bytes.NewReader(make([]byte, nonceSize)))
	if err != nil {
		f.Fatal(err)
	}
	good, err := s.Seal([]byte("secret"), "place")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, "place")
	f.Add([]byte{}, "")
	f.Add(good[:5], "place")
	f.Fuzz(func(t *testing.T, sealed []byte, place string) {
		plain, err := s.Open(sealed, place)
		if err == nil && (place != "place" || !bytes.Equal(sealed, good) || string(plain) != "secret") {
			t.Fatalf("opened what was never sealed: %q at %q", sealed, place)
		}
	})
}
