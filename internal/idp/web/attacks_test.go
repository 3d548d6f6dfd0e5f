/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crewjam/saml"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// authnRequest is the app's request for an answer to the address.
func (p *logoutPeer) authnRequest(acs string) string {
	return fmt.Sprintf(`<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_theirs" `+
		`Version="2.0" IssueInstant="%s" Destination="%s/saml/acme/sso" AssertionConsumerServiceURL="%s"><saml:Issuer>%s</saml:Issuer></samlp:AuthnRequest>`,
		p.world.clock.Now().UTC().Format(time.RFC3339), p.world.server.URL, acs, p.entityID())
}

// asks is the address that brings a request of somebody by the Redirect binding, signed by the app.
func (p *logoutPeer) asks(document string) string {
	return strings.Replace(p.query("SAMLRequest", document, "state"), "/saml/acme/slo?", "/saml/acme/sso?", 1)
}

func withoutSignature(target string) string { return target[:strings.Index(target, "&SigAlg=")] }

// TestAppsCannotSpeakForEachOther: neither by another's key nor to another's address.
func TestAppsCannotSpeakForEachOther(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPRedirect, directory.BindingHTTPRedirect)
	const chatACS = "https://chat.example.com/acs"
	chat.publish(func(a *directory.App) { a.SAML.AssertionConsumerServices[0].URL = chatACS })
	good := wiki.asks(wiki.authnRequest(spACS))
	for name, c := range map[string]struct{ target, want string }{
		"another app's key":             {chat.asks(wiki.authnRequest(spACS)), "none of the known certificates"},
		"another app's address":         {wiki.asks(wiki.authnRequest(chatACS)), "not registered"},
		"another app's, not signed":     {withoutSignature(wiki.asks(wiki.authnRequest(chatACS))), "not registered"},
		"another app's name and answer": {wiki.asks(chat.authnRequest(chatACS)), "none of the known certificates"},
	} {
		t.Run(name, func(t *testing.T) {
			g, refused := NewWithT(t), b.get(c.target)
			g.Expect(refused.status).To(Equal(http.StatusBadRequest))
			g.Expect(refused.text()).To(ContainSubstring(c.want))
			g.Expect(refused.body).NotTo(ContainSubstring("SAMLResponse"))
		})
	}
	w.Expect(b.get(good).response().InResponseTo).To(Equal("_theirs"))
	w.Expect(b.get(withoutSignature(good)).response().InResponseTo).To(Equal("_theirs"))
	wiki.publish(func(a *directory.App) { a.SAML.Requests.Signed = true })
	w.Expect(b.get(withoutSignature(good)).text()).To(ContainSubstring("not signed"))
}

// TestTwoAppsWithOneAddress: an assertion is for the app that asked, whoever shares its address.
func TestTwoAppsWithOneAddress(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPRedirect, directory.BindingHTTPRedirect)
	for _, app := range []*logoutPeer{wiki, chat} {
		assertion := b.get(app.asks(app.authnRequest(spACS))).response().Assertion
		w.Expect(assertion.Conditions.AudienceRestrictions).To(HaveLen(1))
		w.Expect(assertion.Conditions.AudienceRestrictions[0].Audience.Value).To(Equal(app.entityID()))
	}
}

// TestReplayedRequest: whoever brings a request again gets no more than a fresh
// answer about themselves, to the registered address.
func TestReplayedRequest(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b, stranger := w.browser(), w.browser()
	b.logIn(hanako, goodPassword)
	id, target := sp.request("", nil)
	first := b.get(target)
	sp.accept(first, id)
	second := b.get(target)
	sp.accept(second, id)
	w.Expect(second.response().Assertion.ID).NotTo(Equal(first.response().Assertion.ID))
	w.Expect(stranger.get(target).path()).To(Equal("/login"), "it carries nobody's log-in")
	w.clock.advance(6 * time.Minute)
	w.Expect(b.get(target).text()).To(ContainSubstring("too old"))
}

// TestRelayStatePassesThroughThePage: back to the app as it came, and of no effect here.
func TestRelayStatePassesThroughThePage(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	b.logIn(hanako, goodPassword)
	for _, state := range []string{
		`"><script>alert(1)</script>`, "https://evil.example/", "//evil.example", "javascript:alert(1)", "a\r\nSet-Cookie: x=y\r\n\r\n<html>", "営業 é \u202e",
		strings.Repeat("s", 1024), strings.Repeat("s", 4096), "a+b%20c&RelayState=x",
	} {
		_, target := sp.request(state, nil)
		posted := b.get(target)
		w.Expect(posted.status).To(Equal(http.StatusOK))
		// A browser's form sends line breaks as CRLF, whatever its page has.
		got := strings.ReplaceAll(strings.ReplaceAll(posted.form(spACS).Get("RelayState"), "\r\n", "\n"), "\n", "\r\n")
		w.Expect(got).To(Equal(state))
		w.Expect(posted.header).NotTo(Or(HaveKey("Location"), HaveKey("Refresh")))
		w.Expect(posted.header.Values("Set-Cookie")).NotTo(ContainElement(HavePrefix("x=")))
		w.Expect(posted.body).NotTo(Or(ContainSubstring("<script>alert"), ContainSubstring(`href="javascript`), ContainSubstring(`href="https://evil`)))
	}
	_, target := sp.request(strings.Repeat("s", 100<<10), nil)
	w.Expect(b.get(target).text()).To(ContainSubstring("longer than 4096 bytes"))
}

// TestTenantsDoNotMix: what one tenant issued means nothing at the endpoints of
// another, not even where that has an app of the same entity ID and key.
func TestTenantsDoNotMix(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPRedirect, directory.BindingHTTPRedirect)
	key, err := sharedKey()
	w.Expect(err).NotTo(HaveOccurred())
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: "other"}, Tenant: &admin.Tenant{SigningKey: key,
		Tenant: directory.Tenant{Slug: "other", DisplayName: "Other", TimeZone: "UTC", Language: "en", Plan: directory.PlanPlus}}})
	elsewhere := func(text string) string { return strings.ReplaceAll(text, "/saml/acme/", "/saml/other/") }
	index := wiki.open(b)
	ask := elsewhere(wiki.asks(elsewhere(wiki.authnRequest(spACS))))
	end := elsewhere(wiki.query("SAMLRequest", elsewhere(wiki.requestXML("_theirs", sessionIndex(index))), ""))

	w.Expect(b.get(ask).text()).To(ContainSubstring("No app of Other"))
	w.Expect(b.get(end).text()).To(ContainSubstring("No app of Other"))
	w.Expect(b.get("/saml/other/apps/wiki").status).To(Equal(http.StatusNotFound))

	twin := samlApp(func(a *directory.App) {
		a.Tenant, a.URL = "other", ""
		a.SAML.EntityID, a.SAML.Certificates = wiki.entityID(), []directory.ServiceProviderCertificate{{PEM: wiki.pem}}
		a.SAML.SingleLogoutServices = []directory.SingleLogoutService{{Binding: wiki.binding, URL: wiki.slo()}}
	})
	twin.Key.Tenant = "other"
	w.apply(twin)
	w.Expect(b.get(ask).status).To(Equal(http.StatusForbidden), "a session of another tenant")
	w.Expect(b.get(elsewhere(wiki.asks(wiki.authnRequest(spACS)))).text()).To(ContainSubstring("another address"))
	w.Expect(wiki.answered(b.get(end), "_theirs", "")).To(Equal([]string{saml.StatusRequester, saml.StatusUnknownPrincipal}))
	w.Expect(b.get("/").path()).To(Equal("/"), "still logged in")

	chat.open(b)
	hop := b.get("/").submit("/logout")
	answer := elsewhere(wiki.query("SAMLResponse", elsewhere(wiki.responseXML(chat.told(hop), saml.StatusSuccess)), ""))
	w.Expect(b.get(answer).text()).To(ContainSubstring("no request that waits"))
}
