/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/beevik/etree"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden pins every byte: a change here is a change that service providers see.
func TestGolden(t *testing.T) {
	documents := map[string]func(t *testing.T) []byte{
		"metadata": func(t *testing.T) []byte { return metadataOf(t, newProvider(t)) },
		"refused": func(t *testing.T) []byte {
			response, err := newProvider(t).Refuse(testPending(), prepared(t, testApp()), saml.StatusRequester, saml.StatusInvalidNameIDPolicy, "Not <this> format.")
			if err != nil {
				t.Fatal(err)
			}
			return response
		},
	}
	for _, mode := range signingModes {
		documents["response-"+string(mode)] = func(t *testing.T) []byte {
			app := testApp()
			app.SAML.Signing = mode
			return respond(t, newProvider(t), testPending(), app, testSubject())
		}
	}
	for name, render := range documents {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			file := filepath.Join("testdata", name+".golden.xml")
			got := render(t)
			if *update {
				g.Expect(os.WriteFile(file, got, 0o600)).To(Succeed())
			}
			g.Expect(string(got)).To(Equal(string(readFile(t, file))))
			g.Expect(render(t)).To(Equal(got), "the same input gives the same bytes")
		})
	}
}

func TestResponseContent(t *testing.T) {
	g := NewWithT(t)
	root := parseXML(t, respond(t, newProvider(t), testPending(), testApp(), testSubject()))

	g.Expect(root.SelectAttrValue("Destination", "")).To(Equal(spACS))
	g.Expect(root.SelectAttrValue("InResponseTo", "")).To(Equal("_request1"))
	g.Expect(root.SelectAttrValue("IssueInstant", "")).To(Equal("2026-04-01T09:30:15.250Z"))
	g.Expect(names(root)).To(Equal([]string{"Issuer", "Signature", "Status", "Assertion"}), "the schema's order")

	assertion := root.FindElement("./Assertion")
	g.Expect(names(assertion)).To(Equal([]string{"Issuer", "Signature", "Subject", "Conditions", "AuthnStatement", "AttributeStatement"}))
	g.Expect(assertion.FindElement("./Issuer").Text()).To(Equal(entityID))
	g.Expect(assertion.FindElement("./Subject/NameID").Text()).To(Equal("hanako@acme.example"))
	g.Expect(attributes(assertion.FindElement("./Subject/NameID"))).To(Equal(map[string]string{
		"Format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
	}))
	g.Expect(attributes(assertion.FindElement("./Subject/SubjectConfirmation/SubjectConfirmationData"))).To(Equal(map[string]string{
		"InResponseTo": "_request1", "NotOnOrAfter": "2026-04-01T09:35:15.250Z", "Recipient": spACS,
	}), "no Address, no NotBefore")
	g.Expect(attributes(assertion.FindElement("./Conditions"))).To(Equal(map[string]string{
		"NotBefore": "2026-04-01T09:29:15.250Z", "NotOnOrAfter": "2026-04-01T09:35:15.250Z",
	}))
	g.Expect(assertion.FindElement("./Conditions/AudienceRestriction/Audience").Text()).To(Equal(spEntity))
	g.Expect(attributes(assertion.FindElement("./AuthnStatement"))).To(Equal(map[string]string{
		"AuthnInstant": "2026-04-01T09:30:12.250Z", "SessionIndex": "s-1", "SessionNotOnOrAfter": "2026-04-01T17:30:15.250Z",
	}))
	g.Expect(assertion.FindElement("./AuthnStatement/AuthnContext/AuthnContextClassRef").Text()).To(Equal(saml.ClassPasswordProtectedTransport))
	g.Expect(attributeValues(assertion)).To(Equal(map[string][]string{
		"mail": {"hanako@acme.example"}, "urn:oid:2.5.4.4": {"山田"}, "groups": {"営業部", "R&D <Tokyo>"}, "staff": {"A-17"}, "plan": {"gold"},
	}))
	formats := map[string]string{}
	for _, a := range assertion.FindElements("./AttributeStatement/Attribute") {
		formats[a.SelectAttrValue("Name", "")] = a.SelectAttrValue("NameFormat", "")
	}
	g.Expect(formats).To(HaveKeyWithValue("mail", "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"))
	g.Expect(formats).To(HaveKeyWithValue("urn:oid:2.5.4.4", "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"))
	g.Expect(formats).To(HaveKeyWithValue("groups", "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"))
}

func names(parent *etree.Element) []string {
	var found []string
	for _, child := range parent.ChildElements() {
		found = append(found, child.Tag)
	}
	return found
}

func attributes(e *etree.Element) map[string]string {
	found := map[string]string{}
	for _, a := range e.Attr {
		found[a.FullKey()] = a.Value
	}
	return found
}

func attributeValues(assertion *etree.Element) map[string][]string {
	found := map[string][]string{}
	for _, a := range assertion.FindElements("./AttributeStatement/Attribute") {
		name := a.SelectAttrValue("Name", "")
		for _, value := range a.ChildElements() {
			found[name] = append(found[name], value.Text())
		}
	}
	return found
}

// TestSigningModes: exactly the parts that the mode names are signed.
func TestSigningModes(t *testing.T) {
	cases := map[directory.SigningMode]struct{ response, assertion bool }{
		directory.SignResponseAndAssertion: {true, true},
		directory.SignResponse:             {true, false},
		directory.SignAssertion:            {false, true},
		"":                                 {true, true},
	}
	for mode, want := range cases {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			app := testApp()
			app.SAML.Signing = mode
			root := parseXML(t, respond(t, newProvider(t), testPending(), app, testSubject()))
			g.Expect(root.FindElement("./Signature") != nil).To(Equal(want.response))
			g.Expect(root.FindElement("./Assertion/Signature") != nil).To(Equal(want.assertion))
		})
	}
}

func TestIdPInitiated(t *testing.T) {
	g := NewWithT(t)
	provider, app := newProvider(t), testApp()
	pending := provider.IdPInitiated(prepared(t, app), "/deep?link=1")
	g.Expect(*pending).To(Equal(saml.Pending{EntityID: spEntity, ACSURL: spACS, RelayState: "/deep?link=1"}))
	response := respond(t, provider, pending, app, testSubject())
	g.Expect(string(response)).NotTo(ContainSubstring("InResponseTo"))
	g.Expect(parseXML(t, response).SelectAttrValue("Destination", "")).To(Equal(spACS))
}

func TestNameIDFromAttribute(t *testing.T) {
	g := NewWithT(t)
	app := testApp()
	app.SAML.NameIDFormat, app.SAML.NameIDAttribute = directory.NameIDPersistent, "staffNumber"
	nameID := parseXML(t, respond(t, newProvider(t), testPending(), app, testSubject())).FindElement("./Assertion/Subject/NameID")
	g.Expect(nameID.Text()).To(Equal("A-17"))
	g.Expect(nameID.SelectAttrValue("Format", "")).To(Equal("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"))

	subject := testSubject()
	subject.Member.Attributes = nil
	_, err := newProvider(t).Respond(testPending(), prepared(t, app), subject, testAuthentication())
	g.Expect(err).To(MatchError(directory.ErrNoNameID))
}

// TestNameIDIsNeverShortened: dropping a character would name somebody else.
func TestNameIDIsNeverShortened(t *testing.T) {
	for _, mail := range []string{"han\x00ako@acme.example", "hanako@acme.example\ufffe", "hanako\xff@acme.example", ""} {
		subject := testSubject()
		subject.Member.Mail = mail
		_, err := newProvider(t).Respond(testPending(), prepared(t, testApp()), subject, testAuthentication())
		NewWithT(t).Expect(err).To(MatchError(saml.ErrNameIDCharacters))
	}
}

func TestForbiddenCharactersInAttributesAreReplaced(t *testing.T) {
	g := NewWithT(t)
	subject := testSubject()
	subject.Member.Person.Family = "a\x00b\x1bc\xffd\uffffe\U0001F600"
	assertion := parseXML(t, respond(t, newProvider(t), testPending(), testApp(), subject)).FindElement("./Assertion")
	g.Expect(attributeValues(assertion)["urn:oid:2.5.4.4"]).To(Equal([]string{"a\ufffdb\ufffdc\ufffdd\ufffde\U0001F600"}))
}

func TestAttributesOfOneNameAreMerged(t *testing.T) {
	g := NewWithT(t)
	app := testApp()
	app.SAML.Attributes = []directory.AttributeMapping{
		{Name: "tag", NameFormat: "basic", Values: []string{"one"}}, {Name: "mail", Field: directory.FieldMail},
		{Name: "tag", NameFormat: "basic", Values: []string{"two", "three"}}, {Name: "phone", Field: directory.FieldPhone},
	}
	assertion := parseXML(t, respond(t, newProvider(t), testPending(), app, testSubject())).FindElement("./Assertion")
	g.Expect(assertion.FindElements("./AttributeStatement/Attribute")).To(HaveLen(2), "and none without a value")
	g.Expect(attributeValues(assertion)).To(Equal(map[string][]string{"tag": {"one", "two", "three"}, "mail": {"hanako@acme.example"}}))
	g.Expect(assertion.FindElements("./AttributeStatement/Attribute")[1].SelectAttr("NameFormat")).To(BeNil())

	app.SAML.Attributes = nil
	g.Expect(string(respond(t, newProvider(t), testPending(), app, testSubject()))).NotTo(ContainSubstring("AttributeStatement"))
}

func TestContextClass(t *testing.T) {
	g := NewWithT(t)
	pending, authn := testPending(), testAuthentication()
	pending.ContextClass = saml.ClassPassword
	class := func() string {
		response, err := newProvider(t).Respond(pending, prepared(t, testApp()), testSubject(), authn)
		g.Expect(err).NotTo(HaveOccurred())
		return parseXML(t, response.Document).FindElement(".//AuthnContextClassRef").Text()
	}
	g.Expect(class()).To(Equal(saml.ClassPassword), "what was asked for")
	authn.ContextClass = "urn:example:mfa"
	g.Expect(class()).To(Equal("urn:example:mfa"), "what the caller says it was")
	authn = saml.Authentication{At: clock}
	pending.ContextClass = ""
	g.Expect(class()).To(Equal(saml.ClassPasswordProtectedTransport))
}

func TestRespondRefuses(t *testing.T) {
	other := testPending()
	other.SubjectNameID = "taro@acme.example"
	cases := map[string]struct {
		pending *saml.Pending
		app     func(*directory.App)
		answer  bool
	}{
		"address removed meanwhile":   {testPending(), func(a *directory.App) { a.SAML.AssertionConsumerServices = a.SAML.AssertionConsumerServices[:1] }, false},
		"entity changed meanwhile":    {testPending(), func(a *directory.App) { a.SAML.EntityID = "https://other.example" }, false},
		"somebody else was asked for": {other, func(*directory.App) {}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			app := testApp()
			c.app(&app)
			_, err := newProvider(t).Respond(c.pending, prepared(t, app), testSubject(), testAuthentication())
			var refused *saml.RequestError
			g.Expect(errors.As(err, &refused)).To(BeTrue())
			g.Expect(refused.Pending != nil).To(Equal(c.answer))
			if c.answer {
				g.Expect(refused.SubStatus).To(Equal(saml.StatusUnknownPrincipal))
			}
		})
	}
	t.Run("not a SAML app", func(t *testing.T) {
		_, err := saml.NewServiceProvider(directory.App{Name: "link"})
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("not a SAML app")))
	})
}

func TestRespondToWhomTheRequestNamed(t *testing.T) {
	g := NewWithT(t)
	pending := testPending()
	pending.SubjectNameID = "Hanako@ACME.example"
	respond(t, newProvider(t), pending, testApp(), testSubject())

	app := testApp()
	app.SAML.NameIDFormat, app.SAML.NameIDAttribute = directory.NameIDUnspecified, "staffNumber"
	pending.SubjectNameID = "A-17"
	respond(t, newProvider(t), pending, app, testSubject())
	pending.SubjectNameID = "a-17"
	_, err := newProvider(t).Respond(pending, prepared(t, app), testSubject(), testAuthentication())
	g.Expect(err).To(HaveOccurred(), "an attribute's case counts")
}

func TestRefuse(t *testing.T) {
	g := NewWithT(t)
	response, err := newProvider(t).Refuse(testPending(), prepared(t, testApp()), saml.StatusResponder, "", "")
	g.Expect(err).NotTo(HaveOccurred())
	root := parseXML(t, response)
	g.Expect(names(root)).To(Equal([]string{"Issuer", "Signature", "Status"}))
	g.Expect(names(root.FindElement("./Status"))).To(Equal([]string{"StatusCode"}))
	g.Expect(root.FindElement("./Status/StatusCode").ChildElements()).To(BeEmpty())
}

func TestRandomnessFails(t *testing.T) {
	g := NewWithT(t)
	broken := errors.New("no entropy")
	provider := newProvider(t, func(o *saml.ProviderOptions) { o.Random = iotest.ErrReader(broken) })
	_, err := provider.Respond(testPending(), prepared(t, testApp()), testSubject(), testAuthentication())
	g.Expect(err).To(MatchError(broken))
	_, err = provider.Refuse(testPending(), prepared(t, testApp()), saml.StatusResponder, "", "")
	g.Expect(err).To(MatchError(broken))
}

func TestIDsDiffer(t *testing.T) {
	g := NewWithT(t)
	provider := newProvider(t, func(o *saml.ProviderOptions) { o.Random, o.Now = nil, nil })
	seen := map[string]bool{}
	for range 20 {
		root := parseXML(t, respond(t, provider, testPending(), testApp(), testSubject()))
		for _, e := range []*etree.Element{root, root.FindElement("./Assertion")} {
			id := e.SelectAttrValue("ID", "")
			g.Expect(id).To(MatchRegexp(`^_[0-9a-f]{32}$`))
			g.Expect(seen).NotTo(HaveKey(id))
			seen[id] = true
		}
		issued, err := time.Parse(time.RFC3339, root.SelectAttrValue("IssueInstant", ""))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(issued).To(BeTemporally("~", time.Now(), time.Minute))
	}
}

func TestNewProviderRefuses(t *testing.T) {
	cases := map[string]func(*saml.ProviderOptions){
		"entity ID":   func(o *saml.ProviderOptions) { o.EntityID = "" },
		"sign-on URL": func(o *saml.ProviderOptions) { o.SingleSignOnURL = "" },
		"not PEM":     func(o *saml.ProviderOptions) { o.KeyPair.Certificate = []byte("hello") },
		"no key":      func(o *saml.ProviderOptions) { o.KeyPair.PrivateKey = nil },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			options := saml.ProviderOptions{EntityID: entityID, SingleSignOnURL: ssoURL, SingleLogoutURL: sloURL, KeyPair: testKeyPair(t)}
			change(&options)
			_, err := saml.NewProvider(options)
			NewWithT(t).Expect(err).To(HaveOccurred())
		})
	}
}

func TestExpiredCertificateStillSigns(t *testing.T) {
	provider := newProvider(t, func(o *saml.ProviderOptions) {
		o.Now = func() time.Time { return time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC) }
	})
	respond(t, provider, testPending(), testApp(), testSubject())
}

// TestPendingSurvivesJSON: it waits in the flow's JSON for the log-in.
func TestPendingSurvivesJSON(t *testing.T) {
	g := NewWithT(t)
	pending := testPending()
	pending.RelayState = strings.Join(nasty, " ")
	body, err := json.Marshal(pending)
	g.Expect(err).NotTo(HaveOccurred())
	var back saml.Pending
	g.Expect(json.Unmarshal(body, &back)).To(Succeed())
	g.Expect(&back).To(Equal(pending))
}
