/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crewjam/saml"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// serviceProvider is the wiki, by an independent implementation of SAML.
type serviceProvider struct {
	saml.ServiceProvider
	world *world
}

// serviceProvider reads the tenant's metadata, as an administrator would.
func (w *world) serviceProvider() *serviceProvider {
	w.t.Helper()
	before := saml.TimeNow
	saml.TimeNow = w.clock.Now
	w.t.Cleanup(func() { saml.TimeNow = before })
	answer := w.browser().get("/saml/acme/metadata")
	w.Expect(answer.header.Get("Content-Type")).To(Equal("application/samlmetadata+xml"))
	metadata := &saml.EntityDescriptor{}
	w.Expect(xml.Unmarshal([]byte(answer.body), metadata)).To(Succeed())
	w.Expect(metadata.EntityID).To(Equal(w.server.URL + "/saml/acme/metadata"))
	acs, err := url.Parse(spACS)
	w.Expect(err).NotTo(HaveOccurred())
	return &serviceProvider{world: w, ServiceProvider: saml.ServiceProvider{
		EntityID: spEntityID, AcsURL: *acs, IDPMetadata: metadata, AuthnNameIDFormat: saml.EmailAddressNameIDFormat}}
}

// request makes a request and the address that sends it by the Redirect binding.
func (sp *serviceProvider) request(relayState string, edit func(*saml.AuthnRequest)) (id, target string) {
	sp.world.t.Helper()
	request, err := sp.MakeAuthenticationRequest(sp.GetSSOBindingLocation(saml.HTTPRedirectBinding), saml.HTTPRedirectBinding, saml.HTTPPostBinding)
	sp.world.Expect(err).NotTo(HaveOccurred())
	if edit != nil {
		edit(request)
	}
	// crewjam/saml does not escape it.
	u, err := request.Redirect(url.QueryEscape(relayState), &sp.ServiceProvider)
	sp.world.Expect(err).NotTo(HaveOccurred())
	return request.ID, u.String()
}

// response is what a page posts to the SP.
func (p *page) response() *saml.Response {
	p.browser.world.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(p.form(spACS).Get("SAMLResponse"))
	p.browser.world.Expect(err).NotTo(HaveOccurred())
	response := &saml.Response{}
	p.browser.world.Expect(xml.Unmarshal(raw, response)).To(Succeed())
	return response
}

// accept has the SP verify what the page posts.
func (sp *serviceProvider) accept(p *page, ids ...string) *saml.Assertion {
	sp.world.t.Helper()
	form := p.form(spACS)
	request := httptest.NewRequest(http.MethodPost, spACS, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sp.world.Expect(request.ParseForm()).To(Succeed())
	assertion, err := sp.ParseResponse(request, ids)
	var invalid *saml.InvalidResponseError
	if errors.As(err, &invalid) {
		err = invalid.PrivateErr
	}
	sp.world.Expect(err).NotTo(HaveOccurred())
	return assertion
}

func newSAMLWorld(t *testing.T) (*world, *serviceProvider) {
	w := newWorld(t)
	w.addMember("hanako")
	w.apply(samlApp(nil))
	return w, w.serviceProvider()
}

func TestSingleSignOnByRedirect(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	const relayState = `/page?a=1&b=<"é">`
	id, target := sp.request(relayState, nil)
	login := b.get(target)
	w.Expect(login.path()).To(Equal("/login"))
	w.Expect(login.text()).To(ContainSubstring("to go on to Wiki (Acme 株式会社)"))
	w.Expect(login.submit("/login", "mail", hanako, "password", "wrong-Password-1").status).To(Equal(http.StatusUnauthorized))

	w.clock.advance(20 * time.Minute)
	posted := login.submit("/login", "mail", hanako, "password", goodPassword)
	w.Expect(posted.form(spACS).Get("RelayState")).To(Equal(relayState))
	assertion := sp.accept(posted, id)
	w.Expect(assertion.Subject.NameID.Value).To(Equal(hanako))
	policy := posted.header.Get("Content-Security-Policy")
	w.Expect(policy).To(And(ContainSubstring("form-action https:"), ContainSubstring("script-src 'nonce-"), ContainSubstring("frame-ancestors 'none'")))
	w.Expect(posted.header.Get("Cache-Control")).To(Equal("no-store"))

	id, target = sp.request("", nil)
	again := b.get(target)
	w.Expect(sp.accept(again, id).Subject.NameID.Value).To(Equal(hanako), "a session answers at once")
	w.Expect(w.audits()[:2]).To(Equal([]string{admin.SSOSucceeded, admin.SSOSucceeded}))
	w.Expect(w.counted("tegata_idp_saml_responses_total", "succeeded")).To(Equal(2.0))
}

func TestSingleSignOnByPost(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	b.logIn(hanako, goodPassword)
	request, err := sp.MakeAuthenticationRequest(sp.GetSSOBindingLocation(saml.HTTPPostBinding), saml.HTTPPostBinding, saml.HTTPPostBinding)
	w.Expect(err).NotTo(HaveOccurred())
	form := b.show(request.Post("state")).form(w.server.URL + "/saml/acme/sso")

	// A cross-site POST carries no Lax cookie; the GET after the 303 does.
	stranger := w.browser()
	stranger.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	stored := stranger.post("/saml/acme/sso", form)
	w.Expect(stored.status).To(Equal(http.StatusSeeOther))
	w.Expect(stored.header.Values("Set-Cookie")).To(BeEmpty())
	posted := b.get(stored.header.Get("Location"))
	w.Expect(sp.accept(posted, request.ID).Subject.NameID.Value).To(Equal(hanako))
	w.Expect(posted.form(spACS).Get("RelayState")).To(Equal("state"))
	w.Expect(b.get(stored.header.Get("Location")).path()).To(Equal("/"), "a flow is answered once")
}

func TestFlowExpires(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	_, target := sp.request("", nil)
	login := b.get(target)
	w.clock.advance(31 * time.Minute)
	w.Expect(b.get(login.url.RequestURI()).text()).To(ContainSubstring("more than 30 minutes"))
	w.Expect(login.submit("/login", "mail", hanako, "password", goodPassword).path()).To(Equal("/"))
}

func TestForceAuthnAndPassive(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	yes := true
	passive := func(r *saml.AuthnRequest) { r.IsPassive = &yes }
	force := func(r *saml.AuthnRequest) { r.ForceAuthn = &yes }

	_, target := sp.request("", passive)
	refused := b.get(target).response()
	w.Expect(refused.Status.StatusCode.StatusCode.Value).To(Equal(saml.StatusNoPassive))

	b.logIn(hanako, goodPassword)
	id, target := sp.request("", passive)
	sp.accept(b.get(target), id)

	w.clock.advance(time.Minute)
	id, target = sp.request("", force)
	login := b.get(target)
	w.Expect(login.form("/login").Get("mail")).To(Equal(hanako))
	w.Expect(b.get(login.url.RequestURI()).path()).To(Equal("/login"), "the session does not do")
	sp.accept(login.submit("/login", "password", goodPassword), id)

	_, target = sp.request("", func(r *saml.AuthnRequest) { force(r); passive(r) })
	w.clock.advance(time.Second)
	w.Expect(b.get(target).response().Status.StatusCode.StatusCode.Value).To(Equal(saml.StatusNoPassive))
}

func TestIdPInitiated(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.Expect(b.get("/saml/acme/apps/wiki").header.Get("Location")).To(Equal("https://wiki.example.com/"), "an app that asks for itself is sent to")
	b.client.CheckRedirect = nil

	w.apply(samlApp(func(a *directory.App) { a.SAML.Flow, a.URL = directory.FlowIdPInitiated, "" }))
	sp.AllowIDPInitiated = true
	login := b.get("/saml/acme/apps/wiki?RelayState=%2Fstart")
	w.Expect(login.path()).To(Equal("/login"))
	posted := login.submit("/login", "mail", hanako, "password", goodPassword)
	w.Expect(sp.accept(posted).Subject.NameID.Value).To(Equal(hanako))
	w.Expect(posted.form(spACS).Get("RelayState")).To(Equal("/start"))
	w.Expect(b.get("/").body).To(ContainSubstring(`href="/saml/acme/apps/wiki"`))
	w.Expect(b.get("/saml/acme/apps/none").status).To(Equal(http.StatusNotFound))
}

func TestRefusedRequests(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	edited := func(edit func(*saml.AuthnRequest)) string {
		_, target := sp.request("", edit)
		return target
	}
	for name, c := range map[string]struct {
		target, text string
		status       int
	}{
		"foreign ACS": {edited(func(r *saml.AuthnRequest) { r.AssertionConsumerServiceURL = "https://evil.example/acs" }), "not registered", http.StatusBadRequest},
		"unknown issuer": {edited(func(r *saml.AuthnRequest) { r.Issuer.Value = `https://x/<script>alert(1)</script>` }),
			"https://x/<script>alert(1)</script>", http.StatusBadRequest},
		"old":            {edited(func(r *saml.AuthnRequest) { r.IssueInstant = w.clock.Now().Add(-time.Hour) }), "too old", http.StatusBadRequest},
		"garbage":        {"/saml/acme/sso?SAMLRequest=garbage", "cannot be answered", http.StatusBadRequest},
		"nothing":        {"/saml/acme/sso", "cannot be answered", http.StatusBadRequest},
		"unknown tenant": {"/saml/none/sso?SAMLRequest=garbage", "Page not found", http.StatusNotFound},
		"broken tenant":  {"/saml/%00%ff/sso", "Page not found", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			answer := b.get(c.target)
			w.Expect(answer.status).To(Equal(c.status))
			w.Expect(answer.text()).To(ContainSubstring(c.text))
			w.Expect(answer.body).NotTo(Or(ContainSubstring("<script>"), ContainSubstring("evil.example")))
		})
	}
	status := b.get(edited(func(r *saml.AuthnRequest) { r.ProtocolBinding = saml.HTTPArtifactBinding })).response().Status
	w.Expect(status.StatusCode.StatusCode.Value).To(Equal(saml.StatusUnsupportedBinding), "what belongs to the SP goes there")
	w.Expect(b.post("/saml/acme/sso", url.Values{"SAMLRequest": {strings.Repeat("A", 3<<20)}}).status).To(Equal(http.StatusRequestEntityTooLarge))
	w.Expect(w.audits()).To(ContainElement(admin.SSOFailed))
}

// TestAuditLogHasTheAddressOfARefusedRequest: an administrator compares it with
// the app's, character by character, and the page must not repeat it.
func TestAuditLogHasTheAddressOfARefusedRequest(t *testing.T) {
	w, sp := newSAMLWorld(t)
	for _, c := range []struct {
		edit func(*saml.AuthnRequest)
		want string
	}{
		{func(r *saml.AuthnRequest) { r.AssertionConsumerServiceURL = spACS + "/" }, "not registered for the app. It is " + spACS + "/"},
		{func(r *saml.AuthnRequest) { r.AssertionConsumerServiceURL, r.AssertionConsumerServiceIndex = "", "7" }, "It is index 7"},
		{func(r *saml.AuthnRequest) { r.Destination = "https://other.example/sso" }, "than this one. It is https://other.example/sso"},
	} {
		_, target := sp.request("", c.edit)
		_, query, _ := strings.Cut(target, "?") // the request may name another place than it is sent to
		w.Expect(w.browser().get("/saml/acme/sso?" + query).text()).To(ContainSubstring("The audit log has it."))
		entries, err := w.store.SearchAudit(t.Context(), admin.AuditQuery{})
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(entries[0].Detail).To(HaveSuffix(c.want))
	}
}

func TestRefusedMembers(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	b.logIn(hanako, goodPassword)
	answer := func() *page {
		_, target := sp.request("", nil)
		return b.get(target)
	}
	w.apply(samlApp(func(a *directory.App) { a.Restricted = true }))
	forbidden := answer()
	w.Expect(forbidden.status).To(Equal(http.StatusForbidden))
	w.Expect(forbidden.text()).To(And(ContainSubstring("Wiki"), ContainSubstring("administrator of Acme 株式会社")))
	w.Expect(w.audits()[0]).To(Equal(admin.SSOFailed))
	w.Expect(b.get("/").text()).NotTo(ContainSubstring("Wiki"))
	// No page is allowed then, not even one that explains.
	deniedPassively := func() {
		yes := true
		_, target := sp.request("", func(r *saml.AuthnRequest) { r.IsPassive = &yes })
		status := b.get(target).response().Status.StatusCode
		w.Expect(status.Value).To(Equal(saml.StatusResponder))
		w.Expect(status.StatusCode.Value).To(Equal(saml.StatusRequestDenied))
	}
	deniedPassively()

	w.apply(samlApp(func(a *directory.App) {
		a.SAML.NameIDFormat, a.SAML.NameIDAttribute = directory.NameIDUnspecified, "employee"
	}))
	sp.AuthnNameIDFormat = saml.UnspecifiedNameIDFormat
	nameless := answer()
	w.Expect(nameless.status).To(Equal(http.StatusForbidden))
	w.Expect(nameless.text()).To(ContainSubstring("identifies people by an entry that your account does not have"))
	deniedPassively()
	w.apply(member("hanako", func(m *admin.Member) { m.Attributes = map[string]string{"employee": "E-7"} }))
	w.Expect(answer().response().Assertion.Subject.NameID.Value).To(Equal("E-7"))

	w.apply(member("hanako", func(m *admin.Member) { m.Suspended = true }))
	w.Expect(answer().path()).To(Equal("/login"), "a suspended member gets no new SSO")
}

func TestAppRemovedWhileLoggingIn(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	_, target := sp.request("", nil)
	login := b.get(target)
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindSAMLApp, Tenant: tenantSlug, Name: "wiki"}})
	gone := login.submit("/login", "mail", hanako, "password", goodPassword)
	w.Expect(gone.status).To(Equal(http.StatusNotFound))
	w.Expect(gone.text()).To(ContainSubstring("The app is gone"))
}

func TestSessionOfAnotherTenant(t *testing.T) {
	w, sp := newSAMLWorld(t)
	key, err := sharedKey()
	w.Expect(err).NotTo(HaveOccurred())
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: "other"}, Tenant: &admin.Tenant{SigningKey: key,
		Tenant: directory.Tenant{Slug: "other", DisplayName: "Other", TimeZone: "UTC", Language: "en", Plan: directory.PlanPlus}}})
	outsider := member("jiro", func(m *admin.Member) { m.Tenant, m.Mail = "other", "jiro@other.example" })
	outsider.Key.Tenant = "other"
	w.apply(outsider)
	link := "/password/" + w.linkToken()
	b := w.browser()
	b.get(link).submit(link, "password", goodPassword, "confirmation", goodPassword)
	b.logIn("jiro@other.example", goodPassword)

	id, target := sp.request("", nil)
	told := b.get(target)
	w.Expect(told.status).To(Equal(http.StatusForbidden))
	w.Expect(told.text()).To(And(ContainSubstring("jiro@other.example"), ContainSubstring("Wiki belongs to Acme 株式会社")))
	login := told.submit("/logout", "flow", told.input("flow"))
	w.Expect(login.path()).To(Equal("/login"))

	_, foreign := sp.request("", func(r *saml.AuthnRequest) { r.AssertionConsumerServiceURL = "https://evil.example/acs" })
	failed := func() admin.AuditEntry {
		w.Expect(b.get(foreign).status).To(Equal(http.StatusBadRequest))
		entries, err := w.store.SearchAudit(t.Context(), admin.AuditQuery{Action: admin.SSOFailed, Limit: 1})
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(entries[0].Tenant).To(Equal(tenantSlug))
		return entries[0]
	}
	b.logIn("jiro@other.example", goodPassword)
	w.Expect(failed().Mail+failed().Member+failed().MemberName).To(BeEmpty(), "a tenant learns nothing of another one's members")
	b.get("/").submit("/logout")
	sp.accept(b.get(target).submit("/login", "mail", hanako, "password", goodPassword), id)
	w.Expect(failed().Mail).To(Equal(hanako))
}

func TestTemporaryPasswordThenApp(t *testing.T) {
	w := newWorld(t)
	w.giveTemporaryPassword()
	sp := w.serviceProvider()
	b := w.browser()
	id, target := sp.request("state", nil)
	change := b.get(target).submit("/login", "mail", hanako, "password", temporaryPassword)
	posted := change.submit("/login/password", "password", goodPassword, "confirmation", goodPassword)
	w.Expect(sp.accept(posted, id).Subject.NameID.Value).To(Equal(hanako))
	w.Expect(posted.form(spACS).Get("RelayState")).To(Equal("state"))
}
