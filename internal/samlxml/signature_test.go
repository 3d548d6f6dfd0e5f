/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/samlxml"
	"tegata.dev/tegata/internal/samlxml/xmlsectest"
)

const (
	more      = "http://www.w3.org/2001/04/xmldsig-more#"
	xmldsig   = "http://www.w3.org/2000/09/xmldsig#"
	xmlenc    = "http://www.w3.org/2001/04/xmlenc#"
	exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// template is a request with a signature to be filled in, and content after it.
func template(signatureMethod, digestMethod, inclusive, content string) string {
	if inclusive != "" {
		inclusive = `<ec:InclusiveNamespaces xmlns:ec="` + exclusive + `" PrefixList="` + inclusive + `"/>`
	}
	return `<?xml version="1.0"?>
<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="_r1" Version='2.0'>
  <saml:Issuer>urn:sp &amp; 株式会社</saml:Issuer>
  <ds:Signature xmlns:ds="` + xmldsig + `"><ds:SignedInfo>
    <ds:CanonicalizationMethod Algorithm="` + exclusive + `">` + inclusive + `</ds:CanonicalizationMethod>
    <ds:SignatureMethod Algorithm="` + signatureMethod + `"/>
    <ds:Reference URI="#_r1"><ds:Transforms><ds:Transform Algorithm="` + xmldsig + `enveloped-signature"/><ds:Transform Algorithm="` + exclusive + `">` + inclusive + `</ds:Transform></ds:Transforms>
      <ds:DigestMethod Algorithm="` + digestMethod + `"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>
    <ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>` + content + `
</samlp:AuthnRequest>
`
}

func TestVerifiesWhatXmlsecSigns(t *testing.T) {
	rsaSigner := rsaKey(t)
	for name, test := range map[string]struct {
		key                       key
		signature, digest, prefix string
		policy                    samlxml.Policy
	}{
		"RSA-SHA256":            {key: rsaSigner, signature: more + "rsa-sha256", digest: xmlenc + "sha256"},
		"RSA-SHA384":            {key: rsaSigner, signature: more + "rsa-sha384", digest: more + "sha384"},
		"RSA-SHA512":            {key: rsaSigner, signature: more + "rsa-sha512", digest: xmlenc + "sha512"},
		"ECDSA-SHA256":          {key: ecdsaKey(t, elliptic.P256()), signature: more + "ecdsa-sha256", digest: xmlenc + "sha256"},
		"ECDSA-SHA512 P-521":    {key: ecdsaKey(t, elliptic.P521()), signature: more + "ecdsa-sha512", digest: xmlenc + "sha512"},
		"inclusive prefixes":    {key: rsaSigner, signature: more + "rsa-sha256", digest: xmlenc + "sha256", prefix: "xs saml #default none"},
		"SHA-1, where opted in": {key: rsaSigner, signature: xmldsig + "rsa-sha1", digest: xmldsig + "sha1", policy: samlxml.Policy{AllowSHA1: true}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			signed := xmlsectest.Sign(t, test.key.Signer, template(test.signature, test.digest, test.prefix, "<saml:X xs:y='1'>\r\n&#13;</saml:X>"))
			g.Expect(parse(t, signed).VerifyEnveloped(test.key.public(), test.policy)).To(Succeed(), signed)
			g.Expect(parse(t, signed).VerifyEnveloped(append(rsaKey(t).public(), test.key.public()...), test.policy)).To(Succeed(), "any of the keys")
			g.Expect(parse(t, strings.Replace(signed, "urn:sp", "urn:ps", 1)).VerifyEnveloped(test.key.public(), test.policy)).
				To(MatchError(ContainSubstring("was changed")))
			g.Expect(parse(t, signed).VerifyEnveloped(rsaKey(t).public(), test.policy)).To(MatchError(ContainSubstring("none of the known certificates")))
			g.Expect(parse(t, signed).VerifyEnveloped(nil, test.policy)).To(MatchError(ContainSubstring("no certificate is known")))
			if test.policy.AllowSHA1 {
				g.Expect(parse(t, signed).VerifyEnveloped(test.key.public(), samlxml.Policy{})).To(MatchError(ContainSubstring("SHA-")))
			}
		})
	}
}

// inclusiveForms are those of goxmldsig and others; "" is the exclusive one.
var inclusiveForms = []string{"", "", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11"}

// TestCanonicalFormAgainstLibxml2 signs random documents with another implementation.
func TestCanonicalFormAgainstLibxml2(t *testing.T) {
	signer := rsaKey(t)
	for seed := range uint64(40) {
		document := randomDocument(seed)
		unsigned := template(more+"rsa-sha256", xmlenc+"sha256", []string{"", "p xs"}[seed%2], document)
		if form := inclusiveForms[seed%4]; form != "" {
			unsigned = strings.ReplaceAll(template(more+"rsa-sha256", xmlenc+"sha256", "", document), exclusive, form)
		}
		if _, err := samlxml.Parse([]byte(unsigned), limits); err != nil {
			continue
		}
		signed := xmlsectest.Sign(t, signer.Signer, unsigned)
		NewWithT(t).Expect(parse(t, signed).VerifyEnveloped(signer.public(), samlxml.Policy{})).To(Succeed(), signed)
	}
}

// TestForgedSignatures: sections 4A and 4B of the catalogue of attacks, on a genuine signature.
func TestForgedSignatures(t *testing.T) {
	signer := rsaKey(t)
	genuine := xmlsectest.Sign(t, signer.Signer, template(more+"rsa-sha256", xmlenc+"sha256", "", ""))
	root := genuine[strings.Index(genuine, "<samlp:"):]
	signature := genuine[strings.Index(genuine, "<ds:Signature "):strings.Index(genuine, "</samlp:")]
	unsigned := strings.Replace(root, signature, "", 1)
	evil := func(changes ...string) string { return strings.NewReplacer(changes...).Replace(genuine) }
	value := base64.StdEncoding.EncodeToString([]byte("not a signature"))
	digest := func(value string) string {
		before, rest, _ := strings.Cut(genuine, "<ds:DigestValue>")
		return before + "<ds:DigestValue>" + value + rest[strings.Index(rest, "</ds:DigestValue>"):]
	}
	for name, test := range map[string]struct{ document, want string }{
		"not signed":              {unsigned, "is not signed"},
		"twice":                   {evil("</ds:Signature>", "</ds:Signature>"+signature), "more than one signature"},
		"below another element":   {evil("<ds:Signature ", "<saml:Advice><ds:Signature ", "</ds:Signature>", "</ds:Signature></saml:Advice>"), "wrong place"},
		"wrapped in Object":       {strings.NewReplacer("ID=\"_r1\"", "ID=\"_evil\"", "</ds:Signature>", "<ds:Object>"+unsigned+"</ds:Object></ds:Signature>").Replace(genuine), "unknown form"},
		"original moved aside":    {strings.NewReplacer("ID=\"_r1\"", "ID=\"_evil\"", "</ds:Signature>", "</ds:Signature>"+unsigned).Replace(genuine), "over something else"},
		"same ID twice":           {evil("</ds:Signature>", "</ds:Signature>"+unsigned), "same ID twice"},
		"no reference":            {evil("<ds:Reference ", "<ds:Manifest ", "</ds:Reference>", "</ds:Manifest>"), "unknown form"},
		"two references":          {evil("</ds:SignedInfo>", `<ds:Reference URI=""/></ds:SignedInfo>`), "unknown form"},
		"reference outside":       {evil(`URI="#_r1"`, `URI="http://127.0.0.1/"`), "over something else"},
		"reference to nothing":    {evil(`URI="#_r1"`, ``), "over something else"},
		"two SignedInfo":          {evil("</ds:SignedInfo>", "</ds:SignedInfo><ds:SignedInfo></ds:SignedInfo>"), "unknown form"},
		"foreign SignedInfo":      {evil("<ds:SignedInfo>", `<ds:SignedInfo xmlns:ds="urn:evil">`), "unknown form"},
		"comment in the digest":   {evil("<ds:DigestValue>", "<ds:DigestValue><!-- x -->"), "contains a comment"},
		"comment in the text":     {evil("urn:sp", "urn:sp<!-- x -->"), "contains a comment"},
		"empty digest":            {digest(""), "not base64"},
		"digest of nothing":       {digest("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), "none of the known"},
		"key to be fetched":       {evil("<ds:X509Data>", `<ds:RetrievalMethod URI="http://127.0.0.1/"/><ds:X509Data>`, "rsa-sha256", "rsa-sha512"), "none of the known"},
		"transform by XPath":      {evil(xmldsig+"enveloped-signature", "http://www.w3.org/TR/1999/REC-xpath-19991116"), "other transforms"},
		"transform by XSLT":       {evil("<ds:Transforms>", `<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>`), "other transforms"},
		"inclusive form":          {evil(exclusive, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"), "none of the known"},
		"inclusive, xml prefix":   {evil(exclusive, "http://www.w3.org/2006/12/xml-c14n11", "Version=", `xml:lang="ja" Version=`), "use the exclusive"},
		"inclusive, PrefixList":   {evil(`<ds:CanonicalizationMethod Algorithm="`+exclusive+`"/>`, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2006/12/xml-c14n11"><x/></ds:CanonicalizationMethod>`), "unknown form"},
		"Canonical XML 2.0":       {evil(exclusive, "http://www.w3.org/2010/xml-c14n2"), "unknown canonical form"},
		"HMAC":                    {evil(more+"rsa-sha256", more+"hmac-sha256"), "not accepted"},
		"HMAC with output length": {evil(`rsa-sha256"/>`, `hmac-sha256"><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>`), "unknown form"},
		"no algorithm":            {evil(more+"rsa-sha256", ""), "not accepted"},
		"SHA-1":                   {evil(more+"rsa-sha256", xmldsig+"rsa-sha1"), "SHA-1"},
		"digest by SHA-1":         {evil(xmlenc+"sha256", xmldsig+"sha1"), "SHA-1, which is not accepted"},
		"another algorithm":       {evil(more+"rsa-sha256", more+"rsa-sha512"), "none of the known"},
		"a key of another kind":   {evil(more+"rsa-sha256", more+"ecdsa-sha256"), "none of the known"},
		"empty value":             {genuine[:strings.Index(genuine, "<ds:SignatureValue>")] + "<ds:SignatureValue/>" + genuine[strings.Index(genuine, "</ds:SignatureValue>")+len("</ds:SignatureValue>"):], "not base64"},
		"another value":           {genuine[:strings.Index(genuine, "<ds:SignatureValue>")+len("<ds:SignatureValue>")] + value + genuine[strings.Index(genuine, "</ds:SignatureValue>"):], "none of the known"},
		"an attribute more":       {evil(`Version=`, `ForceAuthn="1" Version=`), "was changed"},
		"an element more":         {evil("</ds:Signature>", "</ds:Signature><saml:Subject/>"), "was changed"},
		"a namespace changed":     {evil("SAML:2.0:assertion", "SAML:2.0:evil"), "was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(test.document).NotTo(Equal(genuine), "nothing was forged")
			root, err := samlxml.Parse([]byte(test.document), limits)
			g.Expect(err).NotTo(HaveOccurred(), test.document)
			g.Expect(root.VerifyEnveloped(signer.public(), samlxml.Policy{})).To(MatchError(ContainSubstring(test.want)))
		})
	}
	g := NewWithT(t)
	g.Expect(parse(t, genuine).Signed()).To(BeTrue())
	g.Expect(parse(t, unsigned).Signed()).To(BeFalse())
	whole := parse(t, "<wrap>"+root+"</wrap>")
	g.Expect(whole.Children()[0].VerifyEnveloped(signer.public(), samlxml.Policy{})).To(MatchError(ContainSubstring("in part only")))
	g.Expect(whole.VerifyEnveloped(signer.public(), samlxml.Policy{})).To(MatchError(ContainSubstring("wrong place")))
}

// TestPrefixListIsBounded: nobody has proven anything yet when the canonical
// form is computed, so that must cost no more than the document.
func TestPrefixListIsBounded(t *testing.T) {
	const declared = 64
	var declarations strings.Builder
	for i := range declared {
		fmt.Fprintf(&declarations, ` xmlns:p%d="u"`, i)
	}
	list := strings.Repeat(" p7 p8 p9", 10_000)
	content := "<x" + declarations.String() + ">" + strings.Repeat("<y/>", 900) + "</x>"
	began := time.Now()
	g := NewWithT(t)
	document := strings.Replace(template(more+"rsa-sha256", xmlenc+"sha256", list, content), "<ds:DigestValue/>", "<ds:DigestValue>AAAA</ds:DigestValue>", 1)
	document = strings.Replace(document, "<ds:SignatureValue/>", "<ds:SignatureValue>AAAA</ds:SignatureValue>", 1)
	g.Expect(parse(t, document).VerifyEnveloped(rsaKey(t).public(), samlxml.Policy{})).To(MatchError(ContainSubstring("more than 32 prefixes")))
	g.Expect(time.Since(began)).To(BeNumerically("<", 3*time.Second))
}

// TestSignedDocumentsAreSmall: what is canonicalised before anything is proven has
// a fixed shape, and few declarations.
func TestSignedDocumentsAreSmall(t *testing.T) {
	g := NewWithT(t)
	signed := func(list, content string) error {
		document := strings.Replace(template(more+"rsa-sha256", xmlenc+"sha256", list, content), "<ds:DigestValue/>", "<ds:DigestValue>AAAA</ds:DigestValue>", 1)
		document = strings.Replace(document, "<ds:SignatureValue/>", "<ds:SignatureValue>AAAA</ds:SignatureValue>", 1)
		return parse(t, document).VerifyEnveloped(rsaKey(t).public(), samlxml.Policy{})
	}
	declarations := func(count int) string {
		var all strings.Builder
		for i := range count {
			fmt.Fprintf(&all, `<y xmlns:p%d="u"/>`, i)
		}
		return all.String()
	}
	g.Expect(signed("p", declarations(257))).To(MatchError(ContainSubstring("more than 256 namespace declarations")))
	g.Expect(signed("p", declarations(200))).To(MatchError(ContainSubstring("none of the known certificates verifies")))
	within := strings.Replace(template(more+"rsa-sha256", xmlenc+"sha256", "p", ""), `PrefixList="p"/>`, `PrefixList="p"><x/></ec:InclusiveNamespaces>`, 1)
	g.Expect(within).To(ContainSubstring("<x/></ec:InclusiveNamespaces>"))
	g.Expect(parse(t, within).VerifyEnveloped(rsaKey(t).public(), samlxml.Policy{})).To(MatchError(ContainSubstring("unknown form")))
}

func TestDetachedSignatures(t *testing.T) {
	octets := []byte("SAMLRequest=abc&RelayState=x&SigAlg=y")
	signer := rsaKey(t)
	hash := crypto.SHA256.New()
	hash.Write(octets)
	value, err := signer.Sign(nil, hash.Sum(nil), crypto.SHA256)
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(samlxml.VerifyDetached(octets, more+"rsa-sha256", value, signer.public(), samlxml.Policy{})).To(Succeed())
	for _, algorithm := range []string{"", "none", more + "hmac-sha256", xmldsig + "dsa-sha1", more + "rsa-md5", xmldsig + "rsa-sha1", more + "rsa-sha512", more + "ecdsa-sha256"} {
		g.Expect(samlxml.VerifyDetached(octets, algorithm, value, signer.public(), samlxml.Policy{})).NotTo(Succeed(), algorithm)
	}
	g.Expect(samlxml.VerifyDetached(append(octets, ' '), more+"rsa-sha256", value, signer.public(), samlxml.Policy{})).NotTo(Succeed())
	g.Expect(samlxml.VerifyDetached(octets, more+"rsa-sha256", value, []crypto.PublicKey{ecdsaKey(t, elliptic.P256()).Public()}, samlxml.Policy{})).
		To(MatchError(ContainSubstring("none of the known")))

	ecdsaSigner := ecdsaKey(t, elliptic.P256())
	value, err = ecdsaSigner.Sign(rand.Reader, hash.Sum(nil), crypto.SHA256)
	g.Expect(err).NotTo(HaveOccurred())
	verify := func(value []byte) error {
		return samlxml.VerifyDetached(octets, more+"ecdsa-sha256", value, ecdsaSigner.public(), samlxml.Policy{})
	}
	g.Expect(verify(value)).To(Succeed(), "in ASN.1, as goxmldsig writes it")
	g.Expect(verify(append(value, 0))).NotTo(Succeed())
	g.Expect(verify(value[:len(value)-1])).NotTo(Succeed())
	g.Expect(verify(nil)).NotTo(Succeed())
}
