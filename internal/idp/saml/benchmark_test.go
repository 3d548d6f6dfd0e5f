/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"crypto"
	"crypto/sha256"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/keypair"
)

// benchmarkKeys: what is left of ECDSA's time is ours to make shorter.
var benchmarkKeys = []keypair.Algorithm{keypair.RSA2048, keypair.ECDSAP256}

// BenchmarkRespond is to be read beside BenchmarkBareSignature: a response
// should cost little more than the one or two signatures it contains.
func BenchmarkRespond(b *testing.B) {
	encrypting := rsaPeer(b)
	for _, algorithm := range benchmarkKeys {
		pair, _ := newKey(b, algorithm)
		provider := newProvider(b, realTime, func(o *saml.ProviderOptions) { o.KeyPair = pair })
		for _, encryption := range []directory.Encryption{"", directory.AES256GCM} {
			for _, mode := range signingModes {
				b.Run(fmt.Sprint(algorithm, "/", mode, encryption), func(b *testing.B) {
					app, subject, pending, authn := testApp(), testSubject(), testPending(), testAuthentication()
					app.SAML.Signing, app.SAML.Encryption, app.SAML.Certificates = mode, encryption, encrypting.encryptionCertificate()
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
	}
}

func BenchmarkBareSignature(b *testing.B) {
	for _, algorithm := range benchmarkKeys {
		b.Run(string(algorithm), func(b *testing.B) {
			g := NewWithT(b)
			pair, _ := newKey(b, algorithm)
			_, key, err := keypair.ParseKeyPair(pair)
			g.Expect(err).NotTo(HaveOccurred())
			digest := sha256.Sum256([]byte("a response"))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
