/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlmetadata_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/samlmetadata"
)

func parseTrusting(document string, keys ...crypto.PublicKey) (*samlmetadata.ServiceProvider, error) {
	return samlmetadata.Parse([]byte(document), samlmetadata.Options{Now: now, TrustedKeys: keys})
}

// TestSignedMetadata: section 4B of the catalogue of attacks, on EntityDescriptor.
func TestSignedMetadata(t *testing.T) {
	g := NewWithT(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	g.Expect(err).NotTo(HaveOccurred())
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	g.Expect(err).NotTo(HaveOccurred())
	genuine := signed(t, key, simple())
	signature := genuine[strings.Index(genuine, "<ds:Signature "):strings.Index(genuine, "<md:SPSSODescriptor")]
	unsigned := strings.Replace(genuine, signature, "", 1)
	inner := unsigned[strings.Index(unsigned, "<md:EntityDescriptor"):]
	evil := strings.NewReplacer("https://sp.example/saml/acs", "https://evil.example/acs", `ID="_m1"`, `ID="_evil"`)

	provider, err := parseTrusting(genuine, key.Public())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provider.AssertionConsumerServices).To(HaveLen(1))
	_, err = parseTrusting(genuine, stranger.Public(), key.Public())
	g.Expect(err).NotTo(HaveOccurred(), "any of the keys")
	federation := signed(t, key, `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_m1">`+strings.Replace(inner, ` ID="_m1"`, "", 1)+`</md:EntitiesDescriptor>`)
	_, err = parseTrusting(federation, key.Public())
	g.Expect(err).NotTo(HaveOccurred(), "signed around it")

	for name, test := range map[string]struct{ document, want string }{
		"not signed":                     {unsigned, "is not signed"},
		"another key":                    {signed(t, stranger, simple()), "none of the known certificates"},
		"an address changed":             {strings.Replace(genuine, "/saml/acs", "/saml/evil", 1), "changed after it was signed"},
		"wrapped by another":             {evil.Replace(inner[:strings.Index(inner, "</md:EntityDescriptor>")]) + genuine[strings.Index(genuine, "<md:Entity"):] + "</md:EntityDescriptor>", "wrong place"},
		"in a list with another":         {`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + evil.Replace(inner) + genuine[strings.Index(genuine, "<md:Entity"):] + `</md:EntitiesDescriptor>`, "wrong place"},
		"alone in a list":                {`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + genuine[strings.Index(genuine, "<md:Entity"):] + `</md:EntitiesDescriptor>`, "wrong place"},
		"moved into Object":              {strings.Replace(evil.Replace(genuine), "</ds:Signature>", "<ds:Object>"+inner+"</ds:Object></ds:Signature>", 1), "unknown form"},
		"moved into Extensions":          {strings.Replace(evil.Replace(genuine), "</ds:Signature>", "</ds:Signature><md:Extensions>"+inner+"</md:Extensions>", 1), "over something else"},
		"the same ID twice":              {strings.Replace(genuine, "</ds:Signature>", "</ds:Signature><md:Extensions>"+inner+"</md:Extensions>", 1), "same ID twice"},
		"two signatures":                 {strings.Replace(genuine, "</ds:Signature>", "</ds:Signature>"+signature, 1), "more than one signature"},
		"two SignedInfo":                 {strings.Replace(genuine, "</ds:SignedInfo>", "</ds:SignedInfo><ds:SignedInfo></ds:SignedInfo>", 1), "unknown form"},
		"a comment in the digest":        {strings.Replace(genuine, "</ds:DigestValue>", "<!-- x --></ds:DigestValue>", 1), "contains a comment"},
		"HMAC by the public certificate": {strings.Replace(genuine, "xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256", 1), "not accepted"},
		"SHA-1":                          {strings.Replace(genuine, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1", 1), "SHA-1"},
		"XSLT":                           {strings.Replace(genuine, `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>`, 1), "canonical form"},
		"a reference elsewhere":          {strings.Replace(genuine, `URI="#_m1"`, `URI="http://127.0.0.1/"`, 1), "over something else"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(test.document).NotTo(Equal(genuine), "nothing was forged")
			provider, err := parseTrusting(test.document, key.Public())
			g.Expect(err).To(MatchError(And(ContainSubstring("not proven by the trusted certificate"), ContainSubstring(test.want))))
			g.Expect(provider).To(BeNil())
		})
	}
}

// Without a trusted certificate a signature says nothing, good or bad.
func TestUnpinnedSignatureIsIgnored(t *testing.T) {
	g := NewWithT(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	g.Expect(err).NotTo(HaveOccurred())
	genuine := signed(t, key, simple())
	for _, document := range []string{genuine, strings.Replace(genuine, "</ds:DigestValue>", "AAAA</ds:DigestValue>", 1)} {
		provider, err := parse(document)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(provider.EntityID).To(Equal("https://sp.example/saml"))
	}
}
