/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlxml"
	"tegata.dev/tegata/internal/samlxml/xmlsectest"
)

// signatureMethods are the identifiers, by key and hash.
var signatureMethods = map[keypair.Algorithm]map[directory.Hash]string{
	keypair.RSA2048: {
		directory.SHA256: rsaSHA256, directory.SHA1: rsaSHA1,
		directory.SHA384: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
		directory.SHA512: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
	},
	keypair.ECDSAP256: ecdsaMethods, keypair.ECDSAP384: ecdsaMethods, keypair.ECDSAP521: ecdsaMethods,
}

var ecdsaMethods = map[directory.Hash]string{
	directory.SHA256: ecdsaSHA256, directory.SHA1: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
	directory.SHA384: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
	directory.SHA512: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
}

var digestMethods = map[directory.Hash]string{
	directory.SHA256: "http://www.w3.org/2001/04/xmlenc#sha256", directory.SHA1: "http://www.w3.org/2000/09/xmldsig#sha1",
	directory.SHA384: "http://www.w3.org/2001/04/xmldsig-more#sha384", directory.SHA512: "http://www.w3.org/2001/04/xmlenc#sha512",
}

// newKey makes a signing key and the certificate that proves it.
func newKey(t testing.TB, algorithm keypair.Algorithm) (admin.KeyPair, *x509.Certificate) {
	t.Helper()
	pair, err := keypair.Generate(algorithm, "acme", clock.Add(-time.Hour), 24*time.Hour, nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	block, _ := pem.Decode(pair.Certificate)
	certificate, err := x509.ParseCertificate(block.Bytes)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return pair, certificate
}

// TestEverySignatureMethod has three implementations verify what each key signs
// over each hash: ours, xmlsec1, and for RSA goxmldsig, which reads ECDSA in ASN.1.
func TestEverySignatureMethod(t *testing.T) {
	xmlsectest.Require(t)
	for algorithm, methods := range signatureMethods {
		pair, certificate := newKey(t, algorithm)
		provider := newProvider(t, func(o *saml.ProviderOptions) { o.KeyPair = pair })
		file := filepath.Join(t.TempDir(), "idp.crt")
		NewWithT(t).Expect(os.WriteFile(file, pair.Certificate, 0o600)).To(Succeed())
		for hash, method := range methods {
			t.Run(string(algorithm)+" "+string(hash), func(t *testing.T) {
				g := NewWithT(t)
				// Signatures of ECDSA have a leading zero byte now and then.
				for seed := range uint64(20) {
					pending, app, subject := nastyInput(rand.New(rand.NewPCG(seed, 3)))
					app.SAML.Signing, app.SAML.Hash = directory.SignResponseAndAssertion, hash
					response := respond(t, provider, pending, app, subject)
					root := parseXML(t, response)
					for _, e := range root.FindElements("//SignatureMethod") {
						g.Expect(e.SelectAttrValue("Algorithm", "")).To(Equal(method))
					}
					for _, e := range root.FindElements("//DigestMethod") {
						g.Expect(e.SelectAttrValue("Algorithm", "")).To(Equal(digestMethods[hash]))
					}
					g.Expect(canonical(t, response)).To(Equal(string(response)))
					if seed < 2 { // a process each
						g.Expect(xmlsecBy(t, file, response, responseSignature)).To(Succeed(), string(response))
						g.Expect(xmlsecBy(t, file, response, assertionSignature)).To(Succeed(), string(response))
					}
					for _, document := range [][]byte{refused(t, provider, pending, app), assertionOf(response)} {
						g.Expect(verifyOurselves(document, certificate.PublicKey, hash == directory.SHA1)).To(Succeed())
						g.Expect(verifyOurselves(document, certificate.PublicKey, false) == nil).To(Equal(hash != directory.SHA1), "SHA-1 only where it is meant")
						if algorithm == keypair.RSA2048 {
							g.Expect(verify(t, document, certificate)).To(Succeed())
						}
					}
				}
			})
		}
	}
}

// refused is a response with one signature, as our own reader wants it.
func refused(t *testing.T, provider *saml.Provider, pending *saml.Pending, app directory.App) []byte {
	t.Helper()
	document, err := provider.Refuse(pending, prepared(t, app), saml.StatusResponder, saml.StatusNoPassive, "No.")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return document
}

func verifyOurselves(document []byte, key crypto.PublicKey, allowSHA1 bool) error {
	root, err := samlxml.Parse(document, samlxml.Limits{Bytes: 1 << 20, Elements: 1000, Depth: 32, Attributes: 64})
	if err != nil {
		return err
	}
	return root.VerifyEnveloped([]crypto.PublicKey{key}, samlxml.Policy{AllowSHA1: allowSHA1})
}

func TestUnknownHash(t *testing.T) {
	app := testApp()
	app.SAML.Hash = "MD5"
	_, err := saml.NewServiceProvider(app)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring(`unknown hash "MD5"`)))
}

// TestProviderIsSafeForConcurrentUse: one provider and one service provider serve everybody.
func TestProviderIsSafeForConcurrentUse(t *testing.T) {
	provider := newProvider(t, realTime)
	encrypting := rsaPeer(t)
	app := testApp()
	app.SAML.Encryption, app.SAML.Certificates = directory.AES256GCM, encrypting.encryptionCertificate()
	sp := prepared(t, app)
	var answering sync.WaitGroup
	for range 8 {
		answering.Go(func() {
			response, err := provider.Respond(testPending(), sp, testSubject(), testAuthentication())
			if err != nil || strings.Count(string(response.Document), "<saml:EncryptedAssertion ") != 1 {
				t.Errorf("%v", err)
			}
		})
	}
	answering.Wait()
}
