/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"net/http"
	"net/url"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
)

// head asks for the headers of a page alone, as link checkers do.
func (b *browser) head(target string) *page {
	b.world.t.Helper()
	request, err := http.NewRequest(http.MethodHead, b.resolve(target), nil)
	b.world.Expect(err).NotTo(HaveOccurred())
	return b.do(request)
}

// TestHeadLogsInNobody looks with HEAD before each step of a log-in to an app.
func TestHeadLogsInNobody(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	id, target := sp.request("state", nil)
	login := b.get(target)
	elsewhere := w.browser()
	elsewhere.logIn(hanako, goodPassword)
	flow := "/login?flow=" + login.input("flow")
	w.Expect(elsewhere.head(flow).status).To(Equal(http.StatusOK))
	_, again := sp.request("", nil)
	w.Expect(elsewhere.head(again).status).To(Equal(http.StatusOK))
	w.Expect(w.audits()).NotTo(ContainElement(admin.SSOSucceeded))
	w.Expect(w.counted("tegata_idp_saml_responses_total", "succeeded")).To(BeZero())

	sp.accept(login.submit("/login", "mail", hanako, "password", goodPassword), id)
	w.Expect(w.audits()[0]).To(Equal(admin.SSOSucceeded))
}

// TestFinishedFlowIsOver takes a flow that has answered its app to a browser
// with another member's session, and to one with none.
func TestFinishedFlowIsOver(t *testing.T) {
	w, sp := newSAMLWorld(t)
	w.addMember("taro")
	id, target := sp.request("state", nil)
	login := w.browser().get(target)
	flow := "/login?flow=" + login.input("flow")
	sp.accept(login.submit("/login", "mail", hanako, "password", goodPassword), id)

	other := w.browser()
	other.logIn("taro@acme.example", goodPassword)
	w.Expect(other.get(flow).path()).To(Equal("/"))
	stranger := w.browser().get(flow)
	w.Expect(stranger.input("flow")).To(BeEmpty())
	w.Expect(stranger.text()).To(And(ContainSubstring("finished already"), Not(ContainSubstring("Wiki"))))
}

// TestHostIsNotBelieved sends another Host than the site's: no link follows it.
func TestHostIsNotBelieved(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ask := func(target string) *page {
		request, err := http.NewRequest(http.MethodGet, b.resolve(target), nil)
		w.Expect(err).NotTo(HaveOccurred())
		request.Host = "evil.example"
		request.Header.Set("X-Forwarded-Host", "evil.example")
		request.Header.Set("X-Forwarded-Proto", "https")
		return b.do(request)
	}
	_, target := sp.request("", nil)
	for _, target := range []string{"/", "/login", "/help", target, "/saml/acme/metadata", "//evil.example/..", "/nowhere"} {
		answer := ask(target)
		w.Expect(answer.body).NotTo(ContainSubstring("//evil.example"))
		if location := answer.header.Get("Location"); location != "" {
			went, err := url.Parse(location)
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(went.Host).To(BeEmpty(), target)
		}
	}
	w.Expect(ask("/saml/acme/metadata").body).To(ContainSubstring(w.server.URL + "/saml/acme/sso"))
}
