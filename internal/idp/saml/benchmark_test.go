/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"crypto"
	"crypto/sha256"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/keypair"
)

// BenchmarkRespond is to be read beside BenchmarkBareSignature: a response
// should cost little more than the one or two signatures it contains.
func BenchmarkRespond(b *testing.B) {
	provider := newProvider(b, realTime)
	for _, mode := range signingModes {
		b.Run(string(mode), func(b *testing.B) {
			app, subject, pending, authn := testApp(), testSubject(), testPending(), testAuthentication()
			app.SAML.Signing = mode
			sp := prepared(b, app)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := provider.Respond(pending, sp, subject, authn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBareSignature(b *testing.B) {
	g := NewWithT(b)
	_, key, err := keypair.ParseKeyPair(testKeyPair(b))
	g.Expect(err).NotTo(HaveOccurred())
	digest := sha256.Sum256([]byte("a response"))
	for b.Loop() {
		if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}
