/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
)

func withPairwiseKey(o *saml.ProviderOptions) { o.PairwiseKey = bytes.Repeat([]byte{9}, 32) }

func pairwiseApp() directory.App {
	app := testApp()
	app.SAML.NameIDFormat = directory.NameIDPersistent
	return app
}

// nameID responds, and checks that the caller is told what the document says.
func nameID(t *testing.T, provider *saml.Provider, app directory.App, subject directory.Subject) saml.NameID {
	t.Helper()
	g := NewWithT(t)
	pending := testPending()
	pending.EntityID = app.SAML.EntityID
	response, err := provider.Respond(pending, prepared(t, app), subject, testAuthentication())
	g.Expect(err).NotTo(HaveOccurred())
	e := parseXML(t, response.Document).FindElement("./Assertion/Subject/NameID")
	g.Expect(response.NameID).To(Equal(saml.NameID{
		Value: e.Text(), Format: e.SelectAttrValue("Format", ""),
		NameQualifier: e.SelectAttrValue("NameQualifier", ""), SPNameQualifier: e.SelectAttrValue("SPNameQualifier", ""),
	}))
	return response.NameID
}

// TestPairwiseNameID pins a value: it must be the same in every later version.
func TestPairwiseNameID(t *testing.T) {
	g := NewWithT(t)
	got := nameID(t, newProvider(t, withPairwiseKey), pairwiseApp(), testSubject())
	g.Expect(got).To(Equal(saml.NameID{
		Value:         "5c64n45rh2p6yc4zdubzdmt72mpv7h7g3f7fkj5ehcfyytyjirbq",
		Format:        "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
		NameQualifier: entityID, SPNameQualifier: spEntity,
	}))
	same := func(change func(*directory.App, *directory.Subject, *saml.ProviderOptions)) bool {
		app, subject := pairwiseApp(), testSubject()
		var options saml.ProviderOptions
		withPairwiseKey(&options)
		change(&app, &subject, &options)
		provider := newProvider(t, func(o *saml.ProviderOptions) {
			o.PairwiseKey = options.PairwiseKey
			if options.KeyPair.Certificate != nil {
				o.KeyPair = options.KeyPair
			}
		})
		return nameID(t, provider, app, subject).Value == got.Value
	}
	g.Expect(same(func(a *directory.App, s *directory.Subject, o *saml.ProviderOptions) {
		o.KeyPair, _ = newKey(t, "ECDSAP256")
		s.Member.Mail, s.Member.Name = "new@acme.example", "new"
		a.Name, a.DisplayName, a.SAML.Issuer = "renamed", "Renamed", "urn:other"
	})).To(BeTrue(), "over new keys, names and issuers")
	g.Expect(same(func(a *directory.App, _ *directory.Subject, _ *saml.ProviderOptions) {
		a.SAML.EntityID = "https://other.example"
	})).To(BeFalse())
	g.Expect(same(func(_ *directory.App, s *directory.Subject, _ *saml.ProviderOptions) { s.ID = "another" })).To(BeFalse())
	g.Expect(same(func(_ *directory.App, _ *directory.Subject, o *saml.ProviderOptions) {
		o.PairwiseKey = []byte("another")
	})).To(BeFalse())

	_, err := newProvider(t).Respond(testPending(), prepared(t, pairwiseApp()), testSubject(), testAuthentication())
	g.Expect(err).To(MatchError(ContainSubstring("no key for pairwise")), "never without a key")
}

func TestTransientNameID(t *testing.T) {
	g := NewWithT(t)
	provider, app := newProvider(t), testApp()
	app.SAML.NameIDFormat = directory.NameIDTransient
	first, second := nameID(t, provider, app, testSubject()), nameID(t, provider, app, testSubject())
	g.Expect(first.Value).To(MatchRegexp(`^_[0-9a-f]{32}$`))
	g.Expect(second.Value).NotTo(Equal(first.Value))
	g.Expect(first.Format).To(Equal("urn:oasis:names:tc:SAML:2.0:nameid-format:transient"))
	g.Expect(first.NameQualifier + first.SPNameQualifier).To(BeEmpty())

	app.SAML.NameIDAttribute = "staffNumber"
	g.Expect(nameID(t, provider, app, testSubject()).Value).To(Equal("A-17"))
}

func TestNameQualifiers(t *testing.T) {
	g := NewWithT(t)
	provider, app := newProvider(t, withPairwiseKey), pairwiseApp()
	app.SAML.NameIDAttribute = "staffNumber"
	got := nameID(t, provider, app, testSubject())
	g.Expect(got.NameQualifier+got.SPNameQualifier).To(BeEmpty(), "none that nobody asked for")

	app.SAML.NameQualifier, app.SAML.SPNameQualifier = "https://acme.slack.example", "https://slack.example"
	for _, attribute := range []string{"staffNumber", ""} {
		app.SAML.NameIDAttribute = attribute
		got = nameID(t, provider, app, testSubject())
		g.Expect([]string{got.NameQualifier, got.SPNameQualifier}).To(Equal([]string{"https://acme.slack.example", "https://slack.example"}))
	}
	policy := func(qualifier string) error {
		message, err := saml.DecodePost(postForm(requestXML(end, `<samlp:NameIDPolicy SPNameQualifier="`+qualifier+`"/>`+end)))
		g.Expect(err).NotTo(HaveOccurred())
		_, err = provider.Validate(message, prepared(t, app))
		return err
	}
	g.Expect(policy("https://slack.example")).To(Succeed())
	g.Expect(policy(spEntity)).To(Succeed())
	g.Expect(policy("https://other.example")).NotTo(Succeed())
}

// TestRequestForAPairwiseSubject: a service provider may ask for whom it knows.
func TestRequestForAPairwiseSubject(t *testing.T) {
	g := NewWithT(t)
	provider, app := newProvider(t, withPairwiseKey), pairwiseApp()
	pending := testPending()
	pending.SubjectNameID = nameID(t, provider, app, testSubject()).Value
	respond(t, provider, pending, app, testSubject())
	stranger := testSubject()
	stranger.ID = "another"
	_, err := provider.Respond(pending, prepared(t, app), stranger, testAuthentication())
	g.Expect(err).To(HaveOccurred())
}

// TestIssuerOfTheApp: everything that goes to the app comes from it.
func TestIssuerOfTheApp(t *testing.T) {
	g := NewWithT(t)
	const own = "http://acme.example/adfs/services/trust/"
	provider, app := newProvider(t, withPairwiseKey), pairwiseApp()
	app.SAML.Issuer = own
	document := respond(t, provider, testPending(), app, testSubject())
	root := parseXML(t, document)
	g.Expect(root.FindElement("./Issuer").Text()).To(Equal(own))
	g.Expect(root.FindElement("./Assertion/Issuer").Text()).To(Equal(own))
	g.Expect(root.FindElement("./Assertion/Subject/NameID").SelectAttrValue("NameQualifier", "")).To(Equal(own))
	g.Expect(verify(t, document, testCertificate(t))).To(Succeed())
	g.Expect(parseXML(t, refused(t, provider, testPending(), app)).FindElement("./Issuer").Text()).To(Equal(own))
	g.Expect(provider.EntityID()).To(Equal(entityID))
	g.Expect(provider.Metadata()).NotTo(ContainSubstring(own))
	message, err := saml.DecodePost(postForm(requestXML()))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = provider.Validate(message, prepared(t, app))
	g.Expect(err).NotTo(HaveOccurred(), "requests come to the tenant's address all the same")
}

func TestDefaultRelayState(t *testing.T) {
	g := NewWithT(t)
	provider, app := newProvider(t), testApp()
	app.SAML.DefaultRelayState = "https://sp.example.com/home"
	g.Expect(provider.IdPInitiated(prepared(t, app), "").RelayState).To(Equal("https://sp.example.com/home"))
	g.Expect(provider.IdPInitiated(prepared(t, app), "/deep").RelayState).To(Equal("/deep"))
	form := postForm(requestXML())
	message, err := saml.DecodePost(form)
	g.Expect(err).NotTo(HaveOccurred())
	pending, err := provider.Validate(message, prepared(t, app))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pending.RelayState).To(BeEmpty(), "a request gets back what it sent")
}
