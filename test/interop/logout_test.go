/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
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

// maxHops bounds how many pages of a log-out go on by themselves.
const maxHops = 12

// follow goes on from a page as a browser does: by what it refreshes to, and by
// the SAML messages that it posts.
func (w *world) follow(browser *formclient.Client, page *formclient.Page) *formclient.Page {
	w.t.Helper()
	for range maxHops {
		var err error
		if _, address, refreshes := strings.Cut(page.Header.Get("Refresh"), "url="); refreshes {
			page, err = browser.Get(w.t.Context(), address)
		} else if form, missing := page.FormWith("SAMLResponse"); missing == nil {
			page, err = browser.Submit(w.t.Context(), form, nil)
		} else if form, missing := page.FormWith("SAMLRequest"); missing == nil {
			page, err = browser.Submit(w.t.Context(), form, nil)
		} else {
			return page
		}
		w.Expect(err).NotTo(HaveOccurred())
	}
	w.t.Fatalf("still going on at %s", page.URL)
	return nil
}

// logOutHere presses the portal's button and follows where that leads.
func (w *world) logOutHere(browser *formclient.Client) *formclient.Page {
	w.t.Helper()
	page, err := browser.Get(w.t.Context(), w.url+"/")
	w.Expect(err).NotTo(HaveOccurred())
	for _, form := range page.Forms() {
		if form.Action.Path == "/logout" {
			page, err = browser.Submit(w.t.Context(), form, nil)
			w.Expect(err).NotTo(HaveOccurred())
			return w.follow(browser, page)
		}
	}
	w.t.Fatalf("no way to log out at %s: %s", page.URL, page.Text())
	return nil
}

// expectLoggedOut proves that neither mellon nor the IdP knows the browser.
func (m *mellon) expectLoggedOut(browser *formclient.Client) {
	m.t.Helper()
	page := m.visit(browser, m.URL+deepLink)
	_, err := page.FormWith("mail", "password")
	m.Expect(err).NotTo(HaveOccurred(), "%s: %s", page.URL, page.Text())
}

func mellonLogout(bindings ...directory.Binding) func(*directory.App) {
	return func(app *directory.App) {
		origin := strings.TrimSuffix(app.SAML.EntityID, "/mellon/metadata")
		for _, binding := range bindings {
			app.SAML.SingleLogoutServices = append(app.SAML.SingleLogoutServices,
				directory.SingleLogoutService{Binding: binding, URL: origin + "/mellon/logout"})
		}
	}
}

const after = "/secret/after?logged=out"

// TestMellonLogsOut: the log-out starts at mellon and ends the session here.
func TestMellonLogsOut(t *testing.T) {
	w := newWorld(t)
	m := newMellon(w, mellonOptions{SignRequests: true}, mellonLogout(directory.BindingHTTPRedirect))
	browser := formclient.New()
	m.expectMember(m.logInTo(browser, deepLink), mail)
	page := w.follow(browser, w.visit(browser, m.URL+"/mellon/logout?ReturnTo="+url.QueryEscape(m.URL+after)))
	// What is returned to is protected, so mellon sends the browser here again.
	_, err := page.FormWith("mail", "password")
	w.Expect(err).NotTo(HaveOccurred(), "%s: %s\n%s", page.URL, page.Text(), m.log())
	got := m.arrived(m.relay(browser, m.logIn(browser, page)))
	w.Expect(got).To(HaveKeyWithValue("REQUEST_URI", after))
}

// TestMellonIsToldOfALogOut: the member logs out here.
func TestMellonIsToldOfALogOut(t *testing.T) {
	for format, encryption := range map[directory.NameIDFormat]directory.Encryption{
		directory.NameIDEmailAddress: "", directory.NameIDPersistent: directory.AES256GCM, directory.NameIDTransient: "",
	} {
		t.Run(string(format)+" "+string(encryption), func(t *testing.T) {
			w := newWorld(t)
			m := newMellon(w, mellonOptions{NameIDFormat: format.URI()}, func(app *directory.App) {
				mellonLogout(directory.BindingHTTPRedirect)(app)
				app.SAML.NameIDFormat, app.SAML.Encryption = format, encryption
			})
			browser := formclient.New()
			m.logInTo(browser, deepLink)
			page := w.logOutHere(browser)
			w.Expect(page.Status).To(Equal(http.StatusOK), page.Text())
			w.Expect(page.URL.Path).To(HavePrefix("/logout/"))
			w.Expect(string(page.Body)).To(ContainSubstring("state-succeeded"), m.log())
			m.expectLoggedOut(browser)
		})
	}
}

// TestMellonRefusesALogOutThatAnotherSigned: it still has the former certificate.
func TestMellonRefusesALogOutThatAnotherSigned(t *testing.T) {
	w := newWorld(t)
	m := newMellon(w, mellonOptions{}, mellonLogout(directory.BindingHTTPRedirect))
	browser := formclient.New()
	m.logInTo(browser, deepLink)
	w.key = mustGenerate(keypair.RSA2048)
	w.publishTenant()
	page := w.logOutHere(browser)
	w.Expect(page.Status).To(Equal(http.StatusBadRequest), "%s: %s", page.URL, page.Text())
	m.arrived(m.visit(browser, m.URL+deepLink)) // still logged in there
}

// logsOut are the options for node-saml to take part in log-outs.
func logsOut(w *world) map[string]any {
	return with(signs(), "logoutUrl", endpoints.SingleLogout(w.url, tenant), "validateInResponseTo", "always")
}

func logoutAt(binding directory.Binding) func(*directory.App) {
	return func(app *directory.App) {
		acs := app.SAML.AssertionConsumerServices[0].URL
		app.SAML.SingleLogoutServices = []directory.SingleLogoutService{{Binding: binding, URL: strings.TrimSuffix(acs, "/acs") + "/slo"}}
	}
}

// known is whom node-saml believes to be logged in.
func (n *nodeSAML) known(browser *formclient.Client) map[string]any {
	n.t.Helper()
	page, err := browser.Get(n.t.Context(), n.provider+"/member")
	n.Expect(err).NotTo(HaveOccurred())
	return n.read(page).Profile
}

// TestNodeSAMLLogsOut: the answer comes by the binding that it takes.
func TestNodeSAMLLogsOut(t *testing.T) {
	for _, binding := range []directory.Binding{directory.BindingHTTPRedirect, directory.BindingHTTPPOST} {
		t.Run(string(binding), func(t *testing.T) {
			w := newWorld(t)
			n := newNodeSAML(w, logsOut(w), logoutAt(binding))
			browser := formclient.New()
			n.expectProfile(n.logInBy(browser, "redirect"))
			got := n.read(w.follow(browser, w.visit(browser, n.provider+"/logout")))
			w.Expect(got.Error).To(BeEmpty())
			w.Expect(got.LoggedOut).To(BeTrue())
			w.Expect(got.RelayState).To(Equal(relayState))
			page := n.visit(browser, n.provider+"/redirect")
			_, err := page.FormWith("mail", "password")
			w.Expect(err).NotTo(HaveOccurred(), "the session here has ended")
		})
	}
}

// TestNodeSAMLIsToldOfALogOut: the member logs out here.
func TestNodeSAMLIsToldOfALogOut(t *testing.T) {
	for _, binding := range []directory.Binding{directory.BindingHTTPRedirect, directory.BindingHTTPPOST} {
		t.Run(string(binding), func(t *testing.T) {
			w := newWorld(t)
			n := newNodeSAML(w, logsOut(w), logoutAt(binding))
			browser := formclient.New()
			n.expectProfile(n.logInBy(browser, "post"))
			w.Expect(n.known(browser)).NotTo(BeNil())
			page := w.logOutHere(browser)
			w.Expect(string(page.Body)).To(ContainSubstring("state-succeeded"), page.Text())
			w.Expect(n.known(browser)).To(BeNil())
		})
	}
}

// TestForgedLogOutOfNodeSAMLIsRefused: nobody is logged out by a stranger.
func TestForgedLogOutOfNodeSAMLIsRefused(t *testing.T) {
	for name, key := range map[string]string{"unsigned": "", "another's key": string(mustGenerate(keypair.RSA2048).PrivateKey)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			options := map[string]any{"logoutUrl": endpoints.SingleLogout(w.url, tenant), "validateInResponseTo": "never"}
			if key != "" {
				options["privateKey"] = key
			}
			n := newNodeSAML(w, options, logoutAt(directory.BindingHTTPRedirect))
			browser := formclient.New()
			start := endpoints.IdPInitiated(w.url, tenant, n.app.Name)
			w.Expect(n.arrive(browser, w.logIn(browser, w.visit(browser, start))).Error).To(BeEmpty())
			page := w.visit(browser, n.provider+"/logout")
			w.Expect(page.Status).To(Equal(http.StatusBadRequest), page.Text())
			w.response(w.visit(browser, start)) // the session here goes on
		})
	}
}

// TestALogOutReachesEverybody: it starts at one service provider, the other is
// told, and the first gets the answer.
func TestALogOutReachesEverybody(t *testing.T) {
	w := newWorld(t)
	n := newNodeSAML(w, logsOut(w), logoutAt(directory.BindingHTTPPOST))
	m := newMellon(w, mellonOptions{SignRequests: true}, mellonLogout(directory.BindingHTTPRedirect))
	browser := formclient.New()
	m.logInTo(browser, deepLink)
	n.expectProfile(n.logInBy(browser, "redirect"))
	w.Expect(n.known(browser)).NotTo(BeNil())

	page := w.follow(browser, w.visit(browser, m.URL+"/mellon/logout?ReturnTo="+url.QueryEscape(m.URL+"/mellon/metadata")))
	w.Expect(page.URL.String()).To(Equal(m.URL+"/mellon/metadata"), "%s\n%s", page.Text(), m.log())
	w.Expect(n.known(browser)).To(BeNil())
	m.expectLoggedOut(browser)

	m.logInTo(browser, deepLink)
	n.expectProfile(n.logInBy(browser, "redirect"))
	got := n.read(w.follow(browser, w.visit(browser, n.provider+"/logout")))
	w.Expect(got.LoggedOut).To(BeTrue(), got.Error)
	m.expectLoggedOut(browser)
}
