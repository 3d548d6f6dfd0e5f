/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlmetadata_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

var now = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

const (
	post     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
	artifact = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"
	redirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
)

// certified makes a self-signed certificate, as base64 DER.
func certified(t testing.TB, key crypto.Signer) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sp"}, NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// shortRSA is a certificate with a 512-bit key, which crypto/rsa itself no
// longer makes: a product of small primes serves, as nobody signs with it.
func shortRSA(t testing.TB) string {
	t.Helper()
	modulus := new(big.Int).SetBit(big.NewInt(12345677), 511, 1)
	signer := ecKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sp"}, NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &rsa.PublicKey{N: modulus, E: 65537}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func keyDescriptor(use, certificate string) string {
	if use != "" {
		use = ` use="` + use + `"`
	}
	return `<md:KeyDescriptor` + use + `><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>
` + certificate + `
</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
}

func acs(binding, location, attributes string) string {
	return `<md:AssertionConsumerService Binding="` + binding + `" Location="` + location + `" ` + attributes + `/>`
}

const protocol = `protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"`

func role(attributes, content string) string {
	return `<md:SPSSODescriptor ` + protocol + ` ` + attributes + `>` + content + `</md:SPSSODescriptor>`
}

func entity(attributes, content string) string {
	return `<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_m1" ` + attributes + `>` + content + `</md:EntityDescriptor>
`
}

const (
	spID  = `entityID="https://sp.example/saml"`
	spACS = "https://sp.example/saml/acs"
)

// simple is metadata with a single address.
func simple() string { return entity(spID, role("", acs(post, spACS, `index="0"`))) }

// signed is the document signed by the xmlsec1 tool, after a first child element.
func signed(t *testing.T, key *rsa.PrivateKey, document string) string {
	t.Helper()
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		if os.Getenv("TEGATA_TEST_REQUIRE") == "1" {
			t.Fatal("xmlsec1 is not installed, and TEGATA_TEST_REQUIRE=1 demands it: install the package xmlsec1")
		}
		t.Skip("xmlsec1 is not installed: install the package xmlsec1")
	}
	g := NewWithT(t)
	const template = `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
<ds:Reference URI="#_m1"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>`
	start := strings.Index(document, "ID=\"_m1\"")
	end := start + strings.Index(document[start:], ">") + 1
	dir := t.TempDir()
	in, out, keyFile, certFile := filepath.Join(dir, "in.xml"), filepath.Join(dir, "out.xml"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	g.Expect(err).NotTo(HaveOccurred())
	der, err := base64.StdEncoding.DecodeString(certified(t, key))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(in, []byte(document[:end]+template+document[end:]), 0o600)).To(Succeed())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output, err := exec.CommandContext(ctx, "xmlsec1", "--sign", "--privkey-pem", keyFile+","+certFile,
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntitiesDescriptor",
		"--output", out, in).CombinedOutput() // #nosec G204 -- the test's own files
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	result, err := os.ReadFile(out) // #nosec G304 -- the test's own file
	g.Expect(err).NotTo(HaveOccurred())
	return string(result)
}
