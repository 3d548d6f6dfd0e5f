/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
)

// validate decodes a changed request and checks it against a changed app.
func validate(t *testing.T, app func(*directory.App), replace ...string) (*saml.Pending, error) {
	t.Helper()
	message, err := saml.DecodePost(postForm(requestXML(replace...)))
	if err != nil {
		t.Fatal(err)
	}
	checked := testApp()
	if app != nil {
		app(&checked)
	}
	return newProvider(t).Validate(message, prepared(t, checked))
}

func withACS(url string) []string { return []string{spACS, url} }

func withAttribute(text string) []string { return []string{" Version=", " " + text + " Version="} }

func withChild(text string) []string { return []string{end, text + end} }

func without(attribute string) []string { return []string{" " + attribute, ""} }

var withoutACS = without(`AssertionConsumerServiceURL="` + spACS + `"`)

// TestUntrustedRequestsGetNoAnswer: nothing is sent to an address that is not the app's.
func TestUntrustedRequestsGetNoAnswer(t *testing.T) {
	cases := map[string][]string{
		"unknown issuer":       {spEntity + "<", "https://evil.example<"},
		"issuer case":          {spEntity + "<", strings.ToUpper(spEntity) + "<"},
		"issuer slash":         {spEntity + "<", spEntity + "/<"},
		"wrong destination":    {ssoURL, "https://evil.example/sso"},
		"metadata destination": {ssoURL, entityID},
		"destination slash":    {ssoURL, ssoURL + "/"},
		"an hour old":          {"09:30:00Z", "08:30:00Z"},
		"an hour ahead":        {"09:30:00Z", "10:30:00Z"},
		"just too old":         {"09:30:00Z", "09:25:15.249Z"},
		"just too early":       {"09:30:00Z", "09:35:15.251Z"},
		"year 1":               {"2026-04-01", "0001-01-01"},
		"year 9999":            {"2026-04-01", "9999-12-31"},

		"other host":     withACS("https://evil.example/acs"),
		"suffix":         withACS("https://sp.example.com.evil.example/acs"),
		"user info":      withACS("https://sp.example.com@evil.example/acs"),
		"path":           withACS(spACS + "/more"),
		"parent path":    withACS("https://sp.example.com/x/../acs"),
		"query":          withACS(spACS + "?x=1"),
		"case":           withACS("https://SP.example.com/acs"),
		"prefix":         withACS("https://sp.example.com/ac"),
		"fragment":       withACS(spACS + "#x"),
		"leading space":  withACS(" " + spACS),
		"trailing space": withACS(spACS + " "),
		"line feed":      withACS(spACS + "&#10;"),
		"encoded":        withACS("https://sp.example.com/%61cs"),
		"port":           withACS("https://sp.example.com:443/acs"),
		"javascript":     withACS("javascript:alert(1)"),
		"data":           withACS("data:text/html,x"),
		"schemeless":     withACS("//sp.example.com/acs"),
		"plain http":     withACS("http://sp.example.com/acs"),

		"unknown index":            append(withAttribute(`AssertionConsumerServiceIndex="1"`), withoutACS...),
		"index of another address": withAttribute(`AssertionConsumerServiceIndex="7"`),
	}
	for name, replace := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pending, err := validate(t, nil, replace...)
			g.Expect(pending).To(BeNil())
			var refused *saml.RequestError
			g.Expect(errors.As(err, &refused)).To(BeTrue())
			g.Expect(refused.Pending).To(BeNil())
			g.Expect(refused.Message).NotTo(ContainSubstring("evil"))
		})
	}
}

// TestRefusalsThatTheServiceProviderIsTold go to the registered address.
func TestRefusalsThatTheServiceProviderIsTold(t *testing.T) {
	policy := func(format string) []string { return withChild(`<samlp:NameIDPolicy Format="` + format + `"/>`) }
	startsHere := func(a *directory.App) { a.SAML.Flow = directory.FlowIdPInitiated }
	cases := map[string]struct {
		app     func(*directory.App)
		replace []string
		want    string
	}{
		"app that starts here": {app: startsHere, want: saml.StatusRequestDenied},

		"redirect binding": {nil, withAttribute(`ProtocolBinding="` + saml.BindingHTTPRedirect + `"`), saml.StatusUnsupportedBinding},
		"artifact binding": {nil, withAttribute(`ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"`), saml.StatusUnsupportedBinding},
		"paos binding":     {nil, withAttribute(`ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:PAOS"`), saml.StatusUnsupportedBinding},

		"persistent":        {nil, policy("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"), saml.StatusInvalidNameIDPolicy},
		"encrypted":         {nil, policy("urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted"), saml.StatusInvalidNameIDPolicy},
		"unknown format":    {nil, policy("urn:example:format"), saml.StatusInvalidNameIDPolicy},
		"format suffix":     {nil, policy("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress2"), saml.StatusInvalidNameIDPolicy},
		"another qualifier": {nil, withChild(`<samlp:NameIDPolicy SPNameQualifier="https://other.example"/>`), saml.StatusInvalidNameIDPolicy},

		"unknown class":      {nil, withChild(authnContext("exact", "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI")), saml.StatusNoAuthnContext},
		"unknown minimum":    {nil, withChild(authnContext("minimum", "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI")), saml.StatusNoAuthnContext},
		"better":             {nil, withChild(authnContext("better", saml.ClassPasswordProtectedTransport)), saml.StatusNoAuthnContext},
		"unknown comparison": {nil, withChild(authnContext("worse", saml.ClassPassword)), saml.StatusNoAuthnContext},
		"no class":           {nil, withChild(`<samlp:RequestedAuthnContext><saml:AuthnContextDeclRef>x</saml:AuthnContextDeclRef></samlp:RequestedAuthnContext>`), saml.StatusNoAuthnContext},

		"subject by other means": {nil, withChild(`<saml:Subject><saml:BaseID/></saml:Subject>`), saml.StatusUnknownPrincipal},
		"subject empty":          {nil, withChild(`<saml:Subject><saml:NameID> </saml:NameID></saml:Subject>`), saml.StatusUnknownPrincipal},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pending, err := validate(t, c.app, c.replace...)
			g.Expect(pending).To(BeNil())
			var refused *saml.RequestError
			g.Expect(errors.As(err, &refused)).To(BeTrue())
			g.Expect(refused.Status).To(Equal(saml.StatusRequester))
			g.Expect(refused.SubStatus).To(Equal(c.want))
			g.Expect(refused.Pending).NotTo(BeNil())
			g.Expect(refused.Pending.ACSURL).To(Equal(spACS))
			response, err := newProvider(t).Refuse(refused.Pending, prepared(t, testApp()), refused.Status, refused.SubStatus, refused.Message)
			g.Expect(err).NotTo(HaveOccurred())
			root := parseXML(t, response)
			g.Expect(root.SelectAttrValue("InResponseTo", "")).To(Equal("_request1"))
			g.Expect(root.FindElement("./Status/StatusCode/StatusCode").SelectAttrValue("Value", "")).To(Equal(c.want))
			g.Expect(root.FindElement(".//Assertion")).To(BeNil())
		})
	}
}

func TestAcceptedRequests(t *testing.T) {
	attribute := func(a *directory.App) {
		a.SAML.NameIDFormat, a.SAML.NameIDAttribute = directory.NameIDPersistent, "staffNumber"
	}
	policy := func(format string) []string {
		return withChild(`<samlp:NameIDPolicy AllowCreate="1" Format="` + format + `"/>`)
	}
	cases := map[string]struct {
		app     func(*directory.App)
		replace []string
		change  func(*saml.Pending)
	}{
		"plain":                   {},
		"30 s ahead":              {replace: []string{"09:30:00Z", "09:30:45Z"}},
		"just in time":            {replace: []string{"09:30:00Z", "09:25:15.250Z"}},
		"no destination":          {replace: without(`Destination="` + ssoURL + `"`)},
		"no address":              {replace: withoutACS},
		"empty address":           {replace: withACS("")},
		"other address":           {replace: withACS("https://sp.example.com/acs?tenant=2&amp;lang=ja"), change: func(p *saml.Pending) { p.ACSURL = spACS2 }},
		"index":                   {replace: append(withAttribute(`AssertionConsumerServiceIndex="7"`), withoutACS...), change: func(p *saml.Pending) { p.ACSURL = spACS2 }},
		"address and its index":   {replace: withAttribute(`AssertionConsumerServiceIndex="3"`)},
		"first without a default": {app: func(a *directory.App) { a.SAML.AssertionConsumerServices[1].Default = false }, replace: withoutACS, change: func(p *saml.Pending) { p.ACSURL = spACS2 }},
		"post binding":            {replace: withAttribute(`ProtocolBinding="` + saml.BindingHTTPPost + `"`)},
		"force":                   {replace: withAttribute(`ForceAuthn="true"`), change: func(p *saml.Pending) { p.ForceAuthn = true }},
		"passive":                 {replace: withAttribute(`IsPassive="1" ForceAuthn="0"`), change: func(p *saml.Pending) { p.IsPassive = true }},
		"not passive":             {replace: withAttribute(`IsPassive="false"`)},

		"policy without format": {replace: withChild(`<samlp:NameIDPolicy AllowCreate="true"/>`)},
		"mail":                  {replace: policy("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")},
		"mail, other version":   {replace: policy("urn:oasis:names:tc:SAML:2.0:nameid-format:emailAddress")},
		"unspecified":           {replace: policy("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified")},
		"unspecified, other":    {replace: policy("urn:oasis:names:tc:SAML:2.0:nameid-format:unspecified")},
		"persistent":            {app: attribute, replace: policy("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent")},
		"persistent, other":     {app: attribute, replace: policy("urn:oasis:names:tc:SAML:1.1:nameid-format:persistent")},
		"own qualifier":         {replace: withChild(`<samlp:NameIDPolicy SPNameQualifier="` + spEntity + `"/>`)},

		"password over TLS":   {replace: withChild(authnContext("exact", saml.ClassPasswordProtectedTransport))},
		"first known class":   {replace: withChild(authnContext("exact", "urn:x", saml.ClassPassword, saml.ClassUnspecified)), change: func(p *saml.Pending) { p.ContextClass = saml.ClassPassword }},
		"at least a password": {replace: withChild(authnContext("minimum", "urn:x", saml.ClassUnspecified, saml.ClassPassword)), change: func(p *saml.Pending) { p.ContextClass = saml.ClassPassword }},
		"at least over TLS":   {replace: withChild(authnContext("minimum", saml.ClassPassword, saml.ClassPasswordProtectedTransport))},
		"at most a password":  {replace: withChild(authnContext("maximum", saml.ClassPassword)), change: func(p *saml.Pending) { p.ContextClass = saml.ClassPassword }},
		"better than nothing": {replace: withChild(authnContext("better", saml.ClassUnspecified))},

		"subject": {
			replace: withChild(`<saml:Subject><saml:NameID> taro@acme.example </saml:NameID></saml:Subject>`),
			change:  func(p *saml.Pending) { p.SubjectNameID = "taro@acme.example" },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			want := &saml.Pending{RequestID: "_request1", EntityID: spEntity, ACSURL: spACS, ContextClass: saml.ClassPasswordProtectedTransport}
			if c.change != nil {
				c.change(want)
			}
			pending, err := validate(t, c.app, c.replace...)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(pending).To(Equal(want))
		})
	}
}

// TestRefusalsOfANameIDSayWhich of the settings differs.
func TestRefusalsOfANameIDSayWhich(t *testing.T) {
	for policy, want := range map[string]string{
		`Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient"`: "which is emailAddress",
		`Format="urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted"`: "ask for encrypted assertions",
		`SPNameQualifier="https://other.example"`:                      "SPNameQualifier",
	} {
		_, err := validate(t, nil, withChild(`<samlp:NameIDPolicy `+policy+`/>`)...)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), policy)
	}
}

// TestMessageSurvivesJSON: it lives in the flow between two requests of the browser.
func TestMessageSurvivesJSON(t *testing.T) {
	g := NewWithT(t)
	form := postForm(requestXML(append(withAttribute(`AssertionConsumerServiceIndex="0" ForceAuthn="true" IsPassive="true" ProtocolBinding="x"`),
		withChild(`<samlp:NameIDPolicy Format="f" SPNameQualifier="q"/>`+authnContext("exact", "c")+`<saml:Subject><saml:NameID>n</saml:NameID></saml:Subject>`)...)...))
	form.Set("RelayState", strings.Join(nasty, ""))
	message, err := saml.DecodePost(form)
	g.Expect(err).NotTo(HaveOccurred())
	body, err := json.Marshal(message)
	g.Expect(err).NotTo(HaveOccurred())
	var back saml.Message
	g.Expect(json.Unmarshal(body, &back)).To(Succeed())
	g.Expect(&back).To(Equal(message))
	g.Expect(*back.Request.AssertionConsumerServiceIndex).To(Equal(0))
	g.Expect(back.Request.IssueInstant).To(BeTemporally("==", clock.Truncate(time.Minute)))
}

func TestAddressesByPattern(t *testing.T) {
	byPattern := func(a *directory.App) {
		a.SAML.AssertionConsumerServices = []directory.AssertionConsumerService{
			{URL: "https://sp.example.com/acs/*/v*", Pattern: true}, {URL: spACS2, Index: 1},
		}
	}
	for address, want := range map[string]bool{
		"https://sp.example.com/acs/a1/v2": true, "https://sp.example.com/acs//v": true, spACS2: true,
		"https://sp.example.com/acs/a1/x2": false, "https://sp.example.com/acs/a1/b/v2": false, "https://sp.example.com/acs/../v2": false,
		"https://sp.example.com/acs/%2e%2e/v2": false, "https://sp.example.com/acs/a/v?x": false, "https://sp.example.com/acs/a/v#x": false,
		"https://evil.example/acs/a1/v2": false, "https://sp.example.com/acs/*/v*": true, `https://sp.example.com/acs/\\evil/v2`: false,
		"https://sp.example.com/acs/.&#9;./v2": false, "https://sp.example.com/acs/.&#10;./v2": false, "https://sp.example.com/acs/a&#32;/v2": false,
		"https://sp.example.com/acs/\u202e/v2": false,
	} {
		g := NewWithT(t)
		pending, err := validate(t, byPattern, spACS+`"`, strings.ReplaceAll(address, "&lang", "&amp;lang")+`"`)
		g.Expect(err == nil).To(Equal(want), "%s: %v", address, err)
		if want {
			g.Expect(pending.ACSURL).To(Equal(address))
			app := testApp()
			byPattern(&app)
			response, err := newProvider(t).Respond(pending, prepared(t, app), testSubject(), testAuthentication())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(parseXML(t, response.Document).SelectAttrValue("Destination", "")).To(Equal(address))
		}
	}
	g := NewWithT(t)
	pending, err := validate(t, byPattern, withoutACS...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pending.ACSURL).To(Equal(spACS2), "a pattern is no address to answer to")
}
