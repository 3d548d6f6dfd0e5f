/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jonboulle/clockwork"
	. "github.com/onsi/gomega"
	dsig "github.com/russellhaering/goxmldsig"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
)

// nasty are pieces that canonicalisers and escapers get wrong.
var nasty = []string{
	"<", ">", "&", `"`, "'", "\r", "\n", "\r\n", "\t", " ", "]]>", "<!--", "-->", "<![CDATA[", "&amp;", "&#xD;", "&lt;",
	"\u00a0", "\u0085", "\u2028", "\ufffd", "日本語", "髙﨑", "e\u0301", "\U0001F468\u200d\U0001F469", "\U0010FFFD", "\u202e", "a", "Z9", "xmlns:x=", "/>",
}

func nastyText(random *rand.Rand) string {
	var text strings.Builder
	text.WriteString("x") // never empty
	for range random.IntN(12) {
		text.WriteString(nasty[random.IntN(len(nasty))])
	}
	return text.String()
}

func nastyInput(random *rand.Rand) (*saml.Pending, directory.App, directory.Subject) {
	app, subject := testApp(), testSubject()
	acs := "https://sp.example.com/" + nastyText(random)
	app.SAML.EntityID = nastyText(random)
	app.SAML.AssertionConsumerServices = []directory.AssertionConsumerService{{URL: acs}}
	app.SAML.Signing = signingModes[random.IntN(len(signingModes))]
	app.SAML.Hash = []directory.Hash{"", directory.SHA256, directory.SHA384, directory.SHA512, directory.SHA1}[random.IntN(5)]
	if random.IntN(2) == 0 {
		app.SAML.Issuer, app.SAML.NameQualifier, app.SAML.SPNameQualifier = nastyText(random), nastyText(random), nastyText(random)
	}
	app.SAML.Attributes = nil
	for i := range random.IntN(6) {
		app.SAML.Attributes = append(app.SAML.Attributes, directory.AttributeMapping{
			Name: fmt.Sprint(nastyText(random), i), NameFormat: []string{"", "basic", "uri"}[random.IntN(3)], Values: []string{nastyText(random), nastyText(random)}[:1+random.IntN(2)],
		})
	}
	app.SAML.Attributes = append(app.SAML.Attributes, directory.AttributeMapping{Name: "groups", Field: directory.FieldGroups})
	subject.Member.Mail = nastyText(random)
	subject.Groups = nil
	for range random.IntN(4) {
		subject.Groups = append(subject.Groups, directory.Group{DisplayName: nastyText(random)})
	}
	pending := &saml.Pending{EntityID: app.SAML.EntityID, ACSURL: acs, RelayState: nastyText(random)}
	if random.IntN(2) == 0 {
		pending.RequestID = "_r-1.日本"
	}
	return pending, app, subject
}

// TestEveryResponseIsCanonicalAndVerifies is what the signer rests on: the
// bytes that were hashed are those that a receiver's canonicalisation yields.
func TestEveryResponseIsCanonicalAndVerifies(t *testing.T) {
	g := NewWithT(t)
	certificate := testCertificate(t)
	provider := newProvider(t, func(o *saml.ProviderOptions) { o.EntityID = `https://id.example.com/?a="<1>"&b='2'` })
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		pending, app, subject := nastyInput(random)
		response := respond(t, provider, pending, app, subject)
		because := fmt.Sprintf("seed %d: %s", seed, response)

		g.Expect(canonical(t, response)).To(Equal(string(response)), because)
		assertion := assertionOf(response)
		g.Expect(canonical(t, assertion)).To(Equal(string(assertion)), because)
		if app.SAML.Signing != directory.SignAssertion {
			g.Expect(verify(t, response, certificate)).To(Succeed(), because)
		}
		if app.SAML.Signing != directory.SignResponse {
			g.Expect(verify(t, assertion, certificate)).To(Succeed(), because)
		}
		root := parseXML(t, response)
		g.Expect(root.FindElement("./Assertion/Subject/NameID").Text()).To(Equal(subject.Member.Mail), because)
		g.Expect(root.FindElement("./Assertion/Issuer").Text()).To(Equal(cmp.Or(app.SAML.Issuer, provider.EntityID())), because)
		g.Expect(root.FindElement(".//Audience").Text()).To(Equal(app.SAML.EntityID), because)
		g.Expect(root.SelectAttrValue("Destination", "")).To(Equal(pending.ACSURL), because)
		values := attributeValues(root.FindElement("./Assertion"))
		for _, mapping := range app.SAML.Attributes {
			if mapping.Values != nil {
				g.Expect(values[mapping.Name]).To(Equal(mapping.Values), because)
			}
		}

		refusal, err := provider.Refuse(pending, prepared(t, app), saml.StatusRequester, saml.StatusNoPassive, nastyText(random))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(canonical(t, refusal)).To(Equal(string(refusal)))
		g.Expect(verify(t, refusal, certificate)).To(Succeed())
	}
}

// TestTamperedResponsesDoNotVerify changes one thing at a time.
func TestTamperedResponsesDoNotVerify(t *testing.T) {
	certificate := testCertificate(t)
	response := respond(t, newProvider(t), testPending(), testApp(), testSubject())
	assertion := assertionOf(response)
	changes := map[string][2]string{
		"member":      {"hanako@acme.example", "taro@acme.example"},
		"audience":    {spEntity + "</saml:Audience>", "https://evil.example</saml:Audience>"},
		"recipient":   {`Recipient="` + spACS, `Recipient="https://evil.example/`},
		"end":         {"2026-04-01T09:35:15.250Z", "2027-04-01T09:35:15.250Z"},
		"attribute":   {"<saml:AttributeValue>gold", "<saml:AttributeValue>platinum"},
		"issuer":      {entityID, "https://evil.example"},
		"digest":      {"<ds:DigestValue>", "<ds:DigestValue>A"},
		"value":       {"<ds:SignatureValue>", "<ds:SignatureValue>A"},
		"method":      {"xmldsig-more#rsa-sha256", "xmldsig-more#rsa-sha512"},
		"new element": {"<saml:Subject>", "<saml:Advice></saml:Advice><saml:Subject>"},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, document := range [][]byte{response, assertion} {
				tampered := bytes.Replace(document, []byte(change[0]), []byte(change[1]), 1)
				g.Expect(tampered).NotTo(Equal(document))
				g.Expect(verify(t, tampered, certificate)).NotTo(Succeed())
			}
		})
	}
	t.Run("untouched", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(verify(t, response, certificate)).To(Succeed())
		g.Expect(verify(t, assertion, certificate)).To(Succeed())
	})
}

func assertionOf(response []byte) []byte {
	const closing = "</saml:Assertion>"
	return response[bytes.Index(response, []byte("<saml:Assertion ")) : bytes.LastIndex(response, []byte(closing))+len(closing)]
}

func canonical(t *testing.T, document []byte) string {
	t.Helper()
	text, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(parseXML(t, document))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func verify(t *testing.T, document []byte, certificate *x509.Certificate) error {
	t.Helper()
	validation := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{certificate}})
	validation.Clock = dsig.NewFakeClock(clockwork.NewFakeClockAt(clock))
	_, err := validation.Validate(parseXML(t, document))
	return err
}
