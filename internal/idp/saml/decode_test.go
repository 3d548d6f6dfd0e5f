/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/idp/saml"
)

// expectRefused: an attack ends in a RequestError without an address to answer
// to, that repeats nothing of the request, in good time.
func expectRefused(t *testing.T, message *saml.Message, err error, began time.Time) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(message).To(BeNil())
	var refused *saml.RequestError
	g.Expect(errors.As(err, &refused)).To(BeTrue(), "got %v", err)
	g.Expect(refused.Pending).To(BeNil())
	g.Expect(refused.Status).NotTo(BeEmpty())
	g.Expect(refused.Message).To(MatchRegexp(`^[A-Z][^<>]{10,120}\.$`))
	g.Expect(refused.Error()).To(ContainSubstring(refused.Message))
	g.Expect(time.Since(began)).To(BeNumerically("<", 3*time.Second))
}

const (
	root   = "<samlp:AuthnRequest "
	issuer = "<saml:Issuer>" + spEntity + "</saml:Issuer>"
	end    = "</samlp:AuthnRequest>"
)

// badDocuments are attacks within the XML; each must be refused by both bindings.
func badDocuments() map[string]string {
	documents := map[string]string{
		"empty":                        "",
		"space":                        " \n",
		"not XML":                      "hello",
		"cut off":                      strings.TrimSuffix(requestXML(), end),
		"wrong end tag":                requestXML(end, "</samlp:AuthnRequests>"),
		"wrong root":                   requestXML("samlp:AuthnRequest", "samlp:LogoutRequest"),
		"wrong namespace":              requestXML("SAML:2.0:protocol", "SAML:1.1:protocol"),
		"no namespace":                 requestXML(` xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"`, "", "samlp:", ""),
		"undeclared prefix":            requestXML(` xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"`, ""),
		"undeclared attribute prefix":  requestXML(` Version=`, ` evil:x="1" Version=`),
		"prefix out of scope":          requestXML(issuer, `<samlp:Extensions><e:a xmlns:e="urn:e"/><e:b/></samlp:Extensions>`+issuer),
		"version 1.1":                  requestXML(`Version="2.0"`, `Version="1.1"`),
		"no version":                   requestXML(` Version="2.0"`, ""),
		"trailing element":             requestXML() + "<x/>",
		"trailing request":             requestXML() + requestXML(),
		"trailing text":                requestXML() + "x",
		"trailing comment":             requestXML() + "<!-- x -->",
		"leading text":                 "x" + requestXML(),
		"doctype":                      "<!DOCTYPE x>" + requestXML(),
		"doctype external":             `<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">` + requestXML(),
		"doctype inside":               requestXML(issuer, "<!DOCTYPE x>"+issuer),
		"trailing directive":           requestXML() + "<!ELEMENT x ANY>",
		"external entity, file":        `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + requestXML(spEntity+"<", "&e;<"),
		"external entity, http":        `<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1/">]>` + requestXML(spEntity+"<", "&e;<"),
		"entity in the issuer":         `<!DOCTYPE x [<!ENTITY e "` + spEntity + `">]>` + requestXML(spEntity+"<", "&e;<"),
		"entity without declaration":   requestXML(spEntity+"<", spEntity+"&e;<"),
		"billion laughs":               billionLaughs(),
		"processing instruction":       `<?php x ?>` + requestXML(),
		"stylesheet":                   `<?xml version="1.0"?><?xml-stylesheet href="x"?>` + requestXML(),
		"second declaration":           `<?xml version="1.0"?><?xml version="1.0"?>` + requestXML(),
		"declaration inside":           requestXML(issuer, `<?xml version="1.0"?>`+issuer),
		"declaration after space":      ` <?xml version="1.0"?>` + requestXML(),
		"declared latin-1":             `<?xml version="1.0" encoding="ISO-8859-1"?>` + requestXML(),
		"XML 1.1":                      `<?xml version="1.1"?>` + requestXML(),
		"not UTF-8":                    requestXML(spEntity+"<", spEntity+"\xff<"),
		"utf16":                        utf16Text(requestXML()),
		"utf16 declared":               utf16Text(`<?xml version="1.0" encoding="UTF-16"?>` + requestXML()),
		"null character":               requestXML(spEntity+"<", spEntity+"\x00<"),
		"null reference":               requestXML(spEntity+"<", spEntity+"&#0;<"),
		"roundtrip attribute":          requestXML(root, root+`::x="1" `),
		"roundtrip attribute, one":     requestXML(root, root+`:x="1" `),
		"roundtrip element":            requestXML(issuer, "<::e></::e>"+issuer),
		"roundtrip directive":          "<!x <<!-- -->!-- x -->>" + requestXML(),
		"empty prefix declaration":     requestXML(root, root+`xmlns:="urn:x" `),
		"duplicate ID":                 requestXML(` Version=`, ` ID="_request2" Version=`),
		"duplicate by namespace":       requestXML(` Version=`, ` xmlns:a="urn:x" xmlns:b="urn:x" a:c="1" b:c="2" Version=`),
		"duplicate declaration":        requestXML(` Version=`, ` xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Version=`),
		"20,000 attributes":            requestXML(` Version=`, manyAttributes(20_000)+` Version=`),
		"65 attributes":                requestXML(issuer, "<saml:Issuer"+manyAttributes(65)+">"+spEntity+"</saml:Issuer>"),
		"33 levels":                    nested(33),
		"20,000 levels":                nested(20_000),
		"1,001 elements":               withExtensions(strings.Repeat("<a/>", 998)),
		"60,000 elements":              withExtensions(strings.Repeat("<a/>", 60_000)),
		"larger than 256 kB":           requestXML(issuer, issuer+strings.Repeat(" ", 256<<10)),
		"no ID":                        requestXML(` ID="_request1"`, ""),
		"empty ID":                     requestXML(`ID="_request1"`, `ID=""`),
		"ID in a namespace":            requestXML(` ID=`, ` xmlns:a="urn:a" a:ID=`),
		"257 character ID":             requestXML("_request1", strings.Repeat("a", 257)),
		"10 kB ID":                     requestXML("_request1", strings.Repeat("a", 10_000)),
		"markup ID":                    requestXML("_request1", `&quot;&gt;&lt;script&gt;`),
		"colon ID":                     requestXML("_request1", "a:b"),
		"digit ID":                     requestXML("_request1", "1request"),
		"no instant":                   requestXML(` IssueInstant="2026-04-01T09:30:00Z"`, ""),
		"bad instant":                  requestXML("2026-04-01T09:30:00Z", "yesterday"),
		"instant without zone":         requestXML("09:30:00Z", "09:30:00"),
		"impossible instant":           requestXML("2026-04-01T", "2026-02-30T"),
		"issuer missing":               requestXML(issuer, ""),
		"issuer empty":                 requestXML(issuer, "<saml:Issuer></saml:Issuer>"),
		"issuer of space":              requestXML(issuer, "<saml:Issuer> \n </saml:Issuer>"),
		"issuer in another namespace":  requestXML("<saml:Issuer>", "<samlp:Issuer>", "</saml:Issuer>", "</samlp:Issuer>"),
		"issuer twice":                 requestXML(issuer, issuer+"<saml:Issuer>https://evil.example</saml:Issuer>"),
		"issuer twice, evil first":     requestXML(issuer, "<saml:Issuer>https://evil.example</saml:Issuer>"+issuer),
		"issuer below extensions":      requestXML(issuer, "<samlp:Extensions>"+issuer+"</samlp:Extensions>"),
		"issuer with comment suffix":   requestXML("</saml:Issuer>", "<!-- -->.evil.example</saml:Issuer>"),
		"issuer with comment":          requestXML("</saml:Issuer>", "<!-- --></saml:Issuer>"),
		"issuer with element":          requestXML("</saml:Issuer>", "<x>.evil.example</x></saml:Issuer>"),
		"issuer with instruction":      requestXML("</saml:Issuer>", "<?x ?>.evil.example</saml:Issuer>"),
		"issuer too long":              requestXML(spEntity+"<", strings.Repeat("a", 1025)+"<"),
		"unknown child":                requestXML(end, `<evil xmlns="urn:evil"/>`+end),
		"request in request":           requestXML(end, requestXML()+end),
		"policy twice":                 requestXML(end, `<samlp:NameIDPolicy/><samlp:NameIDPolicy/>`+end),
		"context twice":                requestXML(end, `<samlp:RequestedAuthnContext/><samlp:RequestedAuthnContext/>`+end),
		"class with comment":           requestXML(end, authnContext("", saml.ClassPassword+"<!-- -->")+end),
		"subject twice":                requestXML(end, `<saml:Subject/><saml:Subject/>`+end),
		"two names in subject":         requestXML(end, `<saml:Subject><saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID></saml:Subject>`+end),
		"subject with comment":         requestXML(end, `<saml:Subject><saml:NameID>a<!-- -->b</saml:NameID></saml:Subject>`+end),
		"index negative":               requestXML(" Version=", ` AssertionConsumerServiceIndex="-1" Version=`),
		"index too large":              requestXML(" Version=", ` AssertionConsumerServiceIndex="65536" Version=`),
		"index empty":                  requestXML(" Version=", ` AssertionConsumerServiceIndex="" Version=`),
		"index no number":              requestXML(" Version=", ` AssertionConsumerServiceIndex="1e1" Version=`),
		"force neither true nor false": requestXML(" Version=", ` ForceAuthn="TRUE" Version=`),
		"passive neither":              requestXML(" Version=", ` IsPassive="yes" Version=`),
		"address too long":             requestXML(spACS, spACS+strings.Repeat("a", 1024)),
	}
	return documents
}

func authnContext(comparison string, classes ...string) string {
	document := `<samlp:RequestedAuthnContext Comparison="` + comparison + `">`
	for _, class := range classes {
		document += "<saml:AuthnContextClassRef>" + class + "</saml:AuthnContextClassRef>"
	}
	return document + "</samlp:RequestedAuthnContext>"
}

func billionLaughs() string {
	document := `<!DOCTYPE x [<!ENTITY a0 "ha">`
	for i := range 9 {
		document += fmt.Sprintf(`<!ENTITY a%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&a%d;", i), 10))
	}
	return document + "]>" + requestXML(spEntity+"<", "&a9;<")
}

func manyAttributes(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, ` a%d=""`, i)
	}
	return text.String()
}

func nested(levels int) string {
	inner := levels - 2 // below the root and samlp:Extensions
	return withExtensions(strings.Repeat("<a>", inner) + strings.Repeat("</a>", inner))
}

func withExtensions(content string) string {
	return requestXML(issuer, issuer+"<samlp:Extensions>"+content+"</samlp:Extensions>")
}

func utf16Text(text string) string {
	encoded := []byte{0xFF, 0xFE}
	for _, unit := range utf16.Encode([]rune(text)) {
		encoded = binary.LittleEndian.AppendUint16(encoded, unit)
	}
	return string(encoded)
}

func TestBadDocumentsAreRefused(t *testing.T) {
	for name, document := range badDocuments() {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(document).NotTo(Equal(requestXML()), "the attack changes something")
			began := time.Now()
			message, err := saml.DecodePost(postForm(document))
			expectRefused(t, message, err, began)
			began = time.Now()
			message, err = saml.DecodeRedirect(redirectQuery(t, document))
			expectRefused(t, message, err, began)
		})
	}
}

func TestVersionMismatchHasItsStatus(t *testing.T) {
	_, err := saml.DecodePost(postForm(requestXML(`Version="2.0"`, `Version="1.1"`)))
	var refused *saml.RequestError
	NewWithT(t).Expect(errors.As(err, &refused)).To(BeTrue())
	NewWithT(t).Expect(refused.Status).To(Equal(saml.StatusVersionMismatch))
}

func TestBadRedirectsAreRefused(t *testing.T) {
	good := redirectQuery(t, requestXML())
	encode := func(raw []byte) string {
		return "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(raw))
	}
	queries := map[string]string{
		"nothing":                      "",
		"no request":                   "RelayState=x",
		"empty request":                "SAMLRequest=",
		"other case":                   strings.Replace(good, "SAMLRequest", "samlrequest", 1),
		"request twice":                good + "&" + good,
		"request twice, name encoded":  good + "&" + strings.Replace(good, "SAMLRequest", "SAMLReques%74", 1),
		"relay state twice":            good + "&RelayState=a&RelayState=b",
		"encoding twice":               good + strings.Repeat("&SAMLEncoding=urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE", 2),
		"signature twice":              good + "&Signature=a&Signature=a",
		"algorithm twice":              good + "&SigAlg=a&SigAlg=b",
		"encoding unknown":             good + "&SAMLEncoding=urn:x",
		"encoding empty":               good + "&SAMLEncoding=",
		"response instead":             strings.Replace(good, "SAMLRequest", "SAMLResponse", 1),
		"response as well":             good + "&SAMLResponse=x",
		"bad escape":                   "SAMLRequest=%zz",
		"bad escape in relay state":    good + "&RelayState=%zz",
		"bad base64":                   "SAMLRequest=***",
		"base64 without padding":       "SAMLRequest=YQ",
		"not deflated":                 encode([]byte(requestXML())),
		"zlib header":                  encode(zlibbed(t, requestXML())),
		"deflate cut off":              encode(deflate(t, requestXML())[:60]),
		"deflate trailing":             encode(append(deflate(t, requestXML()), 0)),
		"deflate twice":                encode(append(deflate(t, requestXML()), deflate(t, requestXML())...)),
		"deflate bomb of 100 MB":       encode(bomb(t, 100<<20, "")),
		"deflate bomb that is XML":     encode(bomb(t, 50<<20, requestXML())),
		"20 MB":                        "SAMLRequest=" + strings.Repeat("A", 20<<20),
		"1 MB and a bit":               "SAMLRequest=" + strings.Repeat("A", 1<<20+4),
		"relay state of 4097 bytes":    good + "&RelayState=" + strings.Repeat("a", 4097),
		"relay state of 100 kB":        good + "&RelayState=" + strings.Repeat("a", 100<<10),
		"relay state not UTF-8":        good + "&RelayState=%ff",
		"relay state with a null byte": good + "&RelayState=a%00b",
	}
	for name, query := range queries {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			message, err := saml.DecodeRedirect(query)
			expectRefused(t, message, err, began)
		})
	}
}

func TestBadPostsAreRefused(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(requestXML()))
	forms := map[string]url.Values{
		"nil":               nil,
		"nothing":           {},
		"empty request":     {"SAMLRequest": {""}},
		"request twice":     {"SAMLRequest": {encoded, encoded}},
		"relay state twice": {"SAMLRequest": {encoded}, "RelayState": {"a", "b"}},
		"response instead":  {"SAMLResponse": {encoded}},
		"response as well":  {"SAMLRequest": {encoded}, "SAMLResponse": {encoded}},
		"bad base64":        {"SAMLRequest": {"***"}},
		"deflated":          {"SAMLRequest": {base64.StdEncoding.EncodeToString(deflate(t, requestXML()))}},
		"20 MB":             {"SAMLRequest": {strings.Repeat("A", 20<<20)}},
		"long relay state":  {"SAMLRequest": {encoded}, "RelayState": {strings.Repeat("a", 4097)}},
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			message, err := saml.DecodePost(form)
			expectRefused(t, message, err, began)
		})
	}
}

// TestDeflatedPostsAreTold: it is what libraries do that know HTTP-Redirect best.
func TestDeflatedPostsAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		document string
		message  string
	}{
		"a request":  {requestXML(), "compressed"},
		"no request": {"no XML", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			message, err := saml.DecodePost(url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(deflate(t, c.document))}})
			expectRefused(t, message, err, time.Now())
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.message)))
		})
	}
}

func zlibbed(t *testing.T, document string) []byte {
	t.Helper()
	var compressed bytes.Buffer
	writer := zlib.NewWriter(&compressed)
	if _, err := writer.Write([]byte(document)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return compressed.Bytes()
}

// bomb deflates prefix and size spaces to about a thousandth.
func bomb(t *testing.T, size int64, prefix string) []byte {
	t.Helper()
	var compressed bytes.Buffer
	writer, err := flate.NewWriter(&compressed, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(writer, io.MultiReader(strings.NewReader(prefix), io.LimitReader(spaces{}, size))); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return compressed.Bytes()
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestGoodRequests are what real service providers send.
func TestGoodRequests(t *testing.T) {
	documents := map[string]string{
		"plain":              requestXML(),
		"declaration":        `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + requestXML() + "\n",
		"lower-case utf-8":   `<?xml version="1.0" encoding="utf-8" standalone="yes"?>` + requestXML(),
		"byte order mark":    "\xEF\xBB\xBF" + `<?xml version="1.0"?>` + requestXML(),
		"milliseconds":       requestXML("09:30:00Z", "09:30:00.123Z"),
		"nanoseconds":        requestXML("09:30:00Z", "09:30:00.123456789Z"),
		"offset":             requestXML("09:30:00Z", "18:30:00+09:00"),
		"single quotes":      strings.ReplaceAll(requestXML(), `"`, `'`),
		"other prefixes":     strings.NewReplacer("samlp:", "ns0:", ":samlp=", ":ns0=", "saml:", "ns1:", ":saml=", ":ns1=").Replace(requestXML()),
		"default namespaces": requestXML("xmlns:samlp", "xmlns", "<samlp:", "<", "</samlp:", "</", "<saml:Issuer>", `<Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">`, "</saml:Issuer>", "</Issuer>", ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`, ""),
		"spaced issuer":      requestXML(issuer, "\n  <saml:Issuer>\n    "+spEntity+"\n  </saml:Issuer>\n"),
		"issuer in CDATA":    requestXML(spEntity+"<", "<![CDATA["+spEntity+"]]><"),
		"comments":           "<!-- a -->" + requestXML(issuer, "<!-- b -->"+issuer),
		"extensions":         requestXML(issuer, issuer+`<samlp:Extensions><x xmlns="urn:x" y="1"><z/></x></samlp:Extensions>`),
		"32 levels":          nested(32),
		"1,000 elements":     withExtensions(strings.Repeat("<a/>", 997)),
		"64 attributes":      requestXML(issuer, "<saml:Issuer"+manyAttributes(64)+">"+spEntity+"</saml:Issuer>"),
		"everything else":    requestXML(end, `<saml:Conditions/>`+authnContext("exact", saml.ClassPassword)+`<samlp:Scoping/>`+end),
	}
	for name, document := range documents {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			byPost, err := saml.DecodePost(postForm(document))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(byPost.Request.ID).To(Equal("_request1"))
			g.Expect(byPost.Request.Issuer).To(Equal(spEntity))
			g.Expect(byPost.Request.AssertionConsumerServiceURL).To(Equal(spACS))
			g.Expect(byPost.Request.IssueInstant.UTC().Truncate(time.Second)).To(Equal(clock.Truncate(time.Minute)))
			byRedirect, err := saml.DecodeRedirect(redirectQuery(t, document))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(byRedirect).To(Equal(byPost))
			_, err = newProvider(t).Validate(byPost, prepared(t, testApp()))
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
}

func TestRedirectForms(t *testing.T) {
	good := redirectQuery(t, requestXML())
	queries := map[string]string{
		"encoding named":  good + "&SAMLEncoding=urn%3Aoasis%3Anames%3Atc%3ASAML%3A2.0%3Abindings%3AURL-Encoding%3ADEFLATE",
		"signed":          good + "&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256&Signature=YQ%3D%3D",
		"lower-case hex":  strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d").Replace(good),
		"bare equal sign": strings.ReplaceAll(good, "%3D", "="),
		"other order":     "RelayState=&utm_source=x&utm_source=y&%zz=1&" + good,
		"line breaks":     strings.Replace(good, "SAMLRequest=", "SAMLRequest=%0D%0A", 1),
	}
	for name, query := range queries {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			message, err := saml.DecodeRedirect(query)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(message.Request.ID).To(Equal("_request1"))
			g.Expect(message.RelayState).To(BeEmpty())
		})
	}
}

func TestRelayStateIsReturnedUnchanged(t *testing.T) {
	states := append([]string{
		strings.Repeat("a", 4096), `"><script>alert(1)</script>`, "https://evil.example/", "javascript:alert(1)",
		"a\r\nSet-Cookie: x=y", "a+b c%20d", strings.Repeat("あ", 1365),
	}, nasty...)
	for _, state := range states {
		g := NewWithT(t)
		byRedirect, err := saml.DecodeRedirect(redirectQuery(t, requestXML()) + "&RelayState=" + url.QueryEscape(state))
		g.Expect(err).NotTo(HaveOccurred())
		form := postForm(requestXML())
		form.Set("RelayState", state)
		byPost, err := saml.DecodePost(form)
		g.Expect(err).NotTo(HaveOccurred())
		for _, message := range []*saml.Message{byRedirect, byPost} {
			pending, err := newProvider(t).Validate(message, prepared(t, testApp()))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(pending.RelayState).To(Equal(state))
		}
	}
}
