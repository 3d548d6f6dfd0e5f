/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"bytes"
	"compress/flate"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
)

const (
	entityID = "https://id.example.com/saml/acme/metadata"
	ssoURL   = "https://id.example.com/saml/acme/sso"
	sloURL   = "https://id.example.com/saml/acme/slo"
	spEntity = "https://sp.example.com/metadata"
	spACS    = "https://sp.example.com/acs"
	spACS2   = "https://sp.example.com/acs?tenant=2&lang=ja"
)

var (
	clock        = time.Date(2026, 4, 1, 9, 30, 15, 250_000_000, time.UTC)
	signingModes = []directory.SigningMode{directory.SignResponseAndAssertion, directory.SignResponse, directory.SignAssertion}
)

// counter stands for randomness whose results can be written down.
type counter struct{ next byte }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = c.next
		c.next++
	}
	return len(p), nil
}

func testKeyPair(t testing.TB) admin.KeyPair {
	t.Helper()
	return admin.KeyPair{Certificate: readFile(t, "testdata/idp.crt"), PrivateKey: readFile(t, "testdata/idp.key")}
}

func testCertificate(t testing.TB) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(readFile(t, "testdata/idp.crt"))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func newProvider(t testing.TB, change ...func(*saml.ProviderOptions)) *saml.Provider {
	t.Helper()
	options := saml.ProviderOptions{
		EntityID: entityID, SingleSignOnURL: ssoURL, SingleLogoutURL: sloURL, KeyPair: testKeyPair(t),
		Now: func() time.Time { return clock }, Random: &counter{},
	}
	for _, f := range change {
		f(&options)
	}
	provider, err := saml.NewProvider(options)
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

func testApp() directory.App {
	return directory.App{
		Tenant: "acme", Kind: directory.KindSAMLApp, Name: "wiki", DisplayName: "Wiki",
		SAML: &directory.SAMLSettings{
			Flow: directory.FlowSPInitiated, EntityID: spEntity,
			AssertionConsumerServices: []directory.AssertionConsumerService{{URL: spACS2, Index: 7}, {URL: spACS, Index: 3, Default: true}},
			Signing:                   directory.SignResponseAndAssertion,
			NameIDFormat:              directory.NameIDEmailAddress,
			Attributes: []directory.AttributeMapping{
				{Name: "mail", NameFormat: "basic", Field: directory.FieldMail},
				{Name: "urn:oid:2.5.4.4", NameFormat: "uri", Field: directory.FieldFamilyName},
				{Name: "groups", NameFormat: "unspecified", Field: directory.FieldGroups},
				{Name: "staff", NameFormat: "basic", Attribute: "staffNumber"},
				{Name: "plan", NameFormat: "basic", Values: []string{"gold"}},
			},
		},
	}
}

func prepared(t testing.TB, app directory.App) *saml.ServiceProvider {
	t.Helper()
	sp, err := saml.NewServiceProvider(app)
	if err != nil {
		t.Fatal(err)
	}
	return sp
}

func testSubject() directory.Subject {
	return directory.Subject{
		ID: "5f0c3a52-58a5-4d0b-a7a9-0c5c9a4a1f11",
		Member: directory.Member{
			Tenant: "acme", Name: "hanako", Mail: "hanako@acme.example",
			Person:     directory.PersonName{Family: "山田", Given: "花子"},
			Attributes: map[string]string{"staffNumber": "A-17"},
		},
		Groups: []directory.Group{{DisplayName: "営業部"}, {DisplayName: "R&D <Tokyo>"}},
	}
}

func testPending() *saml.Pending {
	return &saml.Pending{RequestID: "_request1", EntityID: spEntity, ACSURL: spACS, RelayState: "state"}
}

func testAuthentication() saml.Authentication {
	return saml.Authentication{
		At: clock.Add(-3 * time.Second), SessionIndex: "s-1", SessionNotOnOrAfter: clock.Add(8 * time.Hour),
	}
}

func respond(t testing.TB, provider *saml.Provider, pending *saml.Pending, app directory.App, subject directory.Subject) []byte {
	t.Helper()
	response, err := provider.Respond(pending, prepared(t, app), subject, testAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	return response.Document
}

func parseXML(t testing.TB, document []byte) *etree.Element {
	t.Helper()
	parsed := etree.NewDocument()
	if err := parsed.ReadFromBytes(document); err != nil {
		t.Fatal(err)
	}
	return parsed.Root()
}

// requestXML is a plain request, changed by pairs of old and new text.
func requestXML(replace ...string) string {
	document := `<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"` +
		` ID="_request1" Version="2.0" IssueInstant="2026-04-01T09:30:00Z" Destination="` + ssoURL + `"` +
		` AssertionConsumerServiceURL="` + spACS + `"><saml:Issuer>` + spEntity + `</saml:Issuer></samlp:AuthnRequest>`
	return strings.NewReplacer(replace...).Replace(document)
}

func deflate(t testing.TB, document string) []byte {
	t.Helper()
	var compressed bytes.Buffer
	writer, err := flate.NewWriter(&compressed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write([]byte(document)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return compressed.Bytes()
}

func redirectQuery(t testing.TB, document string) string {
	t.Helper()
	return "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflate(t, document)))
}

func postForm(document string) url.Values {
	return url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString([]byte(document))}}
}
