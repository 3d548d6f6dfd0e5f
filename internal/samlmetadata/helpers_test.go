/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlmetadata_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"tegata.dev/tegata/internal/samlxml/xmlsectest"
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
	return base64.StdEncoding.EncodeToString(xmlsectest.Certificate(t, key))
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
	const template = `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
<ds:Reference URI="#_m1"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>`
	start := strings.Index(document, "ID=\"_m1\"")
	end := start + strings.Index(document[start:], ">") + 1
	return xmlsectest.Sign(t, key, document[:end]+template+document[end:])
}
