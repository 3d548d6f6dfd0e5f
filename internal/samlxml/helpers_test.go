/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/samlxml"
)

var limits = samlxml.Limits{Bytes: 256 << 10, Elements: 1000, Depth: 32, Attributes: 64}

func parse(t *testing.T, document string) *samlxml.Element {
	t.Helper()
	root, err := samlxml.Parse([]byte(document), limits)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), document)
	return root
}

// key signs for a service provider.
type key struct{ crypto.Signer }

func (k key) public() []crypto.PublicKey { return []crypto.PublicKey{k.Public()} }

func rsaKey(t *testing.T) key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return key{private}
}

func ecdsaKey(t *testing.T, curve elliptic.Curve) key {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return key{private}
}
