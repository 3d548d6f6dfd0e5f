/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crewjam/saml"
	. "github.com/onsi/gomega"
	dsig "github.com/russellhaering/goxmldsig"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

const partialLogout = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout"

var success = []string{saml.StatusSuccess}

// stay shows redirects instead of following them: apps are not really there.
func (b *browser) stay() *browser {
	b.client.CheckRedirect = func(request *http.Request, _ []*http.Request) error {
		if request.URL.Host == strings.TrimPrefix(b.world.server.URL, "http://") {
			return nil
		}
		return http.ErrUseLastResponse
	}
	return b
}

// logoutWorld is a member, logged in, and two apps with one binding each.
func logoutWorld(t *testing.T, first, second directory.Binding) (w *world, b *browser, wiki, chat *logoutPeer) {
	w = newWorld(t)
	w.addMember("hanako")
	wiki, chat = w.logoutPeer("wiki", first), w.logoutPeer("chat", second)
	wiki.publish(nil)
	chat.publish(nil)
	b = w.browser().stay()
	w.Expect(b.logIn(hanako, goodPassword).path()).To(Equal("/"))
	return w, b, wiki, chat
}

var bothBindings = []directory.Binding{directory.BindingHTTPRedirect, directory.BindingHTTPPOST}

func TestLogOutFromThePortal(t *testing.T) {
	for _, first := range bothBindings {
		for _, second := range bothBindings {
			t.Run(string(first)+" "+string(second), func(t *testing.T) {
				w, b, wiki, chat := logoutWorld(t, first, second)
				w.Expect(chat.open(b)).NotTo(Equal(wiki.open(b)), "apps that compare what they know of the session learn nothing")
				w.Expect(wiki.index).To(Equal(wiki.open(b)), "one session, one index")
				hop := b.get("/").submit("/logout")
				w.Expect(hop.status).To(Equal(http.StatusOK))
				w.Expect(hop.text()).To(ContainSubstring("You are logged out here. App chat is being told."))
				w.Expect(hop.header.Values("Set-Cookie")).To(BeEmpty())
				w.Expect(b.get("/").path()).To(Equal("/login"), "the session here ended first")

				if second == directory.BindingHTTPPOST {
					w.Expect(hop.header.Get("Content-Security-Policy")).To(ContainSubstring("form-action 'self' https://chat.example.com;"))
				}
				hop = chat.confirm(b, hop)
				done := wiki.confirm(b, hop)
				w.Expect(done.path()).To(HavePrefix("/logout/"))
				w.Expect(done.text()).To(And(ContainSubstring("of every app that you opened"), ContainSubstring("App chat Logged out App wiki Logged out"), ContainSubstring("Log in again")))
				w.Expect(w.audits()[:3]).To(Equal([]string{admin.SingleLogoutSucceeded, admin.SingleLogoutSucceeded, admin.LoggedOut}))
				w.Expect(w.counted("tegata_idp_saml_logouts_total", "succeeded")).To(Equal(1.0))
			})
		}
	}
}

func TestLogOutSaysWhatFailed(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPRedirect, directory.BindingHTTPRedirect)
	silent, mute := w.logoutPeer("mail", directory.BindingHTTPRedirect), w.logoutPeer("files", directory.BindingHTTPRedirect)
	silent.publish(nil)
	mute.publish(func(a *directory.App) { a.SAML.SingleLogoutServices = nil })
	wiki.open(b)
	chat.open(b)
	silent.open(b)
	mute.open(b)

	hop := b.get("/").submit("/logout")
	overview := "/logout/" + strings.Split(hop.url.Path, "/")[2]
	hop = chat.send(b, "SAMLResponse", chat.responseXML(chat.told(hop), saml.StatusResponder), "")
	late := silent.told(hop)
	shown := b.get(overview)
	w.Expect(shown.text()).To(And(ContainSubstring("App chat Could not log you out"), ContainSubstring("App files Cannot be logged out of from here"),
		ContainSubstring("App mail Has not answered yet"), ContainSubstring("App wiki Not told yet")))
	w.Expect(shown.body).To(ContainSubstring(`href="` + overview + `/next"`))
	w.Expect(b.get("/login").body).To(ContainSubstring(`href="`+overview+`"`), "the way back, where an app keeps the browser")

	done := wiki.confirm(b, b.get(overview+"/next"))
	w.Expect(done.text()).To(And(ContainSubstring("but not of every app"), ContainSubstring("App mail Has not answered App wiki Logged out")))
	w.Expect(w.counted("tegata_idp_saml_logouts_total", "partial")).To(Equal(1.0))
	w.Expect(w.audits()[:5]).To(Equal([]string{admin.SingleLogoutSucceeded, admin.SingleLogoutFailed, admin.SingleLogoutFailed, admin.SingleLogoutFailed, admin.LoggedOut}))

	w.Expect(b.get("/login").body).NotTo(ContainSubstring("/logout/"))
	answer := silent.query("SAMLResponse", silent.responseXML(late, saml.StatusSuccess), "")
	w.Expect(b.get(answer).text()).To(ContainSubstring("App mail Logged out"), "a late answer counts")
	w.Expect(b.get(answer).status).To(Equal(http.StatusBadRequest), "once")
	w.Expect(b.get("/logout/unknown").status).To(Equal(http.StatusNotFound))
	w.Expect(b.get("/login?flow=" + strings.TrimPrefix(overview, "/logout/")).text()).To(ContainSubstring("Log in and open the app again"))
}

func TestLogOutByAnApp(t *testing.T) {
	for _, first := range bothBindings {
		for _, second := range bothBindings {
			t.Run(string(first)+" "+string(second), func(t *testing.T) {
				w, b, wiki, chat := logoutWorld(t, first, second)
				index := wiki.open(b)
				chat.open(b)
				sender := b
				if first == directory.BindingHTTPPOST {
					sender = w.browser().stay() // a cross-site POST carries no cookie
				}
				const relayState = `https://evil.example/?a=1&b="é"`
				hop := wiki.send(sender, "SAMLRequest", wiki.requestXML("_theirs", sessionIndex(index)), relayState)
				cookies := strings.Join(hop.header.Values("Set-Cookie"), "\n")
				w.Expect(strings.Contains(cookies, "tegata-session=;")).To(Equal(first == directory.BindingHTTPRedirect), "the session's cookie goes where it came")
				w.Expect(cookies).NotTo(ContainSubstring("tegata-csrf"), "a post from elsewhere comes without the one that the browser has")
				w.Expect(b.get("/").path()).To(Equal("/login"), "the session here ended first")
				back := chat.confirm(b, hop)
				w.Expect(wiki.answered(back, "_theirs", relayState)).To(Equal(success))
				w.Expect(back.text()).NotTo(ContainSubstring("evil.example"))
				w.Expect(w.audits()[:2]).To(Equal([]string{admin.SingleLogoutSucceeded, admin.LoggedOut}))
			})
		}
	}
}

func TestLogOutByAnAppInPart(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPRedirect, directory.BindingHTTPRedirect)
	index := wiki.open(b)
	request := wiki.requestXML("_theirs", sessionIndex(index))
	w.Expect(wiki.answered(wiki.send(b, "SAMLRequest", request, "x"), "_theirs", "x")).To(Equal(success), "alone: answered at once")

	b.logIn(hanako, goodPassword)
	index = wiki.open(b)
	chat.open(b)
	hop := wiki.send(b, "SAMLRequest", wiki.requestXML("_second", sessionIndex(index)), "")
	back := chat.send(b, "SAMLResponse", chat.responseXML(chat.told(hop), saml.StatusResponder), "")
	w.Expect(wiki.answered(back, "_second", "")).To(Equal([]string{saml.StatusSuccess, partialLogout}))
	entries, err := w.store.SearchAudit(t.Context(), admin.AuditQuery{})
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(entries[0].Detail).To(HaveSuffix("its status is Responder"))

	b.logIn(hanako, goodPassword)
	index = wiki.open(b)
	chat.open(b)
	chat.publish(func(a *directory.App) { a.SAML.SingleLogoutServices = nil })
	back = wiki.send(b, "SAMLRequest", wiki.requestXML("_third", sessionIndex(index)), "")
	w.Expect(wiki.answered(back, "_third", "")).To(Equal([]string{saml.StatusSuccess, partialLogout}), "an app that cannot be told is not logged out")
}

func TestRefusedLogoutRequests(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPRedirect, directory.BindingHTTPRedirect)
	index := wiki.open(b)
	good := wiki.requestXML("_theirs", sessionIndex(index))
	unknown := []string{saml.StatusRequester, saml.StatusUnknownPrincipal}
	stranger := w.browser().stay()
	for name, c := range map[string]struct {
		browser *browser
		from    *logoutPeer
		xml     string
	}{
		"wrong NameID":               {b, wiki, strings.Replace(good, hanako, "taro@acme.example", 1)},
		"wrong SessionIndex":         {b, wiki, wiki.requestXML("_theirs", sessionIndex("other"))},
		"another app's session":      {b, chat, chat.requestXML("_theirs", sessionIndex(index))},
		"another app's, no index":    {b, chat, chat.requestXML("_theirs", "")},
		"no index, another browser":  {stranger, wiki, wiki.requestXML("_theirs", "")},
		"another member's, by index": {stranger, wiki, strings.Replace(good, hanako, "taro@acme.example", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			w.Expect(c.from.answered(c.from.send(c.browser, "SAMLRequest", c.xml, "state"), "_theirs", "state")).To(Equal(unknown))
			w.Expect(w.audits()[0]).To(Equal(admin.SingleLogoutFailed))
		})
	}
	old := strings.Replace(good, w.clock.Now().UTC().Format(time.RFC3339), w.clock.Now().Add(-time.Hour).UTC().Format(time.RFC3339), 1)
	w.Expect(wiki.answered(wiki.send(b, "SAMLRequest", old, ""), "_theirs", "")).To(Equal([]string{saml.StatusRequester}))
	elsewhere := strings.Replace(good, "/saml/acme/slo", "/saml/other/slo", 1)
	w.Expect(wiki.answered(wiki.send(b, "SAMLRequest", elsewhere, ""), "_theirs", "")).To(Equal([]string{saml.StatusRequester}))

	signed := wiki.query("SAMLRequest", good, "state")
	for name, c := range map[string]struct{ target, text string }{
		"unsigned":        {signed[:strings.Index(signed, "&SigAlg")], "not signed"},
		"another's key":   {chat.query("SAMLRequest", good, "state"), "none of the known certificates"},
		"another state":   {strings.Replace(signed, "RelayState=state", "RelayState=x", 1), "none of the known certificates"},
		"unknown issuer":  {wiki.query("SAMLRequest", strings.Replace(good, wiki.entityID(), "https://evil.example/<b>", 1), ""), "not well-formed"},
		"no such app":     {wiki.query("SAMLRequest", strings.Replace(good, wiki.entityID(), "https://evil.example/x", 1), ""), "No app of Acme"},
		"nothing":         {"/saml/acme/slo", "missing or empty"},
		"no request":      {wiki.query("SAMLResponse", wiki.responseXML("_nothing", saml.StatusSuccess), ""), "no request that waits"},
		"another flow":    {wiki.query("SAMLResponse", wiki.responseXML("nothing", saml.StatusSuccess), ""), "no request that waits"},
		"an AuthnRequest": {wiki.query("SAMLRequest", strings.ReplaceAll(good, "LogoutRequest", "AuthnRequest"), ""), "not a SAML 2.0 LogoutRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			refused := b.get(c.target)
			w.Expect(refused.status).To(Equal(http.StatusBadRequest))
			w.Expect(refused.text()).To(ContainSubstring(c.text))
			w.Expect(refused.header).NotTo(Or(HaveKey("Location"), HaveKey("Refresh")))
		})
	}
	w.Expect(b.get("/saml/none/slo").status).To(Equal(http.StatusNotFound))
	wiki.publish(func(a *directory.App) { a.SAML.SingleLogoutServices = nil })
	w.Expect(b.get(signed).text()).To(ContainSubstring("no address for log-out"))
	wiki.publish(nil)
	w.Expect(b.get("/").path()).To(Equal("/"), "nobody was logged out")
	head, err := http.NewRequest(http.MethodHead, b.resolve(signed), nil)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(b.do(head).status).To(Equal(http.StatusOK))
	w.Expect(b.get("/").path()).To(Equal("/"), "HEAD logs nobody out")

	w.Expect(wiki.answered(b.get(signed), "_theirs", "state")).To(Equal(success))
	w.Expect(b.get("/").path()).To(Equal("/login"))
	w.Expect(wiki.answered(b.get(signed), "_theirs", "state")).To(Equal(unknown), "a replay does nothing")
	b.logIn(hanako, goodPassword)
	wiki.open(b)
	w.Expect(wiki.answered(b.get(signed), "_theirs", "state")).To(Equal(unknown), "nor in the next session")
	w.Expect(b.get("/").path()).To(Equal("/"))
}

// TestForeignAnswers: an app can answer for itself only.
func TestForeignAnswers(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPRedirect, directory.BindingHTTPRedirect)
	wiki.open(b)
	chat.open(b)
	hop := b.get("/").submit("/logout")
	id := chat.told(hop)
	w.Expect(wiki.send(b, "SAMLResponse", wiki.responseXML(id, saml.StatusSuccess), "").status).To(Equal(http.StatusBadRequest), "another app's")
	forged := wiki.query("SAMLResponse", chat.responseXML(id, saml.StatusSuccess), "")
	hop = b.get(forged)
	index2 := wiki.told(hop)
	w.Expect(b.get("/logout/" + w.flowOf(hop)).text()).To(ContainSubstring("App chat Could not log you out"))
	unsigned := wiki.query("SAMLResponse", wiki.responseXML(index2, saml.StatusSuccess), "")
	done := b.get(unsigned[:strings.Index(unsigned, "&SigAlg")])
	w.Expect(done.text()).To(ContainSubstring("App wiki Logged out"), "apps that do not sign are believed by the request's ID")
}

// flowOf is the flow that a page on the way to an app belongs to.
func (w *world) flowOf(hop *page) string {
	_, after, found := strings.Cut(hop.body, `href="/logout/`)
	w.Expect(found).To(BeTrue())
	flow, _, _ := strings.Cut(after, `"`)
	return flow
}

// TestCrewjamLogsOut: an independent service provider by HTTP-POST, which names no session.
func TestCrewjamLogsOut(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPPOST, directory.BindingHTTPRedirect)
	wiki.open(b)
	chat.open(b)
	sp := w.serviceProvider()
	w.Expect(sp.GetSLOBindingLocation(saml.HTTPPostBinding)).To(Equal(wiki.idp()))
	w.Expect(sp.GetSLOBindingLocation(saml.HTTPRedirectBinding)).To(Equal(wiki.idp()))
	slo, err := url.Parse(wiki.slo())
	w.Expect(err).NotTo(HaveOccurred())
	sp.EntityID, sp.SloURL, sp.Key, sp.SignatureMethod = wiki.entityID(), *slo, wiki.key, dsig.RSASHA256SignatureMethod
	sp.Certificate = wiki.parsedCertificate()
	request, err := sp.MakePostLogoutRequest(hanako, "state")
	w.Expect(err).NotTo(HaveOccurred())
	form := b.show(request).form(wiki.idp())

	stranger := w.browser()
	stranger.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	stored := stranger.post("/saml/acme/slo", form)
	w.Expect(stored.status).To(Equal(http.StatusSeeOther))
	w.Expect(stored.header.Values("Set-Cookie")).To(BeEmpty())
	w.Expect(b.get("/").path()).To(Equal("/"), "only the cookie tells whose")

	back := chat.confirm(b, b.get(stored.header.Get("Location")))
	answer := back.form(wiki.slo())
	w.Expect(answer.Get("RelayState")).To(Equal("state"))
	w.Expect(sp.ValidateLogoutResponseForm(answer.Get("SAMLResponse"))).To(Succeed())
	raw, err := base64.StdEncoding.DecodeString(answer.Get("SAMLResponse"))
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(string(raw)).To(ContainSubstring(saml.StatusSuccess))
	w.Expect(b.get("/").path()).To(Equal("/login"))
	w.Expect(b.get(stored.header.Get("Location")).status).To(Equal(http.StatusNotFound), "once")
}

// TestAnotherLogInKeepsTheApps: ForceAuthn makes a new session in the same browser.
func TestAnotherLogInKeepsTheApps(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPRedirect, directory.BindingHTTPRedirect)
	chat.open(b)
	wiki.open(b)
	sp := w.serviceProvider()
	yes := true
	w.clock.advance(time.Minute)
	_, target := sp.request("", func(r *saml.AuthnRequest) { r.ForceAuthn = &yes })
	before := wiki.index
	wiki.index = b.get(target).submit("/login", "password", goodPassword).response().Assertion.AuthnStatements[0].SessionIndex
	w.Expect(wiki.index).NotTo(Equal(before))
	hop := chat.confirm(b, b.get("/").submit("/logout"))
	w.Expect(wiki.confirm(b, hop).text()).To(ContainSubstring("App chat Logged out App wiki Logged out"))
}

func TestAppGoneDuringLogOut(t *testing.T) {
	w, b, wiki, chat := logoutWorld(t, directory.BindingHTTPRedirect, directory.BindingHTTPRedirect)
	index := wiki.open(b)
	chat.open(b)
	hop := wiki.send(b, "SAMLRequest", wiki.requestXML("_theirs", sessionIndex(index)), "")
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindSAMLApp, Tenant: tenantSlug, Name: "wiki"}})
	done := chat.confirm(b, hop)
	w.Expect(done.text()).To(And(ContainSubstring("You are logged out here"), ContainSubstring("App chat Logged out")))
	w.Expect(done.language()).To(Equal("en"))
	w.Expect(b.get(done.url.Path + "?lang=ja").text()).To(ContainSubstring("ログアウト済み"))
}
