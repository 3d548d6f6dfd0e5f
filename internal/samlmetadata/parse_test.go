/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlmetadata_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/samlmetadata"
)

func parse(document string) (*samlmetadata.ServiceProvider, error) {
	return samlmetadata.Parse([]byte(document), samlmetadata.Options{Now: now})
}

// TestReadsAll: what a well-kept service provider publishes.
func TestReadsAll(t *testing.T) {
	g := NewWithT(t)
	signing, encryption, both := certified(t, ecKey(t)), certified(t, ecKey(t)), certified(t, ecKey(t))
	provider, err := parse(entity(spID+` validUntil="2026-05-01T00:00:00Z" cacheDuration="PT6H"`,
		`<md:Extensions><x:y xmlns:x="urn:x"/></md:Extensions>`+
			role(`AuthnRequestsSigned="true" WantAssertionsSigned="1" validUntil="2026-04-20T09:00:00+09:00"`,
				keyDescriptor("signing", signing)+keyDescriptor("encryption", encryption)+keyDescriptor("", both)+
					`<md:SingleLogoutService Binding="`+redirect+`" Location="https://sp.example/slo" ResponseLocation="https://sp.example/slo/done"/>
<md:SingleLogoutService Binding="`+post+`" Location="https://sp.example/slo"/>
<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="javascript:never-used"/>
<md:NameIDFormat> urn:oasis:names:tc:SAML:2.0:nameid-format:persistent
</md:NameIDFormat><md:NameIDFormat/>`+
					acs(artifact, "https://sp.example/artifact", `index="0" isDefault="true"`)+
					acs(post, spACS, `index="1" isDefault="false"`)+acs(post, spACS+"?b=1", `index="2"`))))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provider.EntityID).To(Equal("https://sp.example/saml"))
	g.Expect(provider.AssertionConsumerServices).To(Equal([]directory.AssertionConsumerService{
		{URL: spACS, Index: 1}, {URL: spACS + "?b=1", Index: 2, Default: true},
	}))
	g.Expect(provider.SingleLogoutServices).To(Equal([]directory.SingleLogoutService{
		{Binding: "HTTPRedirect", URL: "https://sp.example/slo", ResponseURL: "https://sp.example/slo/done"}, {Binding: "HTTPPOST", URL: "https://sp.example/slo"},
	}))
	g.Expect(provider.Certificates).To(HaveExactElements(
		HaveField("Use", directory.CertificateSigning), HaveField("Use", directory.CertificateEncryption), HaveField("Use", directory.CertificateUse("")),
	))
	g.Expect(provider.Certificates[0].PEM).To(HavePrefix("-----BEGIN CERTIFICATE-----\n" + signing[:64] + "\n"))
	g.Expect(provider.RequestsSigned).To(BeTrue())
	g.Expect(provider.AssertionsSigned).To(BeTrue())
	g.Expect(provider.NameIDFormats).To(Equal([]string{"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"}))
	g.Expect(provider.ValidUntil).To(Equal(time.Date(2026, 4, 20, 0, 0, 0, 0, time.UTC)), "the earliest")
	g.Expect(provider.CacheDuration).To(Equal(6 * time.Hour))
}

func TestAccepted(t *testing.T) {
	chain := strings.Replace(keyDescriptor("signing", certified(t, ecKey(t))), "</ds:X509Certificate>",
		"</ds:X509Certificate><ds:X509Certificate>bm90IGxvb2tlZCBhdA==</ds:X509Certificate>", 1)
	for name, test := range map[string]struct {
		document string
		want     types.GomegaMatcher
	}{
		"md-ok":                       {simple(), HaveField("AssertionConsumerServices", ConsistOf(directory.AssertionConsumerService{URL: spACS, Default: true}))},
		"md-acs-first-artifact":       {entity(spID, role("", acs(artifact, "https://sp.example/a", `index="0" isDefault="true"`)+acs(post, spACS, `index="1"`))), HaveField("AssertionConsumerServices", ConsistOf(directory.AssertionConsumerService{URL: spACS, Index: 1, Default: true}))},
		"two marked default":          {entity(spID, role("", acs(post, spACS, `index="4"`)+acs(post, spACS+"2", `index="5" isDefault="true"`)+acs(post, spACS+"3", `index="6" isDefault="1"`))), HaveField("AssertionConsumerServices", ContainElement(directory.AssertionConsumerService{URL: spACS + "2", Index: 5, Default: true}))},
		"no index at all":             {entity(spID, role("", acs(post, spACS, "")+acs(post, spACS+"2", ""))), HaveField("AssertionConsumerServices", HaveExactElements(HaveField("Index", 0), HaveField("Index", 1)))},
		"index of another binding":    {entity(spID, role("", acs(artifact, spACS, `index="1"`)+acs(post, spACS, `index="1"`))), HaveField("AssertionConsumerServices", HaveLen(1))},
		"an entity ID that is no URL": {entity(`entityID="box.net"`, role("", acs(post, spACS, `index="0"`))), HaveField("EntityID", "box.net")},
		"one in EntitiesDescriptor":   {`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="2026-04-02T00:00:00Z">` + strings.Replace(simple(), `<?xml version="1.0"?>`, "", 1) + `<md:EntityDescriptor entityID="idp"><md:IDPSSODescriptor ` + protocol + `/></md:EntityDescriptor></md:EntitiesDescriptor>`, HaveField("ValidUntil", time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC))},
		"SAML 1.1 beside 2.0":         {entity(spID, `<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol"/>`+role("", acs(post, spACS, `index="0"`))), HaveField("EntityID", "https://sp.example/saml")},
		"both roles":                  {entity(spID, `<md:IDPSSODescriptor `+protocol+`/>`+role("", acs(post, spACS, `index="0"`))), HaveField("EntityID", "https://sp.example/saml")},
		"certificate with its chain":  {entity(spID, role("", chain+acs(post, spACS, `index="0"`))), HaveField("Certificates", HaveLen(1))},
		"without the default prefix":  {strings.NewReplacer("md:", "", "xmlns:md", "xmlns").Replace(simple()), HaveField("EntityID", "https://sp.example/saml")},
		"a comment between elements":  {strings.Replace(simple(), "<md:Assertion", "<!-- our addresses --><md:Assertion", 1), HaveField("EntityID", "https://sp.example/saml")},
		"a time without zone":         {entity(spID+` validUntil="2026-04-02T00:00:00.5"`, role("", acs(post, spACS, ""))), HaveField("ValidUntil", time.Date(2026, 4, 2, 0, 0, 0, 5e8, time.UTC))},
		"an endless cacheDuration":    {entity(spID+` cacheDuration="P999999999Y"`, role("", acs(post, spACS, ""))), HaveField("CacheDuration", BeNumerically(">", 9*365*24*time.Hour))},
		"a compound cacheDuration":    {entity(spID+` cacheDuration="P1DT1H1M1.5S"`, role("", acs(post, spACS, ""))), HaveField("CacheDuration", 25*time.Hour+time.Minute+time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			provider, err := parse(test.document)
			g.Expect(err).NotTo(HaveOccurred(), test.document)
			g.Expect(*provider).To(test.want)
		})
	}
}

// wide encodes a document in UTF-16, with a byte order mark.
func wide(document string) string {
	encoded := []byte{0xfe, 0xff}
	for _, unit := range utf16.Encode([]rune(document)) {
		encoded = binary.BigEndian.AppendUint16(encoded, unit)
	}
	return string(encoded)
}

// TestRefused: section 4C of the catalogue of attacks, and more of the kind.
func TestRefused(t *testing.T) {
	with := func(location string) string { return entity(spID, role("", acs(post, location, `index="0"`))) }
	keyed := func(descriptor string) string {
		return entity(spID, role("", descriptor+acs(post, spACS, `index="0"`)))
	}
	body := strings.TrimPrefix(simple(), `<?xml version="1.0"?>`)
	keyValue := `<md:KeyDescriptor use="%s"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">%s</ds:KeyInfo></md:KeyDescriptor>`
	both := `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + body + strings.NewReplacer("sp.example", "other.example", "_m1", "_m2").Replace(body) + `</md:EntitiesDescriptor>`
	for name, test := range map[string]struct{ document, want string }{
		"md-doctype":                     {"<!DOCTYPE md:EntityDescriptor>" + body, "document type declaration"},
		"md-xxe":                         {`<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + strings.Replace(body, "https://sp.example/saml\"", "&x;\"", 1), "document type declaration"},
		"md-xxe-http":                    {`<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd">` + body, "document type declaration"},
		"md-billion-laughs":              {`<!DOCTYPE r [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>` + body, "document type declaration"},
		"md-no-entityid":                 {entity("", role("", acs(post, spACS, `index="0"`))), "no entityID"},
		"md-empty-entityid":              {entity(`entityID=""`, role("", acs(post, spACS, `index="0"`))), "no entityID"},
		"md-entityid-long":               {entity(`entityID="https://`+strings.Repeat("a", 1024)+`"`, role("", acs(post, spACS, ""))), "longer than 1024"},
		"md-entityid-space":              {entity(`entityID="our wiki"`, role("", acs(post, spACS, ""))), "characters that no URI has"},
		"md-comment-entityid":            {entity(`entityID="https://sp.example/&lt;!--x--&gt;"`, role("", acs(post, spACS, ""))), "characters that no URI has"},
		"md-comment-entityid, unescaped": {entity(`entityID="https://sp.example/<!--x-->"`, role("", acs(post, spACS, ""))), "not well-formed"},
		"md-acs-javascript":              {with("javascript:alert(1)"), "no absolute http or https URL"},
		"md-acs-data":                    {with("data:text/html,x"), "no absolute http or https URL"},
		"md-acs-relative":                {with("/saml/acs"), "no absolute http or https URL"},
		"md-acs-schemeless":              {with("//sp.example/acs"), "no absolute http or https URL"},
		"md-acs-userinfo":                {with("https://sp.example@evil.example/"), "no absolute http or https URL"},
		"md-acs-fragment":                {with("https://sp.example/#x"), "no absolute http or https URL"},
		"md-acs-backslash":               {with(`https://sp.example\@evil.example/`), "no absolute http or https URL"},
		"md-acs-line-break":              {with("https://sp.example/&#10;x"), "no absolute http or https URL"},
		"md-acs-long":                    {with("https://sp.example/" + strings.Repeat("a", 2048)), "no absolute http or https URL"},
		"md-acs-no-location":             {entity(spID, role("", `<md:AssertionConsumerService Binding="`+post+`" index="0"/>`)), "no absolute http or https URL"},
		"one bad address among good":     {entity(spID, role("", acs(post, spACS, `index="0"`)+acs(post, "javascript:x", `index="1"`))), "no absolute http or https URL"},
		"md-acs-none":                    {entity(spID, role("", "")), "has no AssertionConsumerService;"},
		"md-acs-only-artifact":           {entity(spID, role("", acs(artifact, spACS, `index="0"`))), "HTTP-POST binding"},
		"md-acs-dup-index":               {entity(spID, role("", acs(post, spACS, `index="1"`)+acs(post, spACS+"2", `index="1"`))), "index 1 to two"},
		"some without index":             {entity(spID, role("", acs(post, spACS, `index="1"`)+acs(post, spACS+"2", ``))), "others none"},
		"index out of range":             {entity(spID, role("", acs(post, spACS, `index="65536"`))), "0 to 65535"},
		"isDefault is odd":               {entity(spID, role("", acs(post, spACS, `isDefault="yes"`))), "neither true nor false"},
		"md-10000-acs":                   {entity(spID, role("", strings.Repeat(acs(post, spACS, ""), 10000))), "is larger than"},
		"md-5000-elements":               {entity(spID, role("", strings.Repeat("<x/>", 5000))), "more than 5000 elements"},
		"md-101-acs":                     {entity(spID, role("", strings.Repeat(acs(post, spACS, ""), 101))), "more than 100 AssertionConsumerServices"},
		"md-idp-role-only":               {entity(spID, `<md:IDPSSODescriptor `+protocol+`/>`), "no SAML 2.0 service provider"},
		"SAML 1.1 only":                  {strings.Replace(simple(), "SAML:2.0:protocol", "SAML:1.1:protocol", 1), "no SAML 2.0 service provider"},
		"md-two-spsso":                   {entity(spID, role("", acs(post, spACS, ""))+role("", acs(post, spACS+"2", ""))), "2 times (SPSSODescriptor)"},
		"md-entities":                    {both, "describes 2 service providers"},
		"md-expired":                     {entity(spID+` validUntil="2026-04-01T12:00:00Z"`, role("", acs(post, spACS, ""))), "expired at 2026-04-01T12:00:00Z"},
		"md-role-expired":                {entity(spID, role(`validUntil="2020-01-01T00:00:00Z"`, acs(post, spACS, ""))), "expired at 2020"},
		"validUntil is no time":          {entity(spID+` validUntil="tomorrow"`, role("", acs(post, spACS, ""))), "validUntil is no time"},
		"cacheDuration is no duration":   {entity(spID+` cacheDuration="-PT1H"`, role("", acs(post, spACS, ""))), "cacheDuration is no duration"},
		"cacheDuration is empty":         {entity(spID+` cacheDuration="PT"`, role("", acs(post, spACS, ""))), "cacheDuration is no duration"},
		"md-bad-cert":                    {keyed(keyDescriptor("signing", "bm90IGEgY2VydGlmaWNhdGU=")), "certificate cannot be read"},
		"certificate not base64":         {keyed(keyDescriptor("signing", "%%%")), "not base64"},
		"certificate empty":              {keyed(keyDescriptor("signing", "")), "not base64"},
		"certificate with a comment":     {keyed(keyDescriptor("signing", "AA<!-- -->AA")), "not plain text"},
		"md-no-cert-in-encryption-key":   {keyed(fmt.Sprintf(keyValue, "encryption", "<ds:X509Data/>")), "without an X509Certificate"},
		"md-keyvalue-only":               {keyed(fmt.Sprintf(keyValue, "signing", "<ds:KeyValue><ds:RSAKeyValue/></ds:KeyValue>")), "without an X509Certificate"},
		"no KeyInfo":                     {keyed("<md:KeyDescriptor/>"), "without an X509Certificate"},
		"md-rsa512":                      {keyed(keyDescriptor("encryption", shortRSA(t))), "has 512 bits; ask for one with at least 1024"},
		"use is unknown":                 {keyed(keyDescriptor("wrapping", certified(t, ecKey(t)))), "neither signing nor encryption"},
		"md-authnrequestssigned-no-key":  {entity(spID, role(`AuthnRequestsSigned="true"`, acs(post, spACS, ""))), "no certificate to verify them by"},
		"only a key to encrypt to":       {entity(spID, role(`AuthnRequestsSigned="1"`, keyDescriptor("encryption", certified(t, ecKey(t)))+acs(post, spACS, ""))), "no certificate to verify them by"},
		"AuthnRequestsSigned is odd":     {entity(spID, role(`AuthnRequestsSigned="TRUE"`, acs(post, spACS, ""))), "AuthnRequestsSigned is neither"},
		"logout to a script":             {entity(spID, role("", acs(post, spACS, "")+`<md:SingleLogoutService Binding="`+redirect+`" Location="javascript:alert(1)"/>`)), "SingleLogoutService has a Location"},
		"logout answer to a script":      {entity(spID, role("", acs(post, spACS, "")+`<md:SingleLogoutService Binding="`+redirect+`" Location="https://sp.example/" ResponseLocation="data:,x"/>`)), "SingleLogoutService has a ResponseLocation"},
		"format is markup":               {entity(spID, role("", acs(post, spACS, "")+"<md:NameIDFormat>a<b/></md:NameIDFormat>")), "NameIDFormat that is no URI"},
		"md-huge-20MB":                   {entity(spID, role("", acs(post, spACS, "")+"<!--"+strings.Repeat("x", 20<<20)+"-->")), "is larger than 512 kB"},
		"md-deep":                        {entity(spID, strings.Repeat("<a>", 20000)+strings.Repeat("</a>", 20000)), "nested deeper than 32"},
		"md-not-xml":                     {`{"entityID": "https://sp.example"}`, "give an XML document"},
		"an HTML page":                   {"<html><body>Not found</body></html>", "no SAML metadata"},
		"md-empty":                       {"", "is empty"},
		"another namespace":              {strings.ReplaceAll(simple(), "SAML:2.0:metadata", "SAML:2.0:evil"), "no SAML metadata"},
		"md-roundtrip, attribute":        {strings.Replace(simple(), "ID=", `::ID="_x" ID=`, 1), "cannot be read"},
		"md-roundtrip, element":          {strings.Replace(simple(), "<md:Assertion", "<::e></::e><md:Assertion", 1), "cannot be read"},
		"md-utf16":                       {wide(simple()), "is not UTF-8"},
		"a document after it":            {simple() + simple(), "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			begun := time.Now()
			provider, err := parse(test.document)
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
			g.Expect(err).To(BeAssignableToTypeOf(&samlmetadata.Error{}))
			g.Expect(err.Error()).To(MatchRegexp("; (ask|give|enter) ."), "says what to do")
			g.Expect(len(err.Error())).To(BeNumerically("<", 300))
			g.Expect(provider).To(BeNil())
			g.Expect(time.Since(begun)).To(BeNumerically("<", 3*time.Second))
		})
	}
}

func TestExpiryIsCheckedOnDemand(t *testing.T) {
	g := NewWithT(t)
	provider, err := samlmetadata.Parse([]byte(entity(spID+` validUntil="2020-01-01T00:00:00Z"`, role("", acs(post, spACS, "")))), samlmetadata.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provider.Expired(now)).To(BeTrue())
	g.Expect(provider.Expired(now.AddDate(-10, 0, 0))).To(BeFalse())
}
