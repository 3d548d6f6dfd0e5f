/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/keypair"
)

// logInTo opens a protected page and logs in for it.
func (m *mellon) logInTo(browser *formclient.Client, path string) map[string]string {
	m.t.Helper()
	return m.arrived(m.relay(browser, m.logIn(browser, m.visit(browser, m.URL+path))))
}

// expectMember expects the page that was asked for, and the whole member.
func (m *mellon) expectMember(got map[string]string, nameID string) {
	m.t.Helper()
	m.Expect(got).To(HaveKeyWithValue("REQUEST_URI", deepLink))
	m.Expect(got).To(HaveKeyWithValue("NAME_ID", nameID))
	m.Expect(got).To(HaveKeyWithValue("IDP", m.IdP))
	// Mellon passes values on as they stand in the XML.
	m.Expect(html.UnescapeString(got["displayName"])).To(Equal(shownName))
	m.Expect(got).To(HaveKeyWithValue("employeeNumber", employee))
	m.Expect([]string{got["groups_0"], got["groups_1"]}).To(ConsistOf("営業部", "東京"))
	m.Expect(got).To(HaveKeyWithValue("permission", "viewer"))
	m.Expect(got).To(HaveKeyWithValue("urn_example_environment", "production"))
}

// postOnly makes mellon send its requests by HTTP-POST, which it does only to
// an IdP that takes nothing else.
func postOnly(metadata string) string {
	before, rest, _ := strings.Cut(metadata, `<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"`)
	_, after, _ := strings.Cut(rest, "</md:SingleSignOnService>")
	return before + after
}

func TestMellonLogsIn(t *testing.T) {
	signed := func(app *directory.App) { app.SAML.Requests.Signed = true }
	mode := func(mode directory.SigningMode) func(*directory.App) {
		return func(app *directory.App) { app.SAML.Signing = mode }
	}
	named := func(format directory.NameIDFormat) func(*directory.App) {
		return func(app *directory.App) {
			app.SAML.NameIDFormat, app.SAML.NameIDAttribute = format, "employeeNumber"
		}
	}
	hash := func(hash directory.Hash) func(*directory.App) {
		return func(app *directory.App) { app.SAML.Hash = hash }
	}
	encrypted := func(algorithm directory.Encryption) func(*directory.App) {
		return func(app *directory.App) { app.SAML.Encryption = algorithm }
	}
	for name, c := range map[string]struct {
		options mellonOptions
		change  func(*directory.App)
		nameID  string
	}{
		"answered with SHA-512":         {change: hash(directory.SHA512)},
		"AES-256-GCM":                   {change: encrypted(directory.AES256GCM)},
		"AES-128-GCM":                   {change: encrypted(directory.AES128GCM)},
		"AES-256-CBC":                   {change: encrypted(directory.AES256CBC)},
		"AES-128-CBC":                   {change: encrypted(directory.AES128CBC)},
		"by Redirect":                   {},
		"by POST":                       {options: mellonOptions{IdPMetadata: postOnly}},
		"signed, by Redirect":           {options: mellonOptions{SignRequests: true}, change: signed},
		"signed, by POST":               {options: mellonOptions{SignRequests: true, IdPMetadata: postOnly}, change: signed},
		"signed with SHA-512":           {options: mellonOptions{SignRequests: true, Directives: "MellonSignatureMethod rsa-sha512"}, change: signed},
		"signed, though nobody asks":    {options: mellonOptions{SignRequests: true}},
		"response alone signed":         {change: mode(directory.SignResponse)},
		"assertion alone signed":        {change: mode(directory.SignAssertion)},
		"persistent":                    {options: mellonOptions{NameIDFormat: directory.NameIDPersistent.URI()}, change: named(directory.NameIDPersistent), nameID: employee},
		"transient":                     {options: mellonOptions{NameIDFormat: directory.NameIDTransient.URI()}, change: named(directory.NameIDTransient), nameID: employee},
		"unspecified":                   {options: mellonOptions{NameIDFormat: directory.NameIDUnspecified.URI()}, change: named(directory.NameIDUnspecified), nameID: employee},
		"with the log-in that it wants": {options: mellonOptions{Directives: "MellonAuthnContextClassRef urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := newMellon(w, c.options, c.change)
			if c.nameID == "" {
				c.nameID = mail
			}
			browser := formclient.New()
			m.expectMember(m.logInTo(browser, deepLink), c.nameID)

			// Once more without its own cookie: the IdP's session is enough.
			again := formclient.New()
			idp, err := url.Parse(w.url)
			w.Expect(err).NotTo(HaveOccurred())
			again.HTTP.Jar.SetCookies(idp, browser.HTTP.Jar.Cookies(idp))
			m.expectMember(m.arrived(m.relay(again, m.visit(again, m.URL+deepLink))), c.nameID)
		})
	}
}

// TestMellonKnowsMembersByPseudonyms: the persistent one stays, the transient
// one is new each time; neither says who it is.
func TestMellonKnowsMembersByPseudonyms(t *testing.T) {
	for format, same := range map[directory.NameIDFormat]bool{directory.NameIDPersistent: true, directory.NameIDTransient: false} {
		t.Run(string(format), func(t *testing.T) {
			w := newWorld(t)
			m := newMellon(w, mellonOptions{NameIDFormat: format.URI()}, func(app *directory.App) { app.SAML.NameIDFormat = format })
			first := m.logInTo(formclient.New(), deepLink)["NAME_ID"]
			second := m.logInTo(formclient.New(), deepLink)["NAME_ID"]
			w.Expect(len(first)).To(BeNumerically(">=", 16))
			w.Expect(first).NotTo(Or(ContainSubstring("yamada"), ContainSubstring(employee)))
			w.Expect(first == second).To(Equal(same))
		})
	}
}

// TestMellonWritesItsOwnMetadata: with an entity ID and endpoints of its own choice.
func TestMellonWritesItsOwnMetadata(t *testing.T) {
	w := newWorld(t)
	m := newMellon(w, mellonOptions{OwnMetadata: true}, func(app *directory.App) {
		app.SAML.NameIDFormat, app.SAML.NameIDAttribute = directory.NameIDTransient, "employeeNumber"
	})
	m.expectMember(m.logInTo(formclient.New(), deepLink), employee)
}

// TestUnsignedOrForeignRequestsOfMellonAreRefused: here, before anybody logs in.
func TestUnsignedOrForeignRequestsOfMellonAreRefused(t *testing.T) {
	required := func(app *directory.App) { app.SAML.Requests.Signed = true }
	foreign := func(app *directory.App) {
		app.SAML.Certificates[0].PEM = string(mustGenerate(keypair.RSA2048).Certificate)
	}
	unknown := func(app *directory.App) { app.SAML.Certificates = nil }
	sha1 := mellonOptions{SignRequests: true, Directives: "MellonSignatureMethod rsa-sha1"}
	for name, c := range map[string]struct {
		options mellonOptions
		change  func(*directory.App)
	}{
		"unsigned":                  {change: required},
		"another's key":             {options: mellonOptions{SignRequests: true}, change: foreign},
		"no key known, though sent": {options: mellonOptions{SignRequests: true}, change: unknown},
		"SHA-1":                     {options: sha1, change: required},
	} {
		for binding, edit := range map[string]func(string) string{"redirect": nil, "post": postOnly} {
			t.Run(name+", by "+binding, func(t *testing.T) {
				w := newWorld(t)
				c.options.IdPMetadata = edit
				m := newMellon(w, c.options, c.change)
				page := m.visit(formclient.New(), m.URL+deepLink)
				w.Expect(page.Status).To(Equal(http.StatusBadRequest), page.Text())
				w.Expect(page.URL.String()).To(HavePrefix(endpoints.SingleSignOn(w.url, tenant)))
				_, err := page.FormWith("password")
				w.Expect(err).To(MatchError(formclient.ErrNoForm))
			})
		}
	}
}

// TestMellonAsksPassively: without a session the answer is NoPassive, with one a log-in.
func TestMellonAsksPassively(t *testing.T) {
	w := newWorld(t)
	m := newMellon(w, mellonOptions{}, nil)
	passive := m.URL + "/mellon/login?IsPassive=true&ReturnTo=" + url.QueryEscape(m.URL+deepLink)
	browser := formclient.New()
	page := m.relay(browser, m.visit(browser, passive))
	m.refused(page, http.StatusUnauthorized, "urn:oasis:names:tc:SAML:2.0:status:NoPassive")

	page, err := browser.Get(t.Context(), w.url+"/login")
	w.Expect(err).NotTo(HaveOccurred())
	w.logIn(browser, page)
	m.expectMember(m.arrived(m.relay(browser, m.visit(browser, passive))), mail)
}

// TestMellonAsksForAnotherLogIn: one that the IdP does not offer.
func TestMellonAsksForAnotherLogIn(t *testing.T) {
	w := newWorld(t)
	m := newMellon(w, mellonOptions{Directives: "MellonAuthnContextClassRef urn:oasis:names:tc:SAML:2.0:ac:classes:Kerberos"}, nil)
	browser := formclient.New()
	page := m.relay(browser, m.visit(browser, m.URL+deepLink))
	m.refused(page, http.StatusUnauthorized, "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext")
}

// TestMellonTakesALogInThatStartsHere: RelayState leads to the page.
func TestMellonTakesALogInThatStartsHere(t *testing.T) {
	w := newWorld(t)
	m := newMellon(w, mellonOptions{}, func(app *directory.App) { app.SAML.Flow = directory.FlowIdPInitiated })
	browser := formclient.New()
	start := endpoints.IdPInitiated(w.url, tenant, m.app.Name) + "?RelayState=" + url.QueryEscape(m.URL+deepLink)
	m.expectMember(m.arrived(m.relay(browser, m.logIn(browser, m.visit(browser, start)))), mail)
}
