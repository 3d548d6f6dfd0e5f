/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"encoding/xml"
	"net/url"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/idp/saml"
)

// serviceProvider is an independent one that knows us by our metadata alone.
func serviceProvider(t *testing.T, provider *saml.Provider) *crewjam.ServiceProvider {
	t.Helper()
	g := NewWithT(t)
	metadata := &crewjam.EntityDescriptor{}
	g.Expect(xml.Unmarshal(metadataOf(t, provider), metadata)).To(Succeed())
	acs, err := url.Parse(spACS)
	g.Expect(err).NotTo(HaveOccurred())
	return &crewjam.ServiceProvider{EntityID: spEntity, AcsURL: *acs, IDPMetadata: metadata}
}

// realTime: the other side reads the machine's clock.
func realTime(o *saml.ProviderOptions) { o.Now, o.Random = nil, nil }

func TestServiceProviderAcceptsResponses(t *testing.T) {
	provider := newProvider(t, realTime)
	sp := serviceProvider(t, provider)
	for _, mode := range signingModes {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			app := testApp()
			app.SAML.Signing = mode
			authn := saml.Authentication{At: time.Now(), SessionIndex: "s-1"}

			response, err := provider.Respond(testPending(), prepared(t, app), testSubject(), authn)
			g.Expect(err).NotTo(HaveOccurred())
			assertion, err := sp.ParseXMLResponse(response.Document, []string{"_request1"}, sp.AcsURL)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(assertion.Subject.NameID.Value).To(Equal("hanako@acme.example"))
			g.Expect(assertion.AuthnStatements[0].SessionIndex).To(Equal("s-1"))
			g.Expect(assertion.AttributeStatements[0].Attributes[2].Values[1].Value).To(Equal("R&D <Tokyo>"))

			_, err = sp.ParseXMLResponse(response.Document, []string{"_another"}, sp.AcsURL)
			g.Expect(err).To(HaveOccurred())

			sp.AllowIDPInitiated = true
			defer func() { sp.AllowIDPInitiated = false }()
			response, err = provider.Respond(provider.IdPInitiated(prepared(t, app), ""), prepared(t, app), testSubject(), authn)
			g.Expect(err).NotTo(HaveOccurred())
			_, err = sp.ParseXMLResponse(response.Document, nil, sp.AcsURL)
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
}

// TestServiceProviderRequests: what it sends by either binding comes to us and back.
func TestServiceProviderRequests(t *testing.T) {
	g := NewWithT(t)
	provider, app := newProvider(t, realTime), testApp()
	sp := serviceProvider(t, provider)
	g.Expect(sp.GetSSOBindingLocation(crewjam.HTTPRedirectBinding)).To(Equal(ssoURL))
	g.Expect(sp.GetSSOBindingLocation(crewjam.HTTPPostBinding)).To(Equal(ssoURL))

	sp.AuthnNameIDFormat = crewjam.EmailAddressNameIDFormat
	address, err := sp.MakeRedirectAuthenticationRequest("state-1")
	g.Expect(err).NotTo(HaveOccurred())
	message, err := saml.DecodeRedirect(address.RawQuery)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(message.RelayState).To(Equal("state-1"))
	pending, err := provider.Validate(message, prepared(t, app))
	g.Expect(err).NotTo(HaveOccurred())
	response, err := provider.Respond(pending, prepared(t, app), testSubject(), saml.Authentication{At: time.Now()})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = sp.ParseXMLResponse(response.Document, []string{message.Request.ID}, sp.AcsURL)
	g.Expect(err).NotTo(HaveOccurred())

	refusal, err := provider.Refuse(pending, prepared(t, app), saml.StatusResponder, saml.StatusNoPassive, "No session.")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = sp.ParseXMLResponse(refusal, []string{message.Request.ID}, sp.AcsURL)
	g.Expect(err).To(HaveOccurred())
}
