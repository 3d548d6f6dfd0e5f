/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/samlxml"
)

// TestPSSSignatures: what Keycloak calls RSA_SHA256_MGF1 and RSA_SHA512_MGF1.
func TestPSSSignatures(t *testing.T) {
	const later = "http://www.w3.org/2007/05/xmldsig-more#"
	octets := []byte("SAMLRequest=abc&RelayState=x&SigAlg=y")
	signer := rsaKey(t)
	for algorithm, hash := range map[string]crypto.Hash{
		"sha256-rsa-MGF1": crypto.SHA256, "sha384-rsa-MGF1": crypto.SHA384, "sha512-rsa-MGF1": crypto.SHA512,
	} {
		t.Run(algorithm, func(t *testing.T) {
			g := NewWithT(t)
			sum := hash.New()
			sum.Write(octets)
			sign := func(options crypto.SignerOpts) []byte {
				value, err := signer.Sign(rand.Reader, sum.Sum(nil), options)
				g.Expect(err).NotTo(HaveOccurred())
				return value
			}
			verify := func(algorithm string, value []byte) error {
				return samlxml.VerifyDetached(octets, algorithm, value, signer.public(), samlxml.Policy{})
			}
			value := sign(&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
			g.Expect(verify(later+algorithm, value)).To(Succeed())
			g.Expect(verify(more+"rsa-"+algorithm[:len("sha256")], value)).NotTo(Succeed(), "as PKCS #1 v1.5")
			g.Expect(verify(later+algorithm, sign(hash))).NotTo(Succeed(), "PKCS #1 v1.5 as PSS")
			g.Expect(verify(later+algorithm, sign(&rsa.PSSOptions{SaltLength: 8, Hash: hash}))).NotTo(Succeed(), "another salt length")
		})
	}
}
