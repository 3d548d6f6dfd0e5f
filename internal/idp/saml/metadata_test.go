/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlxml"
	"tegata.dev/tegata/internal/samlxml/xmlsectest"
)

func metadataOf(t testing.TB, provider *saml.Provider) []byte {
	t.Helper()
	document, err := provider.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func newPair(t testing.TB, algorithm keypair.Algorithm) admin.KeyPair {
	t.Helper()
	pair, err := keypair.Generate(algorithm, "acme", clock.Add(-time.Hour), 24*time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// signedBy is a provider with the pair that publishes more certificates.
func signedBy(t testing.TB, pair admin.KeyPair, others ...[]byte) *saml.Provider {
	t.Helper()
	return newProvider(t, func(o *saml.ProviderOptions) { o.KeyPair, o.Certificates = pair, others })
}

// trusted are the keys that a service provider takes from the metadata, read by another program's code.
func trusted(t *testing.T, document []byte) []crypto.PublicKey {
	t.Helper()
	g := NewWithT(t)
	metadata := &crewjam.EntityDescriptor{}
	g.Expect(xml.Unmarshal(document, metadata)).To(Succeed())
	var keys []crypto.PublicKey
	for _, key := range metadata.IDPSSODescriptors[0].KeyDescriptors {
		g.Expect(key.Use).To(Equal("signing"))
		der, err := base64.StdEncoding.DecodeString(key.KeyInfo.X509Data.X509Certificates[0].Data)
		g.Expect(err).NotTo(HaveOccurred())
		certificate, err := x509.ParseCertificate(der)
		g.Expect(err).NotTo(HaveOccurred())
		keys = append(keys, certificate.PublicKey)
	}
	return keys
}

func verifyMetadata(t *testing.T, document []byte, keys []crypto.PublicKey) error {
	t.Helper()
	root, err := samlxml.Parse(document, samlxml.Limits{Bytes: 1 << 20, Elements: 1000, Depth: 32, Attributes: 64})
	if err != nil {
		return err
	}
	return root.VerifyEnveloped(keys, samlxml.Policy{})
}

var everyAlgorithm = []keypair.Algorithm{
	keypair.RSA2048, keypair.RSA3072, keypair.RSA4096, keypair.ECDSAP256, keypair.ECDSAP384, keypair.ECDSAP521,
}

func TestMetadataIsSigned(t *testing.T) {
	for _, algorithm := range everyAlgorithm {
		t.Run(string(algorithm), func(t *testing.T) {
			g := NewWithT(t)
			pair, other := newPair(t, algorithm), newPair(t, keypair.ECDSAP256)
			document := metadataOf(t, signedBy(t, pair, other.Certificate))
			keys := trusted(t, document)
			g.Expect(verifyMetadata(t, document, keys[:1])).To(Succeed(), "by the first key")
			g.Expect(verifyMetadata(t, document, keys[1:])).NotTo(Succeed())
			g.Expect(verifyMetadata(t, bytes.Replace(document, []byte("/sso"), []byte("/evil"), 1), keys)).NotTo(Succeed())

			again := metadataOf(t, signedBy(t, pair, other.Certificate))
			g.Expect(string(again)).To(Equal(string(document)), "every replica serves the same bytes")
		})
	}
}

func TestXmlsecVerifiesMetadata(t *testing.T) {
	xmlsectest.Require(t)
	for _, algorithm := range everyAlgorithm {
		t.Run(string(algorithm), func(t *testing.T) {
			g := NewWithT(t)
			pair := newPair(t, algorithm)
			document := metadataOf(t, signedBy(t, pair))
			g.Expect(xmlsecMetadata(t, document, pair.Certificate)).To(Succeed())
			g.Expect(xmlsecMetadata(t, bytes.Replace(document, []byte("/sso"), []byte("/evil"), 1), pair.Certificate)).NotTo(Succeed())
		})
	}
}

func xmlsecMetadata(t *testing.T, document, certificate []byte) error {
	t.Helper()
	folder := t.TempDir()
	file, trust := filepath.Join(folder, "metadata.xml"), filepath.Join(folder, "idp.crt")
	NewWithT(t).Expect(os.WriteFile(file, document, 0o600)).To(Succeed())
	NewWithT(t).Expect(os.WriteFile(trust, certificate, 0o600)).To(Succeed())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output, err := exec.CommandContext(ctx, "xmlsec1", "--verify", "--pubkey-cert-pem", trust,
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

func TestMetadataShowsEveryCertificateOnce(t *testing.T) {
	g := NewWithT(t)
	a, b, c := newPair(t, keypair.RSA2048), newPair(t, keypair.ECDSAP256), newPair(t, keypair.RSA2048)
	keys := trusted(t, metadataOf(t, signedBy(t, a, b.Certificate, c.Certificate, a.Certificate, b.Certificate)))
	g.Expect(keys).To(HaveLen(3))
	for i, pair := range []admin.KeyPair{a, b, c} {
		certificate, _, err := keypair.ParseKeyPair(pair)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(keys[i]).To(Equal(certificate.PublicKey))
	}
	_, err := saml.NewProvider(saml.ProviderOptions{
		EntityID: entityID, SingleSignOnURL: ssoURL, SingleLogoutURL: ssoURL, KeyPair: a, Certificates: [][]byte{[]byte("x")},
	})
	g.Expect(err).To(MatchError(ContainSubstring("a certificate beside the signing one is unusable")))
}

// TestMetadataTellsWhatSignaturesAreTakenBy: by a prefix that every element
// declares itself, as exclusive canonicalisation demands; never SHA-1.
func TestMetadataTellsWhatSignaturesAreTakenBy(t *testing.T) {
	g := NewWithT(t)
	document := metadataOf(t, signedBy(t, newPair(t, keypair.ECDSAP256)))
	var metadata struct {
		Digests []struct {
			Algorithm string `xml:",attr"`
		} `xml:"IDPSSODescriptor>Extensions>DigestMethod"`
		Methods []struct {
			Algorithm string `xml:",attr"`
		} `xml:"IDPSSODescriptor>Extensions>SigningMethod"`
	}
	g.Expect(xml.Unmarshal(document, &metadata)).To(Succeed())
	var got []string
	for _, method := range append(metadata.Digests, metadata.Methods...) {
		_, name, _ := strings.Cut(method.Algorithm, "#")
		got = append(got, name)
	}
	g.Expect(got).To(Equal([]string{
		"sha256", "sha384", "sha512", "rsa-sha256", "rsa-sha384", "rsa-sha512", "ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512",
	}))
	g.Expect(string(document)).To(ContainSubstring(`<alg:SigningMethod xmlns:alg="urn:oasis:names:tc:SAML:metadata:algsupport" Algorithm=`))
}

func TestMetadataTellsTheScopes(t *testing.T) {
	g := NewWithT(t)
	document := metadataOf(t, newProvider(t, func(o *saml.ProviderOptions) { o.Scopes = []string{"acme.example", "acme.co.jp"} }))
	g.Expect(string(document)).To(ContainSubstring(`<shibmd:Scope xmlns:shibmd="urn:mace:shibboleth:metadata:1.0" regexp="false">acme.example</shibmd:Scope>` +
		`<shibmd:Scope xmlns:shibmd="urn:mace:shibboleth:metadata:1.0" regexp="false">acme.co.jp</shibmd:Scope></md:Extensions>`))
}

func TestMetadataTellsHowLongItServes(t *testing.T) {
	g := NewWithT(t)
	a, b := newPair(t, keypair.ECDSAP256), newPair(t, keypair.ECDSAP256)
	alone, both := metadataOf(t, signedBy(t, a)), metadataOf(t, signedBy(t, a, b.Certificate))
	read := func(document []byte) crewjam.EntityDescriptor {
		var metadata crewjam.EntityDescriptor
		g.Expect(xml.Unmarshal(document, &metadata)).To(Succeed())
		return metadata
	}
	g.Expect(read(alone).CacheDuration).To(Equal(time.Hour))
	g.Expect(string(alone)).NotTo(ContainSubstring("validUntil"))
	g.Expect(read(alone).ID).To(MatchRegexp("^_[0-9a-f]{32}$"))
	g.Expect(read(both).ID).NotTo(Equal(read(alone).ID))
}

// TestServiceProviderTrustsEveryMomentOfARotation reads the metadata at each
// step, and verifies what was and will be signed within the overlap.
func TestServiceProviderTrustsEveryMomentOfARotation(t *testing.T) {
	for _, algorithms := range [][2]keypair.Algorithm{{keypair.RSA2048, keypair.RSA2048}, {keypair.RSA2048, keypair.ECDSAP256}, {keypair.ECDSAP256, keypair.RSA4096}} {
		t.Run(fmt.Sprint(algorithms), func(t *testing.T) {
			g := NewWithT(t)
			former, later := newPair(t, algorithms[0]), newPair(t, algorithms[1])
			steps := []*saml.Provider{
				signedBy(t, former), signedBy(t, former, later.Certificate), signedBy(t, later, former.Certificate), signedBy(t, later),
			}
			answers := make([][]byte, len(steps))
			for i, step := range steps {
				answers[i] = respond(t, step, testPending(), testApp(), testSubject())
			}
			for read, step := range steps {
				keys := trusted(t, metadataOf(t, step))
				for answered, answer := range answers {
					// Without the overlap in between, the other key is a stranger.
					within := read-answered < 2 && answered-read < 2 || read == 1 || read == 2
					g.Expect(verifyResponse(t, answer, keys) == nil).To(Equal(within), "read at %d, answered at %d", read, answered)
				}
			}
		})
	}
}

// verifyResponse verifies the signature of the response without that of its assertion.
func verifyResponse(t *testing.T, document []byte, keys []crypto.PublicKey) error {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "response.xml")
	NewWithT(t).Expect(os.WriteFile(file, document, 0o600)).To(Succeed())
	xmlsectest.Require(t)
	var refusals []string
	for i, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		public := filepath.Join(folder, fmt.Sprintf("%d.pem", i))
		NewWithT(t).Expect(os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)).To(Succeed())
		output, err := exec.CommandContext(t.Context(), "xmlsec1", "--verify", "--pubkey-pem", public,
			"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response", "--node-xpath", responseSignature, file).CombinedOutput()
		if err == nil {
			return nil
		}
		refusals = append(refusals, string(output))
	}
	return fmt.Errorf("no key verifies: %s", strings.Join(refusals, "\n"))
}

func TestMetadataIsACopy(t *testing.T) {
	g := NewWithT(t)
	provider := newProvider(t)
	clear(metadataOf(t, provider))
	g.Expect(string(metadataOf(t, provider))).To(HavePrefix("<?xml"))
	g.Expect(provider.EntityID()).To(Equal(entityID))
}
